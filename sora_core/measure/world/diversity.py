"""Diversity: the difference between clips of one prompt, against true scenes of the same facts."""

from collections.abc import Sequence

import torch
from torch.nn.functional import adaptive_avg_pool2d

from ...shapes import Frames
from .clips import Clips, exact_canvas
from .row import Row, bootstrap


def spread(clips: Sequence[Frames]) -> list[float]:
    """For each clip, its mean rms distance to the others, in pixels pooled to 16 x 16."""
    pooled = torch.stack([adaptive_avg_pool2d(f.float().movedim(-1, 1), 16) for f in clips])
    apart = (pooled[:, None] - pooled[None]).square().flatten(2).mean(2).sqrt()
    return (apart.sum(1) / (len(clips) - 1)).tolist()


def rows(clips: Clips, count: int) -> list[Row]:
    """`diversity`: the spread of `count` clips of one prompt as a share of that of true scenes."""
    samples = clips.samples("same", count)
    usual = sum(spread([s.clip.frames for s in samples])) / len(samples)
    limit = sum(spread([clips.limit(s) for s in samples])) / len(samples) / usual
    prompt = samples[0].caption
    result = [
        clips.generate(prompt, exact_canvas(s.shot.size, s.shot.fps), s.shot.number)
        for s in samples
    ]
    shares = [value / usual for value in spread(result)]
    return [
        Row("diversity", 1.0, limit, sum(shares) / len(shares), len(result), *bootstrap(shares))
    ]
