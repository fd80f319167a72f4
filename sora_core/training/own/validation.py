"""The validation of a run on a user's clips: held-out loss, and rulers without ground truth.

Axes: b clips, t frames, y rows, x columns.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ...models.packing import PackedClip
from ...sampling.guidance import guide
from ...sampling.noise import seeded_noise
from ...sampling.samplers import Sigma, euler
from ...sampling.schedules import shift_for_cells, shifted_sigmas
from ...shapes import COMPRESSION, Frames, Latent
from ..distributed import Ranks
from .samples import FlowSample, OwnClip

HELD_OUT_LEVELS = (0.3, 0.6, 0.9)
TOGETHER_CELLS = 4096  # latent cells of held-out clips in one call of the model
TURN_MARGIN = 0.01  # share of the lowest held-out loss
TURN_PATIENCE = 2  # successive validations above it

Losses = Callable[[Sequence[FlowSample]], tuple[Tensor, Tensor]]


@torch.no_grad()
def held_out_losses(
    objective: Losses,
    clips: Sequence[OwnClip],
    ranks: Ranks,
    device: torch.device,
    on_call: Callable[[], None] = lambda: None,
) -> dict[float, float]:
    """The flow loss on `clips` at each of HELD_OUT_LEVELS, each clip at its own fixed noise.

    Every process evaluates its share of the clips, with equally many calls of the model. `on_call`
    is called before each and may raise to stop.
    """
    most = max(1, TOGETHER_CELLS // max(clip.grid.cells for clip in clips))
    numbers = range(ranks.rank, padded(len(clips), ranks), ranks.count)
    share = [clips[i % len(clips)] for i in numbers]
    counts = [i < len(clips) for i in numbers]
    means = {}
    for level in HELD_OUT_LEVELS:
        total = torch.zeros((), device=device)
        for begin in range(0, len(share), most):
            on_call()
            part = [fixed_sample(clip, level).to(device) for clip in share[begin : begin + most]]
            losses = objective(part)[0].float()
            counted = torch.tensor(counts[begin : begin + most], device=device)
            total += (losses * counted).sum()
        means[level] = float(ranks.mean(total)) * ranks.count / len(clips)
    return means


def padded(count: int, ranks: Ranks) -> int:
    """The least multiple of the number of processes that is at least `count`."""
    return math.ceil(count / ranks.count) * ranks.count


def fixed_sample(clip: OwnClip, level: float) -> FlowSample:
    """`clip` at noise level `level`, with noise seeded by its name."""
    seed = int.from_bytes(sha256(clip.name.encode(errors="surrogateescape")).digest()[:4], "big")
    clean = clip.latent[None].float()
    noise = torch.randn(clean.shape, generator=Generator().manual_seed(seed))
    sigma, ones = torch.full((1, 1, 1, 1, 1), level), torch.ones(1, 1, 1, 1, 1)
    words = clip.words[None].float()
    return FlowSample(clean, noise, sigma, ones, words, clip.fps, clip.caption)


def turned_at(losses: Sequence[tuple[int, float]]) -> int | None:
    """The step of the lowest held-out loss, if the last TURN_PATIENCE ones are clearly above it."""
    if len(losses) <= TURN_PATIENCE:
        return None
    step, least = min(losses, key=lambda pair: pair[1])
    late = losses[-TURN_PATIENCE:]
    risen = all(loss > least * (1 + TURN_MARGIN) and at > step for at, loss in late)
    return step if risen else None


@torch.no_grad()
def sampled_clip(
    denoise_clips: Callable[[Sequence[PackedClip]], list[Latent]],
    clip: OwnClip,
    empty: Float[Tensor, "l e"],
    steps: int,
    scale: float,
    seed: int,
    device: torch.device,
    on_call: Callable[[], None] = lambda: None,
) -> Latent:
    """A latent of the size and caption of `clip`, generated from `seed`.

    `on_call` is called before each call of the model and may raise to stop.
    """
    words, nothing = clip.words[None].float().to(device), empty[None].float().to(device)
    shape = (1, clip.latent.shape[0], *clip.grid.shape)
    noise = seeded_noise(seed, shape).to(device)

    def conditioned(text: Tensor) -> Callable[[Latent, Sigma], Latent]:
        def denoise(x: Latent, sigma: Sigma) -> Latent:
            on_call()
            level = torch.as_tensor(sigma, device=device).view(1, 1, 1, 1, 1)
            return denoise_clips([PackedClip(x, level, text, fps=clip.fps)])[0]

        return denoise

    sigmas = shifted_sigmas(steps, shift_for_cells(clip.grid.cells))
    return euler(guide(conditioned(words), conditioned(nothing), scale), noise, sigmas)


def clip_rulers(frames: Frames) -> dict[str, float]:
    """Measurements of a clip that need no ground truth.

    `detail`: mean difference of neighbouring pixels, in levels of 255. `colour`: deviation of the
    pixels, in levels. `motion`: mean difference of successive frames, in levels. `border`: the
    differences at the start of latent frames over all others, 1 for invisible boundaries.
    """
    video = frames.float()
    found = {
        "detail": float((video.diff(dim=1).abs().mean() + video.diff(dim=2).abs().mean()) / 2),
        "colour": float(video.std()),
    }
    if len(frames) > COMPRESSION.time:
        steps = video.diff(dim=0).abs().flatten(1).mean(1)
        border = torch.zeros(len(steps), dtype=torch.bool)
        border[:: COMPRESSION.time] = True
        found["motion"] = float(steps.mean())
        found["border"] = float(steps[border].mean() / steps[~border].mean().clamp(min=0.05))
    return found


def mean_rulers(clips: Sequence[Frames]) -> Mapping[str, float]:
    """The mean of each ruler over the clips that have it."""
    every = [clip_rulers(frames) for frames in clips]
    names = dict.fromkeys(name for found in every for name in found)
    return {name: fmean(found[name] for found in every if name in found) for name in names}
