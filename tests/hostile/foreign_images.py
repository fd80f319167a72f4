"""Foreign values near an IMAGE or a MASK, and what the other catalogues are built with."""

from collections.abc import Callable
from math import inf, nan
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

Catalogue = dict[str, Callable[[], object]]
"""Names of values, and a function that makes each."""

SIDE, COUNT = 32, 4


class Raising(Tensor):
    """A tensor of another pack, which fails as soon as it is used."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in ("__get__", "dim", "size", "numel", "stride"):
            return super().__torch_function__(func, types, args, kwargs or {})
        raise RuntimeError("the file of this tensor\nis gone")


def picture(*shape: int) -> Tensor:
    return torch.rand(shape or (COUNT, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(5))


def spoiled(tensor: Tensor, value: float) -> Tensor:
    """A copy of `tensor` whose middle value is `value`."""
    result = tensor.clone()
    result.view(-1)[result.numel() // 2] = value
    return result


def images() -> Catalogue:
    """Tensors near an IMAGE or a MASK."""
    return {
        "image": picture,
        "image y x 3": lambda: picture(SIDE, SIDE, 3),
        "image with alpha": lambda: picture(COUNT, SIDE, SIDE, 4),
        "grey image": lambda: picture(COUNT, SIDE, SIDE, 1),
        "image of 2 channels": lambda: picture(COUNT, SIDE, SIDE, 2),
        "image of 5 channels": lambda: picture(COUNT, SIDE, SIDE, 5),
        "image channels first": lambda: picture(COUNT, 3, SIDE, SIDE),
        "batch of videos": lambda: picture(1, COUNT, SIDE, SIDE, 3),
        "image of 6 axes": lambda: picture(1, 1, COUNT, SIDE, SIDE, 3),
        "no images": lambda: picture(0, SIDE, SIDE, 3),
        "no rows": lambda: picture(1, 0, SIDE, 3),
        "no channels": lambda: picture(1, SIDE, SIDE, 0),
        "one pixel": lambda: picture(1, 1, 1, 3),
        "other size": lambda: picture(COUNT, 7, 51, 3),
        "wide strip": lambda: picture(1, 1, 5000, 3),
        "half image": lambda: picture().half(),
        "bfloat16 image": lambda: picture().bfloat16(),
        "float64 image": lambda: picture().double(),
        "uint8 image": lambda: picture().mul(255).to(torch.uint8),
        "int64 image": lambda: picture().mul(255).long(),
        "bool image": lambda: picture() > 0.5,
        "complex image": lambda: torch.complex(picture(), picture()),
        "nan image": lambda: spoiled(picture(), nan),
        "all nan image": lambda: picture() * nan,
        "infinite image": lambda: spoiled(picture(), inf),
        "huge image": lambda: picture() * 1e30,
        "negative image": lambda: -picture(),
        "image as a view": lambda: picture(3, SIDE, COUNT, SIDE).permute(2, 1, 3, 0),
        "expanded image": lambda: picture(1, SIDE, SIDE, 3).expand(COUNT, -1, -1, -1),
        "image with gradient": lambda: torch.nn.Parameter(picture()),
        "sparse image": lambda: picture().to_sparse(),
        "meta image": lambda: picture().to("meta"),
        "nested image": lambda: torch.nested.nested_tensor([picture(2, 2), picture(3, 2)]),
        "tensor of no axes": lambda: torch.zeros(()),
        "empty tensor": lambda: torch.zeros(0),
        "float8 image": lambda: picture().to(torch.float8_e4m3fn),
        "float8 mask": lambda: picture(1, SIDE, SIDE).to(torch.float8_e5m2),
        "float8 sigmas": lambda: torch.tensor([1.0, 0.5, 0.0]).to(torch.float8_e5m2),
        "uint16 image": lambda: picture().mul(255).to(torch.uint16),
        "image of oneDNN": lambda: picture().to_mkldnn(),
        "number of oneDNN": lambda: torch.tensor([2.0]).to_mkldnn(),
        "image of another class": lambda: picture().as_subclass(Raising),
        "mask of another class": lambda: picture(1, SIDE, SIDE).as_subclass(Raising),
        "fake image": lambda: FakeTensorMode().from_tensor(picture()),
        "fake mask": lambda: FakeTensorMode().from_tensor(picture(1, SIDE, SIDE)),
        "fake number": lambda: FakeTensorMode().from_tensor(torch.tensor([2.0])),
        "bit of the sign": lambda: torch.complex(picture(), picture()).conj().imag,
        "mask y x": lambda: picture(SIDE, SIDE),
        "mask of ones": lambda: torch.ones(1, SIDE, SIDE),
        "mask a frame": lambda: picture(COUNT, SIDE, SIDE),
        "mask of 3 frames": lambda: picture(3, SIDE, SIDE),
        "mask of 4 axes": lambda: picture(COUNT, 1, SIDE, SIDE),
        "mask of a video": lambda: picture(1, 1, COUNT, SIDE, SIDE),
        "mask of another size": lambda: picture(1, 9, 70),
        "no masks": lambda: picture(0, SIDE, SIDE),
        "empty mask": lambda: picture(1, 0, 0),
        "bool mask": lambda: picture(1, SIDE, SIDE) > 0.5,
        "int mask": lambda: torch.ones(1, SIDE, SIDE, dtype=torch.int32),
        "uint8 mask": lambda: torch.full((1, SIDE, SIDE), 255, dtype=torch.uint8),
        "half mask": lambda: picture(1, SIDE, SIDE).half(),
        "float64 mask": lambda: picture(1, SIDE, SIDE).double(),
        "nan mask": lambda: spoiled(picture(1, SIDE, SIDE), nan),
        "infinite mask": lambda: spoiled(picture(1, SIDE, SIDE), -inf),
        "mask above 1": lambda: picture(1, SIDE, SIDE) * 255,
        "mask below 0": lambda: picture(1, SIDE, SIDE) - 2,
    }
