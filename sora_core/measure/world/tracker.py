"""Tracks a thing of a known colour. Axes: t frames, y rows, x columns.

Generated clips have no segments, so things are found by hue: a pixel belongs to the thing by its
colour's component along the thing's own in an opponent plane (red against green, yellow against
blue). The hue comes from the true clip of the same scene. Only scenes in which this finds the true
thing are scored (`trackable`); white things are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import max_pool2d

from ...shapes import Frames

HUE_INNER, HUE_OUTER = 14.0, 28.0  # degrees from the thing's hue: weight 1 within, 0 beyond
CHROMA_INNER, CHROMA_OUTER = 0.5, 0.2  # shares of the thing's chroma: weight 1 above, 0 below
SPECK = 4  # pixels of 64 x 64 frames; smaller pieces are noise of the autoencoder
PIECE = 0.15  # of the largest piece: larger pieces count as further things
FOUND_IOU, WORST_IOU = 0.85, 0.65


@dataclass(frozen=True, slots=True)
class Tint:
    """A colour in the opponent plane: its hue in degrees, and its chroma, 0 to about 1."""

    hue: float
    chroma: float


@dataclass(frozen=True, slots=True)
class Track:
    """One thing over time. `x` and `y` are nan where nothing was found.

    `matte` is the thing's coverage of each pixel, 0 to 1; `area` is its sum, in pixels; `pieces`
    counts the parts of about its size; `inside` are frames in which it touches no border.
    """

    matte: Float[Tensor, "t y x"]
    area: Float[ndarray, "t"]
    x: Float[ndarray, "t"]
    y: Float[ndarray, "t"]
    pieces: Int[ndarray, "t"]
    inside: Bool[ndarray, "t"]

    @property
    def found(self) -> Bool[ndarray, "t"]:
        return self.pieces > 0


def opponent(frames: Frames) -> tuple[Float[Tensor, "t y x"], Float[Tensor, "t y x"]]:
    """Red against green, and yellow against blue, each from -1 to 1."""
    red, green, blue = frames.float().div(255).unbind(-1)
    return red - green, (red + green) / 2 - blue


def tint_of(frames: Frames, mask: Bool[Tensor, "t y x"]) -> Tint:
    """The median colour of the pixels in `mask`, which must not be empty."""
    across, along = (plane[mask] for plane in opponent(frames))
    a, b = across.median().item(), along.median().item()
    return Tint(float(np.degrees(np.arctan2(b, a))), float(np.hypot(a, b)))


def hue_difference(one: float, other: float) -> float:
    """The angle between two hues in degrees, 0 to 180."""
    return abs((one - other + 180) % 360 - 180)


def matte_of(frames: Frames, tint: Tint) -> Float[Tensor, "t y x"]:
    """The share of each pixel that has the colour of `tint`, 0 to 1."""
    a, b = opponent(frames)
    angle = torch.rad2deg(torch.atan2(b, a)) - tint.hue
    apart = (torch.remainder(angle + 180, 360) - 180).abs()
    hue = ((HUE_OUTER - apart) / (HUE_OUTER - HUE_INNER)).clamp(0, 1)
    share = torch.hypot(a, b) / max(tint.chroma, 1e-6)
    chroma = ((share - CHROMA_OUTER) / (CHROMA_INNER - CHROMA_OUTER)).clamp(0, 1)
    return hue * chroma


def labels_of(mask: Bool[Tensor, "t y x"]) -> Int[Tensor, "t y x"]:
    """A number above 0 for each connected part (of eight neighbours) of each frame, 0 outside."""
    count = mask[0].numel()
    start = torch.arange(1, count + 1, dtype=torch.float64).view(1, *mask.shape[1:])
    labels = torch.where(mask, start, start.new_zeros(()))
    while True:
        grown = torch.where(mask, max_pool2d(labels, 3, 1, 1), labels)
        if torch.equal(grown, labels):
            return labels.long()
        labels = grown


def track(frames: Frames, tint: Tint) -> Track:
    """The thing of colour `tint`, with all its parts, in each frame."""
    return track_of(matte_of(frames, tint))


def track_of(matte: Float[Tensor, "t y x"]) -> Track:
    """The thing in `matte`, without specks of noise."""
    labels = labels_of(matte > 0.5)
    speck = max(SPECK, SPECK * matte[0].numel() / 64**2)
    clean, pieces = torch.zeros_like(matte), []
    for t in range(len(matte)):
        names, counts = labels[t][labels[t] > 0].unique(return_counts=True)
        large = counts >= speck
        body = torch.isin(labels[t], names[large])
        wide = max_pool2d(body[None].float(), 3, 1, 1)[0] > 0  # with the soft rim around it
        clean[t] = torch.where(wide, matte[t], 0.0)
        top = counts.max().item() if large.any() else 0
        pieces.append(int((counts[large] >= PIECE * top).sum()))
    hard = clean > 0.5
    border = torch.cat([hard[:, 0], hard[:, -1], hard[:, :, 0], hard[:, :, -1]], dim=1)
    x, y, area = moments(clean)
    number = np.array(pieces)
    return Track(clean, area, x, y, number, (number > 0) & ~border.any(1).numpy())


def moments(
    matte: Float[Tensor, "t y x"],
) -> tuple[Float[ndarray, "t"], Float[ndarray, "t"], Float[ndarray, "t"]]:
    """Column and row of the centre, in pixels from the corner (nan if empty), and the area."""
    rows, columns = (torch.arange(n) + 0.5 for n in matte.shape[1:])
    area = matte.sum((1, 2))
    x, y = (matte.sum(1) @ columns) / area, (matte.sum(2) @ rows) / area
    return x.numpy().astype(float), y.numpy().astype(float), area.numpy().astype(float)


def overlap(one: Bool[Tensor, "t y x"], other: Bool[Tensor, "t y x"]) -> Float[Tensor, "t"]:
    """The intersection over union of each frame; 0 where both are empty."""
    both = (one & other).sum((1, 2))
    return both / (one | other).sum((1, 2)).clamp(min=1)


def trackable(
    frames: Frames, segments: UInt8[Tensor, "t y x"], things: Sequence[Sequence[int]]
) -> list[Tint] | None:
    """The tint of each of `things`, or None if one cannot be tracked by its colour.

    Each of `things` has the segments of one thing, or of several alike. The matte must overlap the
    true outline by 0.85 in the median of the frames with the thing in view, and by 0.65 in the
    worst.
    """
    tints = []
    for numbers in things:
        truth = torch.isin(segments, torch.tensor(list(numbers), dtype=segments.dtype))
        large = truth.sum((1, 2)) > truth.sum((1, 2)).max() / 2
        if not large.any():
            return None
        tint = tint_of(frames, truth)
        scores = overlap(matte_of(frames, tint) > 0.5, truth)[large]
        if scores.median() < FOUND_IOU or scores.min() < WORST_IOU:
            return None
        tints.append(tint)
    return tints
