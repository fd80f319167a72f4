"""Convolutions over time on a CPU, a band of rows at a time: far less memory, and faster.

torch lays all that such a convolution sees side by side first, 27 times its input where it sees
3x3x3. Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Callable, Iterable, Mapping
from math import prod
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

LAID = 2**21  # bytes that are laid side by side, so that they stay in the processor's cache


class Bands(TorchFunctionMode):
    """While open, what torch would lay side by side whole it lays side by side in bands."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, object] = MappingProxyType({}),
    ) -> object:
        if func is torch.conv3d and not kwargs and is_plain(*args):
            return in_bands(*args[:3])
        return func(*args, **kwargs)


def is_plain(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: tuple[int, ...] = (1, 1, 1),
    padding: tuple[int, ...] | str = (0, 0, 0),
    dilation: tuple[int, ...] = (1, 1, 1),
    groups: int = 1,
) -> bool:
    """Whether `in_bands` is that convolution: on a CPU, neither padding its input nor skipping."""
    steps = {*stride, *dilation, groups}
    return x.device.type == "cpu" and x.ndim == 5 and not any(padding) and steps == {1}


def in_bands(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`x` convolved with `weight`, a frame and as many rows at a time as `LAID` allows."""
    time, height, _ = reach = weight.shape[2:]
    frames, rows, columns = (size - seen + 1 for size, seen in zip(x.shape[2:], reach, strict=True))
    laid_for_a_row = len(x) * columns * prod(weight.shape[1:]) * x.element_size()
    band = max(1, LAID // laid_for_a_row)
    made = x.new_empty(len(x), len(weight), frames, rows, columns)
    for t in range(frames):
        for y in range(0, rows, band):
            seen = x[:, :, t : t + time, y : y + band + height - 1]
            made[:, :, t : t + 1, y : y + band] = torch.conv3d(seen, weight, bias)
    return made
