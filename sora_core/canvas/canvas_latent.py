"""A canvas as a latent: all that sampling and decoding need of its footage, in one value.

Axes: c channels, t latent frames, y rows, x columns of latent cells.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import SizeError
from ..shapes import Compression, Latent, Mask, Video
from ..video.audio import Audio
from .canvas import Canvas

Allocate = Callable[[tuple[int, ...]], Tensor]
"""Zeros of a shape, in memory or, if too large, on disk."""

Encode = Callable[[Iterable[Video]], Iterable[Latent]]
"""Latent frames of a video that arrives in chunks, the last group filled with its last frame."""


@dataclass(frozen=True, slots=True)
class SeamJoin:
    """Known footage from latent frame `at` on, after `generated_frames` generated frames.

    `first` is the latent of its first frame alone, encoded as an image.
    """

    at: int
    generated_frames: int
    first: Latent


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CanvasLatent:
    """`canvas` after `encode_canvas`; decoding needs neither its footage nor an encoder.

    Where no footage lies, `known` is 0 and `mask` is 1. `joins` lists where known footage follows
    generated frames, in order. `filler` is encoded empty space for models with footage channels:
    three latent frames, the last one for all later ones. `sound` is that of the footage, as long
    as the canvas. `partial` lists the latent frames of which footage covers only some frames, as a
    still does: they are known as if it covered all of them. `encode` encodes more of the canvas,
    for models that accept footage frame by frame; None for our own. `matched`: the sampled latent
    whose generated frames have the channel statistics of footage (`seams/covariance.py`), and are
    decoded as footage; None where no sampler made one.

    SizeError where `known` or `mask` does not cover the canvas.
    """

    canvas: Canvas
    compression: Compression
    known: Latent
    mask: Mask
    joins: tuple[SeamJoin, ...] = ()
    filler: Latent | None = None
    sound: Audio | None = None
    partial: tuple[int, ...] = ()
    encode: Encode | None = None
    matched: Latent | None = None

    def __post_init__(self) -> None:
        shape = self.canvas.grid(self.compression).shape
        for name, tensor in (("known latent", self.known), ("mask", self.mask)):
            if tuple(tensor.shape[2:]) != shape:
                sides = "x".join(map(str, tensor.shape[2:]))
                raise SizeError(
                    f"a {name} of {sides} cells for a canvas of {'x'.join(map(str, shape))}: "
                    "encode the canvas with this compression"
                )

    def is_matched(self, latent: Latent) -> bool:
        """Whether `latent` is the matched one: no other sampler or node has changed it since.

        It may be a selection of the clips of a matched batch.
        """
        if self.matched is None:
            return False
        clips = self.matched.unbind()
        return all(any(torch.equal(one, each) for one in clips) for each in latent.to(self.matched))


def whole_frames(mask: Mask) -> tuple[list[bool], list[bool]]:
    """For each latent frame: whether all of it is known, and whether none of it is."""
    cells = mask[0, 0].flatten(1)
    return (cells == 0).all(dim=1).tolist(), (cells > 0).all(dim=1).tolist()
