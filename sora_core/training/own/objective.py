"""The loss of the transformer on packed clips, as a module that DDP and FSDP can wrap.

Axes: b clips.
"""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...models.dit import DiT
from ...models.packing import PackedClip, denoise_packed
from ...shapes import Latent
from ..flow_losses import cell_error, frame_step_loss, weighted_mean
from .samples import FlowSample

STEP_WEIGHT = 1.0


class FlowObjective(nn.Module):
    """The transformer; a call with samples returns the losses of each."""

    def __init__(self, dit: DiT) -> None:
        super().__init__()
        self.dit: DiT = dit

    def forward(
        self, samples: Sequence[FlowSample]
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """The flow loss and the loss of steps in time of each sample, all in one packed row."""
        predicted = denoise_packed(self.dit, [sample.packed() for sample in samples])
        flow, steps = [], []
        for clean, sample in zip(predicted, samples, strict=True):
            error = cell_error(clean, sample.clean, sample.sigma)
            flow.append(weighted_mean(error, sample.open_mask))
            if clean.shape[2] > 1:
                weight = torch.ones_like(error)
                moved = frame_step_loss(clean, sample.clean, sample.sigma, sample.open_mask, weight)
                steps.append(STEP_WEIGHT * moved)
            else:
                steps.append(torch.zeros_like(flow[-1]))
        return torch.stack(flow) + 0 * self.idle(), torch.stack(steps)

    def denoise(self, clips: Sequence[PackedClip]) -> list[Latent]:
        """The clean latents of `clips`; FSDP gathers the weights for calls of this method."""
        return denoise_packed(self.dit, clips)

    def idle(self) -> Tensor:
        """The sum of the weights that only clips with known footage use.

        Added to the loss with factor 0, it gives them a gradient in every process: FSDP averages
        the gradients of a group of weights together, so all processes need the same ones.
        """
        weights = (*self.dit.cond_proj.parameters(), *self.dit.copy_gate.parameters())
        return torch.stack([weight.sum() for weight in weights]).sum()


def recompute_blocks(blocks: Sequence[nn.Module]) -> None:
    """Activation checkpointing, in place: backward recomputes each block's forward.

    Only the input of a block stays in memory until then. FSDP's hooks run outside it.
    """
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def compile_blocks(blocks: Sequence[nn.Module]) -> None:
    """Compiles each block in place with `torch.compile`, for packed rows of any length."""
    for block in blocks:
        block.compile(dynamic=True)
