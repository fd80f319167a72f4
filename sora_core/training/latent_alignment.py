"""Alignment of a newly trained autoencoder's latents to those of an earlier one.

Further training changes latents mostly by one affine map of their channels. Without that change,
models trained on the old latents need little further training. The inverse map is folded into the
encoder's last layer and the decoder's first, so reconstructions do not change.
"""

from collections.abc import Sequence

import torch
from torch.nn.functional import pad

from ..models.autoencoder import Autoencoder
from .autoencoder import cells_of
from .dataset import ClipShard


@torch.no_grad()
def align(model: Autoencoder, before: Autoencoder, clips: Sequence[ClipShard]) -> float:
    """Aligns `model` in place: a least-squares fit of its latents of `clips` to those of `before`.

    Returns the share of the variance of `before`'s latents that the aligned `model` explains.
    """
    new, old = (cells_of(each, clips) for each in (model, before))
    ones = pad(new, (0, 1), value=1.0)
    solution = torch.linalg.lstsq(ones.double(), old.double()).solution
    turn, offset = solution[:-1].T.float(), solution[-1].float()
    weights = dict(model.named_parameters())
    weight, bias = (weights[f"encoder.proj_out.{kind}"] for kind in ("weight", "bias"))
    scaled = turn / model.deviation
    weight.copy_(scaled @ weight)
    bias.copy_(scaled @ (bias - model.mean) + offset)
    back = torch.linalg.inv(turn.double()).float()
    for name in ("decoder", "generated_decoder") if model.generated_decoder else ("decoder",):
        weight, bias = (weights[f"{name}.proj_in.{kind}"] for kind in ("weight", "bias"))
        turned = weight * model.deviation @ back
        bias.add_(weight @ model.mean - turned @ offset)
        weight.copy_(turned)
    model.mean.zero_()
    model.deviation.fill_(1)
    left = (ones @ solution.float() - old).square().sum() / (old - old.mean(0)).square().sum()
    return 1 - left.item()
