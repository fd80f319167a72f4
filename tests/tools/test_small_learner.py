"""The small learner of tools.paper_options and tools.scaling: equal compute, fair clips."""

import json
import math
from itertools import product

import pytest
import torch
from PIL import Image

from tools import paper_options, scaling
from tools.paper_options import ARMS, SMALLEST_SUBJECT, cropped, interval, native, table, verdict
from tools.scaling import BUDGETS, WIDTHS, fitted, least
from tools.small_learner.clips import FORMATS, SQUARE, WIDE, draw_clip, square_crop, whole_subject
from tools.small_learner.losses import best, change
from tools.small_learner.model import (
    FACTORISED,
    TIMES,
    Learner,
    LearnerConfig,
    patches,
    places_of,
    video_of,
)
from tools.small_learner.training import (
    Batch,
    batch_at,
    batch_of,
    generated,
    square_clips,
    step_operations,
    trained,
)

TINY = LearnerConfig(width=32, depth=2)


@pytest.fixture(scope="module")
def batch():
    return batch_at(square_clips(SQUARE), 0)


@pytest.mark.parametrize("size", FORMATS)
def test_a_drawn_subject_is_whole_and_noise_or_ground_is_none(size):
    clips = [draw_clip(seed, size).video for seed in range(24)]
    assert all(whole_subject(clip, SMALLEST_SUBJECT) for clip in clips)
    assert not whole_subject(torch.zeros_like(clips[0]), SMALLEST_SUBJECT)
    ground = clips[0].clamp(-0.3, 0.3)
    assert not whole_subject(ground, SMALLEST_SUBJECT)


def test_a_square_crop_of_a_wide_clip_often_cuts_the_subject_and_never_of_a_square_one():
    wide = [square_crop(seed, WIDE).video for seed in range(48)]
    assert {tuple(clip.shape[2:]) for clip in wide} == {SQUARE}
    assert sum(whole_subject(clip, SMALLEST_SUBJECT) for clip in wide) < 24
    assert all(whole_subject(square_crop(i, SQUARE).video, SMALLEST_SUBJECT) for i in range(12))


def test_native_and_cropped_clips_have_equally_many_tokens():
    for step in range(3):
        pair = [patches(batch_of(draw(step))[0]) for draw in (native, cropped)]
        assert pair[0].shape == pair[1].shape


def test_patches_come_back_as_the_video_in_every_format():
    for size in FORMATS:
        video = torch.randn(2, 3, 8, *size)
        assert torch.equal(video_of(patches(video), *size), video)


def test_alike_patches_are_dropped_before_those_that_change(batch):
    clean, count = patches(batch.video), patches(batch.video).shape[1] // 2
    chosen = best(change(batch, clean), count)
    times = places_of(batch.video)[0, :, 0]
    assert all(
        set(torch.nonzero(times == 0).flatten().tolist()) <= set(row.tolist()) for row in chosen
    )
    rows = clean.unflatten(1, (TIMES, -1))
    apart = torch.cat([torch.full_like(rows[:, :1, :, 0], 9), rows.diff(dim=1).abs().mean(-1)], 1)
    apart = apart.flatten(1)
    inside = torch.zeros_like(apart, dtype=torch.bool).scatter(1, chosen, True)
    assert float(apart[inside].mean()) > 5 * float(apart[~inside].mean())


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_every_arm_spends_the_same_operations_to_within_a_step_of_each_phase(arm):
    config = LearnerConfig(width=32, depth=2, attention=arm.config.attention)
    model, teacher = Learner(config), Learner(config).requires_grad_(False)
    costs = [
        step_operations(model, teacher, phase.loss, batch_at(arm.draw, 0)) for phase in arm.phases
    ]
    budget = 8.0 * max(costs)
    learner, steps = trained(config, arm.phases, arm.draw, budget, seed=0)
    wanted = [
        round(phase.share * budget / cost) for phase, cost in zip(arm.phases, costs, strict=True)
    ]
    assert steps == sum(wanted)
    spent = sum(count * cost for count, cost in zip(wanted, costs, strict=True))
    assert spent == pytest.approx(budget, abs=sum(costs) / 2)
    assert all(torch.isfinite(weight).all() for weight in learner.parameters())


def test_factorised_attention_keeps_frames_apart_in_space_and_cells_apart_in_time():
    model = Learner(LearnerConfig(width=32, depth=1, attention=FACTORISED))
    torch.nn.init.normal_(model.proj_out.weight)
    video, prompts = batch_of([draw_clip(0, SQUARE)])
    places, sigma = places_of(video), torch.zeros(1)
    tokens = patches(video)
    before = model(tokens, places, sigma, prompts)
    tokens[:, 0] += 1
    moved = (model(tokens, places, sigma, prompts) - before).abs().amax(-1)[0] > 1e-6
    assert bool(moved.all())  # one block of both reaches every token
    model.blocks[0].attention[1].out.weight.data.zero_()
    tokens[:, 0] -= 1
    before = model(tokens, places, sigma, prompts)
    tokens[:, 0] += 1
    moved = (model(tokens, places, sigma, prompts) - before).abs().amax(-1)[0] > 1e-6
    assert bool(moved[places[0, :, 0] == 0].all()) and not bool(moved[places[0, :, 0] > 0].any())


def test_training_lowers_the_loss_and_one_seed_gives_one_model():
    draw = square_clips(SQUARE)
    model, teacher = Learner(TINY), Learner(TINY)
    cost = step_operations(model, teacher, ARMS[0].phases[0].loss, batch_at(draw, 0))
    first, again = (trained(TINY, ARMS[0].phases, draw, 6 * cost, seed=1)[0] for _ in range(2))
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)
    )
    video = generated(first, [0, 3], SQUARE, 0)
    assert video.shape == (2, 3, 8, *SQUARE) and float(video.abs().max()) <= 1


def test_a_verdict_needs_the_interval_to_exclude_no_change():
    assert verdict(-2.0, 1.0) == "wins" and verdict(2.0, 1.0) == "loses"
    assert verdict(-2.0, 3.0) == "undecided" and verdict(-9.0, interval([1.0])) == "undecided"
    assert interval([1.0, 1.0, 1.0]) == 0
    assert interval([0.0, 1.0]) == pytest.approx(12.71 * math.sqrt(0.5) / math.sqrt(2))


def test_the_table_compares_each_arm_with_the_first_at_the_same_seed():
    results = {
        ARMS[0].name: {"0": {"loss": 1.0, "steps": 9}, "1": {"loss": 2.0, "steps": 9}},
        ARMS[1].name: {"0": {"loss": 0.9, "steps": 7}, "1": {"loss": 1.8, "steps": 7}},
    }
    assert "| 7 | 1.3500 | -10.0 % ± 0.0 | wins |" in table(results)


def test_every_option_but_the_first_names_its_paper_with_the_year():
    assert ARMS[0].paper == ""
    assert all(arm.paper[-4:].isdecimal() for arm in ARMS[1:])


def test_the_table_has_how_often_the_whole_subject_is_in_the_frame_of_each_shape():
    values = {"loss": 0.03, "steps": 9, "square": 0.5, "wide": 1.0, "tall": 0.25}
    (row,) = (
        line for line in table({"square crops": {"0": values}}).splitlines() if "crops" in line
    )
    shares = " | ".join(f"{share} % (one seed)" for share in (50, 100, 25))
    assert row == f"| square crops | Brooks et al. 2024 | 9 | {shares} | 0.0300 |"


def refuse_to_train(*arguments):
    raise AssertionError("trained")


def test_the_tables_are_printed_without_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paper_options, "trained", refuse_to_train)
    path = tmp_path / "options.json"
    with pytest.raises(SystemExit, match="does not exist"):
        paper_options.main(["--table", "--out", str(path)])
    results = {ARMS[0].name: {"0": {"loss": 1.0, "steps": 9}}}
    path.write_text(json.dumps({"minutes": 8.0, "results": results}))
    paper_options.main(["--table", "--out", str(path)])
    assert "1.92e+13 operations an arm" in (printed := capsys.readouterr().out)
    assert "joint attention, all tokens" in printed


def test_the_scaling_is_drawn_without_training_and_not_from_a_part_of_it(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(scaling, "trained", refuse_to_train)
    arguments = ["--draw", "--minutes", "1", "--out", str(tmp_path)]
    arguments += ["--picture", str(tmp_path / "scaling.png")]
    for budget, width in product(BUDGETS, WIDTHS):
        with pytest.raises(SystemExit, match=f"{width}-{budget}-1.json does not exist"):
            scaling.main(arguments)
        video = draw_clip(budget, SQUARE).video
        values = {"width": width, "budget": budget, "operations": 1e9 * budget, "loss": 1 / width}
        values |= {"whole_subject": 0.5, "parameters": 1000, "clip": video.tolist()}
        (tmp_path / f"{width}-{budget}-1.json").write_text(json.dumps(values))
    scaling.main(arguments)
    assert "held-out loss =" in capsys.readouterr().out
    with Image.open(tmp_path / "scaling.png") as picture:
        assert picture.width > 1000 and picture.height > 800


def test_the_fitted_line_is_that_of_a_power_law_and_the_best_of_each_budget():
    points = [(x, 3 * x**-0.25) for x in (1e9, 4e9, 16e9)]
    slope, factor = fitted(points)
    assert (slope, factor) == (pytest.approx(-0.25), pytest.approx(3))
    runs = [{"operations": 1.0, "loss": 2.0}, {"operations": 1.0, "loss": 1.5}]
    assert least(runs) == [(1.0, 1.5)]


def test_a_step_has_the_same_clips_every_time(batch):
    again = batch_at(square_clips(SQUARE), 0)
    assert isinstance(again, Batch) and torch.equal(batch.video, again.video)
