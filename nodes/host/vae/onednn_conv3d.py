"""Convolutions over time on a CPU, without torch's copies for small ones.

For small convolutions torch first copies all input patches side by side: 27 times the input for a
kernel of 3x3x3. oneDNN, which torch uses for large ones, reads the input in place.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Direct(TorchFunctionMode):
    """A context in which oneDNN runs all convolutions it can; only the order of sums differs."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, object] = MappingProxyType({}),
    ) -> object:
        if func is torch.conv3d and not kwargs and reads_in_place(*args):
            x, weight, bias, stride, padding, dilation, groups = args
            return torch.mkldnn_convolution(x, weight, bias, padding, stride, dilation, groups)
        return func(*args, **kwargs)


def reads_in_place(x: Tensor, *rest: object) -> bool:
    """Whether oneDNN supports this call of a convolution, with a number for each axis."""
    described = len(rest) == 6 and all(isinstance(each, tuple) for each in rest[2:5])
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and x.ndim == 5
    return described and plain and torch.backends.mkldnn.is_available()
