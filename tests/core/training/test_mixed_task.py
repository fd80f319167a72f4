import json
from dataclasses import replace

import pytest
import torch

from sora_core.errors import ConfigError
from sora_core.models.dit import DiT, DiTConfig
from sora_core.models.layers import written_out_attention
from sora_core.models.packing import PackedClip, denoise_packed
from sora_core.sampling.schedules import shift_for_cells, shift_sigma
from sora_core.shapes import Grid
from sora_core.training.averages import Averages
from sora_core.training.distributed import Ranks
from sora_core.training.flow_losses import cell_error, frame_step_loss, weighted_mean
from sora_core.training.mixed_clips import Bucket, MixedClip, read_buckets, write_latents
from sora_core.training.mixed_task import MixedLearning, MixedTask
from sora_core.training.noise_levels import NoiseLevels
from sora_core.training.sensitivity import decoder_sensitivity
from sora_core.training.trainer import TrainingConfig, train
from sora_core.training.truth_maps import MAPS, MOVING_MAP, THINGS_MAP, MapHead, maps_of, normalised
from sora_core.training.warm_start import warm_started
from tests.support.tiny import tiny_autoencoder, tiny_transformer

SHAPES = ((5, 4, 4), (9, 4, 8), (1, 8, 4))


def bucket(shape, clips=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([[3, 2]]).expand(clips, -1)
    ends = lengths.flatten().cumsum(0).view_as(lengths)
    return Bucket(
        torch.randn(clips, 16, *shape, generator=generator).half(),
        torch.randint(256, (clips, len(MAPS), *shape), generator=generator).to(torch.uint8),
        torch.tensor([8.0, 12.0, 16.0, 24.0])[:clips],
        torch.randn(5 * clips, 384, generator=generator).half(),
        lengths,
        ends - lengths,
        [["a red ball rolls", "a ball"]] * clips,
    )


def task(model=None, **learning):
    torch.manual_seed(0)
    model = model or tiny_transformer(positions="metric").train()
    buckets = [bucket(shape, seed=i) for i, shape in enumerate(SHAPES)]
    return MixedTask(
        model,
        tiny_autoencoder(),
        buckets,
        (0.5, 0.3, 0.2),
        buckets[0],
        torch.zeros(2, 384),
        MixedLearning(**learning),
        batch=4,
        seed=1,
    )


def test_a_step_is_the_same_each_time_and_another_one_is_not():
    first, again, other = (task().loss(step, Ranks())[0].item() for step in (3, 3, 4))
    assert first == again != other


def test_all_kinds_of_steps_have_finite_gradients():
    mixed = task(known=0.4, two_levels=0.5, dropped=0.5, window=0.5)
    for step in range(16):
        loss, _ = mixed.loss(step, Ranks())
        loss.backward()
    gradients = [p.grad for p in mixed.model.parameters() if p.grad is not None]
    assert len(gradients) == len(list(mixed.model.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_larger_clips_come_in_smaller_batches():
    mixed = replace_batch(task(), 64)
    small, usual, large = (
        mixed.count(grid, Ranks()) for grid in (Grid(1, 8, 8), Grid(5, 8, 8), Grid(17, 12, 12))
    )
    assert usual == 64
    assert small == 128
    assert large * 17 * 144 < 64 * 320


def replace_batch(mixed, batch):
    mixed.batch = batch
    return mixed


def test_a_window_of_a_longer_clip_knows_where_it_begins():
    mixed = task(window=1.0)
    batches = [mixed.draw(step, Ranks()) for step in range(30)]
    starts = {batch.start for batch in batches if batch.clean.shape[-1] == 8}
    assert len(starts) > 2 and starts <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert all(batch.clean.shape[2] in (1, 5) for batch in batches)


def test_known_footage_is_at_level_zero_and_not_generated():
    mixed = task(known=1.0, partly=0.0)
    for step in range(20):
        batch = mixed.draw(step, Ranks())
        if batch.clean.shape[2] > 1:
            sigma, open_mask = torch.broadcast_tensors(batch.sigma, batch.open_mask)
            assert (sigma[open_mask == 0] == 0).all() and (open_mask == 1).any()


def test_the_head_of_the_truth_is_not_computed_at_weight_zero():
    mixed = task(truth_weight=0.0)
    mixed.model.truth = None
    loss, parts = mixed.loss(0, Ranks())
    assert loss.isfinite() and "truth" not in parts


def test_a_packed_row_has_the_loss_and_gradients_of_its_clips_one_by_one():
    model = tiny_transformer(positions="metric")
    mixed = task(model, known=1.0, partly=0.0)
    batches = [mixed.draw(step, Ranks()) for step in range(6)]

    def error(predicted, batch, row):
        clean, sigma = batch.clean[row : row + 1], batch.sigma[row : row + 1]
        weight = batch.open_mask * batch.weight[row : row + 1]
        return weighted_mean(cell_error(predicted, clean, sigma), weight)

    def clip(batch, row):
        words = batch.text[row : row + 1, : int(batch.text_mask[row].sum())]
        sigma = batch.sigma[row : row + 1]
        noisy = batch.noisy[row : row + 1]
        return PackedClip(noisy, sigma, words, batch.start, float(batch.fps[row]))

    def gradients(losses):
        model.zero_grad()
        total = torch.stack(losses).mean()
        total.backward()
        return total.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None]

    model.requires_grad_(True)
    packed = denoise_packed(model, [clip(batch, 0) for batch in batches])
    together = gradients([error(m, b, 0) for m, b in zip(packed, batches, strict=True)])
    alone = []
    for batch in batches:
        one = clip(batch, 0)
        predicted = model(
            one.latent,
            one.sigma,
            one.text,
            start=one.start,
            fps=one.fps,
            attend=written_out_attention,
        )
        alone.append(error(predicted, batch, 0))
    separate = gradients(alone)
    assert together[0] == pytest.approx(separate[0], rel=1e-5)
    largest = max(g.abs().max().item() for g in separate[1])
    for one, other in zip(together[1], separate[1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-5 * max(1.0, largest), rtol=1e-4)


def test_low_noise_levels_come_as_often_as_asked():
    generator = torch.Generator().manual_seed(0)
    levels = NoiseLevels(low=0.5, low_end=0.2).draw(4000, 320, generator)
    usual = NoiseLevels().draw(4000, 320, generator)
    assert levels.min() >= 0 and levels.max() <= 1
    extra = (levels < 0.2).float().mean() - 0.5 * (usual < 0.2).float().mean()
    assert extra.item() == pytest.approx(0.5, abs=0.03)


def test_larger_clips_are_noised_more_by_their_cells():
    medians = [
        NoiseLevels(uniform=0).draw(20001, cells, torch.Generator().manual_seed(0)).median()
        for cells in (320, 1280)
    ]
    assert medians[0].item() == pytest.approx(shift_sigma(0.5, shift_for_cells(320)), abs=0.01)
    assert medians[1].item() == pytest.approx(shift_sigma(0.5, 3.0), abs=0.01)


@pytest.mark.parametrize("wrong", [{"low": -0.1}, {"low": 0.6, "uniform": 0.6}, {"spread": 0.0}])
def test_shares_of_noise_levels_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError):
        NoiseLevels(**wrong)


def test_the_error_is_that_of_the_velocity():
    generator = torch.Generator().manual_seed(1)
    clean, predicted, noise = torch.randn(3, 2, 16, 3, 4, 4, generator=generator)
    sigma = torch.full((1, 1, 1, 1, 1), 0.4)
    x = clean.lerp(noise, 0.4)
    velocity = ((x - predicted) / 0.4 - (x - clean) / 0.4).square().mean(1, keepdim=True)
    torch.testing.assert_close(cell_error(predicted, clean, sigma), velocity, atol=1e-4, rtol=1e-4)


def test_an_error_that_stays_costs_no_steps():
    generator = torch.Generator().manual_seed(1)
    clean, offset = torch.randn(2, 2, 16, 3, 4, 4, generator=generator)
    ones = torch.ones(1, 1, 1, 1, 1)
    weight = torch.ones(2, 1, 3, 4, 4)
    stays = frame_step_loss(clean + offset[:, :, :1], clean, ones, ones, weight)
    comes = frame_step_loss(clean + offset, clean, ones, ones, weight)
    assert stays.item() < 1e-9 < comes.item()


def test_maps_count_the_pixels_of_each_cell():
    segments = torch.zeros(5, 16, 16, dtype=torch.uint8)
    segments[:, :8] = 1
    segments[3:, 8:12, :8] = 3  # a thing appears in the third frame of the second group
    maps = maps_of(segments, torch.where(segments == 1, torch.inf, 1.0)).float() / 255
    assert maps.shape == (len(MAPS), 2, 2, 2)
    assert maps[THINGS_MAP, :, 1, 0].tolist() == pytest.approx([0, 0.25], abs=0.01)
    assert maps[MOVING_MAP, :, 1, 0].tolist() == pytest.approx([0, 0.125], abs=0.01)
    near = maps[MAPS.index("near"), 0]
    assert near[0].tolist() == [0, 0] and near[1].tolist() == pytest.approx([0.5, 0.5], abs=0.01)


def test_normalised_maps_do_not_depend_on_how_much_of_them_there_is():
    maps = torch.rand(2, len(MAPS), 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(normalised(maps), normalised(0.5 * maps + 0.2), atol=1e-4, rtol=0)


@pytest.mark.parametrize("patch", [1, 2])
def test_the_head_learns_maps_of_each_token(patch):
    torch.manual_seed(0)
    maps = torch.rand(1, len(MAPS), 2, 4, 4)
    features = torch.randn(1, 2 * (4 // patch) ** 2, 64)
    head = MapHead(64, patch)
    optimizer = torch.optim.Adam(head.parameters(), 1e-2)
    first = head(features, maps).item()
    for _ in range(60):
        optimizer.zero_grad()
        head(features, maps).backward()
        optimizer.step()
    assert head(features, maps).item() < 0.2 * first


def test_shards_come_back_in_buckets_of_one_shape(tmp_path):
    from sora_core.training import mixed_clips

    autoencoder, generator = tiny_autoencoder(), torch.Generator().manual_seed(0)
    paths = []
    for i, (frames, rows, columns) in enumerate([(5, 16, 16), (9, 16, 32), (5, 16, 16)]):
        clips = [
            MixedClip(
                torch.randint(256, (frames, rows, columns, 3), generator=generator).byte(),
                torch.randint(5, (frames, rows, columns), generator=generator).byte(),
                torch.rand(frames, rows, columns, generator=generator),
                fps,
                (f"clip {i}", "a ball"),
            )
            for fps in (8.0, 24.0)
        ]
        paths.append(tmp_path / f"{i}.safetensors")
        write_latents(paths[-1], clips, autoencoder)
        words = {"words": torch.randn(10, 384).half(), "lengths": torch.tensor([[2, 3], [4, 1]])}
        mixed_clips.save_file(words, mixed_clips.text_path(paths[-1]))
    assert json.loads(json.dumps(mixed_clips.captions_of(paths[0])))[0] == ["clip 0", "a ball"]
    buckets = read_buckets(paths)
    assert [each.latents.shape[2:] for each in buckets] == [(2, 2, 2), (3, 2, 4)]
    assert [len(each.latents) for each in buckets] == [4, 2]
    assert buckets[0].fps.tolist() == [8.0, 24.0, 8.0, 24.0]
    expected = read_buckets(paths[2:])[0]
    torch.testing.assert_close(buckets[0].text(3, 0), expected.text(1, 0))


def test_an_average_is_in_eval_mode_and_longer_ones_move_less():
    model = DiT(DiTConfig(width=64, depth=1))
    model.init_weights()
    averages = Averages(model, (0.5, 0.9))
    before = averages.first.state_dict()["proj_in.weight"].clone()
    with torch.no_grad():
        model.get_parameter("proj_in.weight").add_(1)
    averages.update(model, 1000)
    moved = [
        (average.state_dict()["proj_in.weight"] - before).mean().item()
        for average in averages.models
    ]
    assert moved == pytest.approx([0.5, 0.1], abs=1e-4)
    assert not any(average.training for average in averages.models)


def test_a_run_with_longer_averages_continues_to_the_same_numbers(tmp_path):
    config = TrainingConfig(steps=4, batch=4, warmup=1, longer=(0.9,), save_every=2, show_every=99)

    def weights(config, folder, resume):
        mixed = task()
        mixed.show = lambda average, step, folder: {}
        return train(mixed, config, folder, Ranks(), resume=resume).state_dict()

    whole = weights(config, tmp_path / "whole", False)
    weights(replace(config, steps=2, decay=0.0), tmp_path / "parts", False)
    config = replace(config, decay=0.0)
    parts = weights(config, tmp_path / "parts", True)
    again = weights(config, tmp_path / "again", False)
    assert whole.keys() == parts.keys()
    for name, tensor in again.items():
        torch.testing.assert_close(parts[name], tensor, atol=1e-6, rtol=0)


def test_a_deeper_metric_model_begins_as_the_one_it_starts_from():
    trained = tiny_transformer(positions="metric")
    deeper = warm_started(trained, DiTConfig(width=64, depth=5, positions="metric")).eval()
    generator = torch.Generator().manual_seed(0)
    x, text = torch.randn(1, 16, 3, 4, 4, generator=generator), torch.randn(1, 5, 384)
    sigma = torch.full((1, 1, 1, 1, 1), 0.5)
    with torch.no_grad():
        expected = trained(x, sigma, text, fps=12.0)
        torch.testing.assert_close(deeper(x, sigma, text, fps=12.0), expected, atol=1e-5, rtol=0)


def test_a_start_from_a_model_of_another_width_is_refused():
    with pytest.raises(ConfigError, match="width 128"):
        warm_started(tiny_transformer(), DiTConfig(width=128, depth=2))


def test_what_the_decoder_shows_most_weighs_most():
    autoencoder = tiny_autoencoder()
    with torch.no_grad():
        autoencoder.generated_decoder.proj_in.weight[:, 3:] *= 0.05
    latents = torch.randn(48, 16, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    weights = decoder_sensitivity(autoencoder, latents)
    assert weights.diagonal()[:3].min() > 1.5 * weights.diagonal()[3:].max()
