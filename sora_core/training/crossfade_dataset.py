"""Clips that fade into others: training data for connecting unrelated footage.

Axes: n clips, t frames, y rows, x columns.
"""

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..shapes import COMPRESSION
from ..video.frames import smoothstep
from .conditioning_masks import KnownSpan
from .dataset import FIRST_OBJECT, ClipShard, read_shard

SPANS: tuple[KnownSpan, ...] = ((1, 3), (2, 4), (1, 4), (2, 3))
"""The first latent frame, of five, that shows the second clip, and the first that shows it alone.

Each group of shards has one of these spans.
"""


def fade_weights(frames: int, span: KnownSpan) -> Float[Tensor, " t"]:
    """The weight of the second clip in each frame: 0 before `span`, 1 after it, smooth between."""
    before, after = COMPRESSION.pixel_frames(span[0]) - 1, COMPRESSION.pixel_frames(span[1])
    return smoothstep((torch.arange(frames) - before) / (after - before))


def fade(clips: ClipShard, span: KnownSpan) -> ClipShard:
    """Each clip faded into the previous one of the shard, while both continue.

    Captions are concatenated; `things` and `segments` have the first object of either clip.
    """
    others = clips.frames.roll(1, dims=0)
    share = fade_weights(clips.frames.shape[1], span).view(1, -1, 1, 1, 1)
    frames = torch.stack(
        [
            clip.float().lerp(other.float(), share[0]).round().to(torch.uint8)
            for clip, other in zip(clips.frames, others, strict=True)
        ]
    )
    first = clips.segments == FIRST_OBJECT
    segments = torch.where(first, FIRST_OBJECT, 0)
    later = torch.where(first.roll(1, dims=0), FIRST_OBJECT + 1, 0)
    last = clips.things[-1:] + clips.things[:-1]
    captions = clips.captions[-1:] + clips.captions[:-1]
    return replace(
        clips,
        frames=frames,
        segments=torch.where(share[..., 0] < 0.5, segments, later).to(torch.uint8),
        things=[a[:1] + b[:1] for a, b in zip(clips.things, last, strict=True)],
        captions=[
            [f"{a} {b}" for a, b in zip(texts, later_texts, strict=True)]
            for texts, later_texts in zip(clips.captions, captions, strict=True)
        ],
    )


def read_fading(path: Path, span: KnownSpan) -> ClipShard:
    """The shard at `path`, faded over `span`."""
    return fade(read_shard(path), span)
