"""Optical flow: the motion of each pixel from one frame to the next.

Axes: n pairs of frames, c channels, y rows, x columns, d directions (right, down).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, grid_sample, interpolate, pad

from ..shapes import Frames

GREY = (0.299, 0.587, 0.114)
MAX_FLOW_SIDE = 160  # pixels; larger pictures are shrunk first, which preserves large motions
SMALLEST = 12  # no coarser level than this many pixels
ROUNDS = 4
BLUR = (0.06, 0.12, 0.2, 0.24, 0.2, 0.12, 0.06)  # weights of neighbours along an axis
FLOW_NOISE = 2.0  # slope in levels of 255 a pixel, taken as noise


def optical_flow(before: Frames, after: Frames) -> Float[Tensor, "n 2 y x"]:
    """The motion of each pixel of `before` to the right and down, in pixels, until `after`.

    Lucas and Kanade 1981 with a Gaussian window, from coarse to fine, warped again in each round.
    Without texture, as on a bare wall, it stays near 0. Pictures above 160 pixels a side come
    out smaller; the numbers still count pixels of the full size.
    """
    shrunk = max(1.0, max(before.shape[1:3]) / MAX_FLOW_SIDE)
    first, second = (_pyramid(_grey(frames), shrunk) for frames in (before, after))
    found = first[-1].new_zeros(len(before), 2, *first[-1].shape[2:])
    for here, there in zip(reversed(first), reversed(second), strict=True):
        if found.shape[2:] != here.shape[2:]:
            finer = [here.shape[3] / found.shape[3], here.shape[2] / found.shape[2]]
            found = interpolate(found, here.shape[2:], mode="bilinear")
            found = found * here.new_tensor(finer)[:, None, None]
        for _ in range(ROUNDS):
            found = found + _closer(here, warp(there, found))
    return found * shrunk


def _grey(frames: Frames) -> Float[Tensor, "n 1 y x"]:
    return (frames.float() @ torch.tensor(GREY))[:, None]


def _pyramid(grey: Float[Tensor, "n 1 y x"], shrunk: float) -> list[Float[Tensor, "n 1 y2 x2"]]:
    """The levels from fine to coarse, each half as large."""
    sides = [max(1, round(side / shrunk)) for side in grey.shape[2:]]
    levels = [interpolate(grey, sides, mode="area") if shrunk > 1 else grey]
    while min(levels[-1].shape[2:]) >= 2 * SMALLEST:
        sides = [(side + 1) // 2 for side in levels[-1].shape[2:]]
        levels.append(interpolate(_blurred(levels[-1]), sides, mode="bilinear", antialias=True))
    return levels


def _closer(here: Tensor, there: Tensor) -> Float[Tensor, "n 2 y x"]:
    """The remaining motion, by least squares in the neighbourhood of each pixel."""
    mean = (here + there) / 2
    right, down = _slopes(mean)
    change = there - here
    products = (right * right, right * down, down * down, right * change, down * change)
    xx, xy, yy, xt, yt = _blurred(torch.cat(products, dim=1)).split(1, dim=1)
    xx, yy = xx + FLOW_NOISE, yy + FLOW_NOISE
    area = xx * yy - xy * xy
    step = torch.cat([(xy * yt - yy * xt) / area, (xy * xt - xx * yt) / area], dim=1)
    return step.clamp(-2, 2)  # a slope predicts nothing beyond


def _slopes(picture: Float[Tensor, "n 1 y x"]) -> tuple[Tensor, Tensor]:
    edged = pad(picture, (1, 1, 1, 1), mode="replicate")
    right = (edged[..., 1:-1, 2:] - edged[..., 1:-1, :-2]) / 2
    down = (edged[..., 2:, 1:-1] - edged[..., :-2, 1:-1]) / 2
    return right, down


def _blurred(pictures: Float[Tensor, "n c y x"]) -> Float[Tensor, "n c y x"]:
    window, reach = torch.tensor(BLUR), len(BLUR) // 2
    planes = pad(pictures, (reach,) * 4, mode="replicate").flatten(0, 1)[:, None]
    planes = conv2d(conv2d(planes, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    return planes.view_as(pictures)


def warp(
    picture: Float[Tensor, "n c y x"], found: Float[Tensor, "n 2 y x"]
) -> Float[Tensor, "n c y x"]:
    """`picture` sampled at each pixel plus its motion in `found`."""
    rows, columns = picture.shape[2:]
    places = (torch.arange(side, device=picture.device) for side in (rows, columns))
    y, x = torch.meshgrid(*places, indexing="ij")
    across = (2 * (x + found[:, 0]) + 1) / columns - 1
    along = (2 * (y + found[:, 1]) + 1) / rows - 1
    at = torch.stack([across, along], dim=-1)
    return grid_sample(picture, at, padding_mode="border", align_corners=False)
