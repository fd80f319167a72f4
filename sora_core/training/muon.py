"""Muon (Jordan et al. 2024) on batches: matrices of one shape are orthogonalized together.

It computes what `torch.optim.Muon` computes, up to the rounding of bfloat16, and has its state. A
batch multiplies faster than one matrix after the other, and tall matrices are not transposed.

Axes: b matrices, y rows, x columns.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Muon as TorchMuon  # torch 2.9 or newer

BATCH_NUMBERS = 2**23  # numbers of a batch at most, 16 MB: a larger matrix is alone

Coefficients = tuple[float, float, float]


class BatchedMuon(TorchMuon):
    """`torch.optim.Muon` for matrices that are whole in this process; `step` takes no closure.

    Its steps have the root mean square of those of AdamW.
    """

    def __init__(self, matrices: Sequence[Tensor], rate: float, weight_decay: float) -> None:
        super().__init__(matrices, rate, weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            moved = [weight for weight in group["params"] if weight.grad is not None]
            for batch in batches(moved):
                self._move(batch, group)

    def _move(self, weights: Sequence[Tensor], group: dict[str, Any]) -> None:
        """One step of `weights`, all of one shape."""
        rate, momentum, shape = group["lr"], group["momentum"], weights[0].shape
        updates = weights[0].new_empty((len(weights), *shape), dtype=torch.bfloat16)
        for weight, update in zip(weights, updates, strict=True):
            gradient, state = cast(Tensor, weight.grad), self.state[weight]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(weight)
            mean = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
            update.copy_(gradient.lerp(mean, momentum) if group["nesterov"] else mean)
        updates = orthogonalized(updates, group["ns_coefficients"], group["ns_steps"], group["eps"])
        factor = 0.2 * max(shape) ** 0.5
        for weight, update in zip(weights, updates, strict=True):
            weight.mul_(1 - rate * group["weight_decay"]).add_(update, alpha=-rate * factor)


def batches(weights: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """`weights` by shape and device, at most BATCH_NUMBERS numbers at a time."""
    alike: dict[tuple[torch.Size, torch.device], list[Tensor]] = {}
    for weight in weights:
        alike.setdefault((weight.shape, weight.device), []).append(weight)
    for (shape, _), group in alike.items():
        most = max(1, BATCH_NUMBERS // max(1, shape.numel()))
        for first in range(0, len(group), most):
            yield group[first : first + most]


def orthogonalized(
    x: Float[Tensor, "b y x"], coefficients: Coefficients, steps: int, eps: float
) -> Float[Tensor, "b y x"]:
    """Matrices with the singular vectors of those in `x` and singular values of about 1.

    `steps` of Newton-Schulz in the type of `x`; the products are on its shorter side.
    """
    a, b, c = coefficients
    x = x / torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True).clamp(min=eps)
    tall = x.shape[1] > x.shape[2]
    for _ in range(steps):
        gram = x.mT @ x if tall else x @ x.mT
        both = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, x, both, beta=a) if tall else torch.baddbmm(x, both, x, beta=a)
    return x
