"""Calibration of a captioner's certainty: fitted on held-out clips, tested on meaningless footage.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ..checkpoints.safetensors_io import read_header, read_tensors, write_tensors
from ..models.autoencoder import Autoencoder
from ..models.captioner import Captioner
from ..models.vocabulary import LONG_SIGN
from ..pipeline.caption import CAPTION_SIDE, WINDOW_FRAMES, caption
from ..prompts.vocabulary import World
from ..shapes import Frames
from .captions import caption_latents, labelled_clip, stated_labels
from .report import Figure

CALIBRATION_SEED = 985_000_000
CALIBRATION_BATCH = 16

CalibrationTrial = tuple[float, bool]
"""The log odds of a caption's words, and whether the caption is right."""


def calibration_trials(
    captioner: Captioner, autoencoder: Autoencoder, world: World, count: int
) -> Iterator[CalibrationTrial]:
    """One trial for each of `count` held-out clips; no other measurement uses these clips."""
    clips = [labelled_clip(seed) for seed in range(CALIBRATION_SEED, CALIBRATION_SEED + count)]
    looks = torch.cat([look for _, clip in clips for look in caption_latents(autoencoder, clip)])
    predictions = [
        each
        for part in looks.split(CALIBRATION_BATCH)
        for each in captioner.generate(part, LONG_SIGN)
    ]
    for (labels, _), each in zip(clips, predictions, strict=True):
        yield each.odds, stated_labels(each.text, world) == labels


def calibrated(tried: Sequence[CalibrationTrial]) -> Tensor:
    """Offset and slope from the log odds of words to those of a right caption (Platt 1999).

    A weak penalty holds them near 0 and 1 if there are few trials.
    """
    odds = torch.tensor([each for each, _ in tried], dtype=torch.float64)
    right = torch.tensor([float(is_right) for _, is_right in tried], dtype=torch.float64)
    fitted = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([fitted], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> float:
        search.zero_grad()
        pull = 0.01 * (fitted - torch.tensor([0.0, 1.0])).square().sum()
        error = binary_cross_entropy_with_logits(fitted[0] + fitted[1] * odds, right) + pull
        error.backward()
        return error.item()

    search.step(loss)
    return fitted.detach().float()


def write_certainty(path: Path, certainty: Tensor) -> None:
    """Writes a fitted `certainty` to the captioner file at `path`; the rest is unchanged."""
    tensors = read_tensors(path) | {"certainty": certainty.half()}
    write_tensors(path, tensors, read_header(path).metadata)


def strange_figures(
    captioner: Captioner, autoencoder: Autoencoder, count: int = 16
) -> list[Figure]:
    """The mean certainty of captions for footage from outside the world; it should be low."""
    table = []
    for name, clips in (("noise", pixel_noise), ("tiles", tiles), ("fades", fades)):
        looks = [caption_latents(autoencoder, clips(seed)) for seed in range(count)]
        sure = [caption(captioner, each).certainty for each in looks]
        table.append(Figure(f"certainty_{name}", fmean(sure)))
    return table


def pixel_noise(seed: int) -> Frames:
    """A clip of random pixels, new in each frame."""
    generator = torch.Generator().manual_seed(seed)
    shape = (WINDOW_FRAMES, CAPTION_SIDE, CAPTION_SIDE, 3)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def tiles(seed: int) -> Frames:
    """A clip of one still mosaic of random colours."""
    generator = torch.Generator().manual_seed(seed)
    mosaic = torch.randint(256, (8, 8, 3), generator=generator, dtype=torch.uint8)
    large = mosaic.repeat_interleave(CAPTION_SIDE // 8, 0).repeat_interleave(CAPTION_SIDE // 8, 1)
    return large.expand(WINDOW_FRAMES, -1, -1, -1).contiguous()


def fades(seed: int) -> Frames:
    """A clip of a plain colour that fades into another."""
    colours = torch.rand(2, 3, generator=torch.Generator().manual_seed(seed)) * 255
    mixed = torch.lerp(colours[0], colours[1], torch.linspace(0, 1, WINDOW_FRAMES)[:, None])
    return (
        mixed[:, None, None].expand(-1, CAPTION_SIDE, CAPTION_SIDE, -1).to(torch.uint8).contiguous()
    )
