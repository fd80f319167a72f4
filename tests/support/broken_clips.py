"""True clips, and ways to break them on purpose."""

import torch
from torch.nn.functional import interpolate

from sora_core.measure.world.clips import Clips
from sora_core.shapes import Size


def true_clips():
    """Clips without a model: true ones alone can be asked for."""
    return Clips(None)


USUAL = Size(64, 64, 17)


def sample(kind, number=0, size=USUAL, fps=8.0):
    """The first scene of a kind, from `number` on, whose things can be tracked."""
    return true_clips().samples(kind, 1, number, size, fps)[0]


def backdrop(clip):
    """The scene without its things, as far as any frame shows it; elsewhere the mean of rows."""
    frames, empty = clip.frames.float(), clip.segments < 3
    observed = empty[..., None] * frames
    count = empty.sum(0).clamp(min=1)[..., None]
    behind = observed.sum(0) / count
    rows = observed.sum((0, 2)) / empty.sum((0, 2)).clamp(min=1)[:, None]
    return torch.where((empty.sum(0) > 0)[..., None], behind, rows[:, None])


def redrawn(clip, change):
    """The clip with its first thing moved or bent: `change` takes the thing (colours and mask) of
    each frame and its number, and returns what is to be there."""
    behind, frames = backdrop(clip), []
    for t, (frame, segments) in enumerate(zip(clip.frames, clip.segments, strict=True)):
        mask = (segments == 3).float()[..., None]
        layer = change(torch.cat([frame.float() * mask, mask], dim=-1), t)
        frames.append(behind * (1 - layer[..., 3:]) + layer[..., :3])
    return torch.stack(frames).round().clamp(0, 255).byte()


def moved(layer, right=0, down=0):
    return layer.roll((down, right), dims=(0, 1))


def stretched(layer, wide, tall):
    """The thing scaled about its own centre."""
    y, x = torch.nonzero(layer[..., 3] > 0, as_tuple=True)
    if not len(y):
        return layer
    top, left, bottom, right = y.min(), x.min(), y.max() + 1, x.max() + 1
    part = layer[top:bottom, left:right].permute(2, 0, 1)[None]
    height = max(1, round(float(bottom - top) * tall))
    width = max(1, round(float(right - left) * wide))
    part = interpolate(part, (height, width), mode="nearest")[0].permute(1, 2, 0)
    out = torch.zeros_like(layer)
    y0 = max(0, int(top + bottom - height) // 2)
    x0 = max(0, int(left + right - width) // 2)
    part = part[: len(layer) - y0, : layer.shape[1] - x0]
    out[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]] = part
    return out


def doubled(layer):
    """The thing, and another one like it at the side that has more room."""
    columns = torch.nonzero(layer[..., 3].sum(0) > 0)
    if not len(columns):
        return layer
    return torch.maximum(layer, moved(layer, 26 if columns.float().mean() < 32 else -26))
