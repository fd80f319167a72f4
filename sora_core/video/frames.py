"""Pixels between models, files and the host: exact conversions, and frames fitted to a size.

Axes: t frames, y rows, x columns. Models hold [-1, 1] channels first, files hold bytes channels
last, the host's images hold [0, 1] channels last.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ..errors import SizeError
from ..shapes import Frames


def frames_from_video(video: Float[Tensor, "3 t y x"]) -> Frames:
    """Bytes nearest to `video`, which is in [-1, 1]; values outside are clamped."""
    return rearrange(_bytes(video.float().add(1).mul_(127.5)), "c t y x -> t y x c").contiguous()


def video_from_frames(frames: Frames) -> Float[Tensor, "3 t y x"]:
    """`frames` in [-1, 1]; `frames_from_video` gives the same bytes back."""
    return rearrange(frames, "t y x c -> c t y x").float().div_(127.5).sub_(1)


def frames_from_images(images: Float[Tensor, "t y x 3"]) -> Frames:
    """Bytes nearest to `images`, which are in [0, 1]; values outside are clamped."""
    return _bytes(images.float().mul(255))


def images_from_frames(frames: Frames) -> Float[Tensor, "t y x 3"]:
    """`frames` in [0, 1]; `frames_from_images` gives the same bytes back."""
    return frames.float().div(255)


def _bytes(values: Tensor) -> Tensor:
    """Bytes nearest to `values`, which are overwritten."""
    return values.round_().clamp_(0, 255).to(torch.uint8)


def resize(frames: Frames, width: int, height: int) -> Frames:
    """`frames` stretched to `width` x `height`: bicubic, averaged where it shrinks."""
    if width < 1 or height < 1:
        raise SizeError(f"cannot resize to {width}x{height}: both sides must be at least 1 px")
    if (height, width) == tuple(frames.shape[1:3]):
        return frames
    planes = rearrange(frames, "t y x c -> t c y x")  # a view that torch reads as channels last
    planes = interpolate(planes, (height, width), mode="bicubic", antialias=True)
    return rearrange(planes, "t c y x -> t y x c").contiguous()


def cover(frames: Frames, width: int, height: int) -> Frames:
    """`frames` scaled without distortion to cover `width` x `height`, and cropped at the centre."""
    scale = max(width / frames.shape[2], height / frames.shape[1])
    scaled = _scaled(frames, scale, width, height, at_least=True)
    left, top = (scaled.shape[2] - width) // 2, (scaled.shape[1] - height) // 2
    return scaled[:, top : top + height, left : left + width]


def contain(frames: Frames, width: int, height: int, border: int = 0) -> Frames:
    """`frames` scaled without distortion to fit `width` x `height`, with a `border` around."""
    scale = min(width / frames.shape[2], height / frames.shape[1])
    scaled = _scaled(frames, scale, width, height, at_least=False)
    right, below = width - scaled.shape[2], height - scaled.shape[1]
    left, top = right // 2, below // 2
    return pad(scaled, (0, 0, left, right - left, top, below - top), value=border)


def _scaled(frames: Frames, scale: float, width: int, height: int, *, at_least: bool) -> Frames:
    bound = max if at_least else min  # rounding may not leave a side one pixel off the wrong way
    new_width = max(1, bound(width, round(frames.shape[2] * scale)))
    new_height = max(1, bound(height, round(frames.shape[1] * scale)))
    return resize(frames, new_width, new_height)


def smoothstep(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """From 0 below 0 to 1 above 1, level at both ends: the weight of the later picture."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)
