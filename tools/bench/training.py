"""Training of the transformer: its share of the machine's speed, of its loop, and packed rows.

- `of_peak`: forward and backward at 320 tokens a clip, in bfloat16, over the product of square
  matrices in bfloat16 of the same run. Work is counted as the field does, 6 operations a weight
  and token; `of_peak_counted` has those that torch counts, fewer where a weight serves a clip.
- `loop_of_bare`: forward and backward alone, over whole steps of the trainer: data, noise,
  clipping, optimizers and averages; the median of the rounds, with its quartiles. A step has the
  tokens of a step of the recipe `wide`.
- `packed_of_bucketed`: one packed row of the clips of the toy town, against a batch of each shape;
  the median of many alternating rounds, with its interval of 95 %. Beside it `padded_of_bucketed`,
  all clips as long as the longest, with a mask. Without the optimizer, which is the same for all;
  results are compared in float32.

Axes: b clips, n tokens of the longest clip, l text tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from sora_core.measure.report import Figure
from sora_core.models.autoencoder import Autoencoder
from sora_core.models.dit import DiT, DiTConfig
from sora_core.models.layers import written_out_attention
from sora_core.models.metric import format_features, metric_positions, rates
from sora_core.models.packing import PackedClip, denoise_packed, pad_texts
from sora_core.models.patchify import patchify, unpatchify
from sora_core.training.averages import Averages
from sora_core.training.distributed import Ranks
from sora_core.training.own.objective import FlowObjective
from sora_core.training.own.run import training_config
from sora_core.training.own.samples import OwnClip, OwnClips, draw_step
from sora_core.training.own.settings import OwnSettings
from sora_core.training.own.task import OwnTransformerTask
from sora_core.training.trainer import train as train_loop

from .peers import stirred
from .race import GEMM, Candidate, flops, race, same

MIX = (((5, 8, 8), 8), ((9, 8, 8), 4), ((5, 8, 14), 3), ((1, 8, 8), 8), ((5, 12, 12), 3))
"""Latent shapes of the recipe `wide`, and how many clips of each a step of all has."""
SMOKE_MIX = (((2, 4, 4), 2), ((1, 4, 6), 2))
RATES = (8.0, 12.0, 16.0, 24.0)
WORDS = (12, 24, 18, 40)
DEPTH, WIDTH, TEXT_WIDTH, CHANNELS = 10, 256, 384, 16

CLIP, SMOKE_CLIP = (5, 16, 16), (2, 4, 4)  # 320 tokens at a patch of 2
PEAK_CLIPS, STEP_CLIPS, STEPS = 4, 16, 2
MIX_ROUNDS = 5  # times as many: packed and bucketed differ by a few per cent

Groups = Sequence[Sequence[PackedClip]]
Step = Callable[[DiT, Groups], list[Tensor]]


def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    torch.manual_seed(0)
    yield from speed(rounds, smoke)
    yield from loop(rounds, smoke)
    yield from mixed_sizes(rounds, smoke)


def speed(rounds: int, smoke: bool) -> Iterator[Figure]:
    """Forward and backward, against the product of square matrices."""
    objective = FlowObjective(DiT(DiTConfig(width=WIDTH, depth=1 if smoke else DEPTH)))
    objective.dit.init_weights()
    settings = replace(step_settings(smoke), batch=1 if smoke else PEAK_CLIPS)
    samples = draw_step(own_clips(settings.batch, smoke), settings, 0, Ranks())
    step = partial(backward, objective, samples)
    square = torch.rand(2, 256 if smoke else 2048, 256 if smoke else 2048).bfloat16()
    peak = Candidate(lambda: square[0] @ square[1], 2.0 * square.shape[1] ** 3)
    step()
    work = flops(step)
    done = race("training/speed", {"step": Candidate(partial(in_half, step), work), GEMM: peak},
                rounds)  # fmt: skip
    yield from done.figures()
    counted = done.speed("step") / done.speed(GEMM)
    weights = sum(weight.numel() for weight in objective.parameters())
    tokens = sum(sample.packed().tokens for sample in samples)
    yield Figure("training/of_peak_counted", counted)
    yield Figure("training/of_peak", counted * 6 * weights * tokens / work)


def loop(rounds: int, smoke: bool) -> Iterator[Figure]:
    """Steps of the trainer, against forward and backward of as many batches."""
    settings = step_settings(smoke)
    objective = FlowObjective(DiT(DiTConfig(width=WIDTH, depth=1 if smoke else DEPTH)))
    objective.dit.init_weights()
    clips = own_clips(2 * settings.batch, smoke)
    samples = draw_step(clips, settings, 0, Ranks())

    def bare() -> None:
        for _ in range(settings.steps):
            in_half(partial(backward, objective, samples))

    averages = Averages(objective, settings.averages, tracked=settings.snapshots > 0)
    task = OwnTransformerTask(
        objective, objective, averages, settings, Ranks(), torch.device("cpu"),
        lambda step, values, best: None, Autoencoder.__new__(Autoencoder), clips,
    )  # fmt: skip
    task.show = lambda average, step, folder: {}

    def whole() -> None:
        with TemporaryDirectory() as folder:
            train_loop(
                task,
                training_config(settings, torch.device("cpu")),
                Path(folder),
                Ranks(),
                resume=False,
                averages=averages,
                store=Nowhere(),
            )

    done = race("training/loop", {"bare": Candidate(bare), "whole": Candidate(whole)}, rounds)
    yield from done.figures()
    yield from done.share("training/loop_of_bare", "whole")


class Nowhere:
    """A store that saves nothing: a real run saves every few minutes, not every step."""

    def exists(self) -> bool:
        return False

    def load(self, *state: object) -> int:
        return 0

    def save(self, *state: object) -> None:
        pass


def step_settings(smoke: bool) -> OwnSettings:
    batch, steps = (2, 1) if smoke else (STEP_CLIPS, STEPS)
    return OwnSettings(batch=batch, steps=steps, averages=(0.999,), device="cpu")


def own_clips(count: int, smoke: bool) -> OwnClips:
    """So many random clips of 320 tokens, with texts of several lengths."""
    clips = [
        OwnClip(
            f"{i}", "", torch.randn(CHANNELS, *(SMOKE_CLIP if smoke else CLIP)).half(),
            torch.randn(WORDS[i % len(WORDS)], TEXT_WIDTH).half(), RATES[i % len(RATES)],
        )
        for i in range(count)
    ]  # fmt: skip
    return OwnClips(clips, [], torch.zeros(2, TEXT_WIDTH))


def backward(objective: FlowObjective, samples: Sequence) -> None:
    objective.zero_grad()
    flow, steps = objective(samples)
    (flow.mean() + steps.mean()).backward()


def in_half(step: Callable[[], None]) -> None:
    """A step in the precision that training has."""
    with torch.autocast("cpu", torch.bfloat16):
        step()


def mixed_sizes(rounds: int, smoke: bool) -> Iterator[Figure]:
    """Clips of many sizes in one step: packed, a batch of each size, and padded."""
    config = DiTConfig(width=WIDTH, depth=1 if smoke else DEPTH, positions="metric")
    model = stirred(DiT(config))
    groups = [
        [
            PackedClip(
                torch.randn(1, CHANNELS, *shape),
                torch.rand(1, 1, 1, 1, 1),
                torch.randn(1, WORDS[i % len(WORDS)], TEXT_WIDTH),
                fps=RATES[i % len(RATES)],
            )
            for i in range(count)
        ]
        for shape, count in (SMOKE_MIX if smoke else MIX)
    ]
    steps_of = {"bucketed": bucketed, "packed": packed, "padded": padded}
    expected = train(bucketed, model, groups)
    for kind in ("packed", "padded"):
        results = train(steps_of[kind], model, groups)
        for name, found, wanted in zip(("loss", "gradient"), results, expected, strict=True):
            yield same(f"training/{kind}/{name}", found, wanted)
    steps = {
        name: Candidate(partial(in_half, partial(train, step, model, groups)))
        for name, step in steps_of.items()
    }
    longest = steps.pop("padded")
    done = race("training", steps, 1 if smoke else MIX_ROUNDS * rounds)
    yield from done.figures()
    yield from done.tested("training/packed_of_bucketed", "packed")
    wide = race("training/longest", {"bucketed": steps["bucketed"], "padded": longest}, rounds)
    yield from wide.figures()
    yield from wide.tested("training/padded_of_bucketed", "padded")


def train(step: Step, model: DiT, groups: Groups) -> tuple[Tensor, Tensor]:
    """The loss and all gradients of a step, the gradients in one row."""
    model.zero_grad()
    loss = torch.stack(step(model, groups)).mean()
    loss.backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return loss.detach()[None], torch.cat(gradients)


def packed(model: DiT, groups: Groups) -> list[Tensor]:
    """The error of each clip, of one row that has all of them."""
    clips = [clip for group in groups for clip in group]
    predicted = denoise_packed(model, clips)
    return [(m - clip.latent).square().mean() for m, clip in zip(predicted, clips, strict=True)]


def bucketed(model: DiT, groups: Groups) -> list[Tensor]:
    """The error of each clip, of a batch for each latent shape."""
    errors: list[Tensor] = []
    for group in groups:
        text, mask = pad_texts([clip.text[0] for clip in group])
        latent = torch.cat([clip.latent for clip in group])
        predicted = model(
            latent,
            torch.cat([clip.sigma for clip in group]),
            text,
            mask,
            fps=torch.tensor([clip.fps for clip in group]),
            attend=written_out_attention,
        )
        errors += (predicted - latent).square().flatten(1).mean(1).unbind()
    return errors


def padded(model: DiT, groups: Groups) -> list[Tensor]:
    """The error of each clip, of one batch where all are as long as the longest."""
    clips = [clip for group in groups for clip in group]
    patch, device = model.config.patch, torch.device("cpu")
    tokens = [patchify(clip.latent, patch)[0] for clip in clips]
    each = [rates(clip.fps, 1, device) for clip in clips]
    places = [
        metric_positions(clip.grid, 0.0, rate, patch)[0]
        for clip, rate in zip(clips, each, strict=True)
    ]
    features = [format_features(clip.grid, rate) for clip, rate in zip(clips, each, strict=True)]
    words, words_mask = pad_texts([clip.text[0] for clip in clips])
    mask = pad_sequence([torch.ones(len(row), dtype=torch.bool) for row in tokens], True)

    def attend(q: Tensor, k: Tensor, v: Tensor, _: None) -> Tensor:
        return scaled_dot_product_attention(q, k, v, mask[:, None, None])

    clean = model.transform(
        pad_sequence(tokens, True),
        torch.cat([clip.sigma[:, 0, :, 0, 0] for clip in clips]),
        pad_sequence(places, True),
        words,
        words_mask,
        attend,
        scaled_dot_product_attention,
        features=torch.stack(features),
    )
    rows = zip(clean.split(1), tokens, clips, strict=True)
    predicted = [unpatchify(row[:, : len(own)], clip.grid, patch) for row, own, clip in rows]
    return [(m - clip.latent).square().mean() for m, clip in zip(predicted, clips, strict=True)]
