"""Flow-matching losses: errors of the velocity that a predicted clean latent implies.

Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from ..shapes import Latent

LEAST_SIGMA = 0.1  # lower bound of sigma in the weight 1 / sigma^2 of the error
QUIET = 0.05  # added to the mean square step of a clip, in latent units: bounds its weight


def cell_error(
    predicted: Latent,
    clean: Latent,
    sigma: Float[Tensor, "#b 1 #t #y #x"],
    channel_weight: Float[Tensor, "c c"] | None = None,
) -> Float[Tensor, "b 1 t y x"]:
    """The squared error of the velocity (x - clean) / sigma, averaged over channels.

    Li and He 2025, "Back to basics", with the same lower bound of sigma. `channel_weight` scales
    an error of the channels to its effect on the decoded pixels (`sensitivity.py`).
    """
    error = predicted.float() - clean
    if channel_weight is not None:
        error = torch.einsum("dc,bctyx->bdtyx", channel_weight, error)
    return (error / sigma.clamp(min=LEAST_SIGMA)).square().mean(1, keepdim=True)


def weighted_mean(
    error: Float[Tensor, "b 1 t y x"], weight: Float[Tensor, "#b 1 #t #y #x"]
) -> Float[Tensor, ""]:
    """The mean of `error` over cells, weighted by `weight`."""
    weight = weight.expand_as(error)
    return (error * weight).sum() / weight.sum().clamp(min=1e-6)


def frame_step_loss(
    predicted: Latent,
    clean: Latent,
    sigma: Float[Tensor, "#b 1 #t #y #x"],
    open_mask: Float[Tensor, "#b 1 #t #y #x"],
    weight: Float[Tensor, "b 1 t y x"],
    channel_weight: Float[Tensor, "c c"] | None = None,
) -> Float[Tensor, ""]:
    """The error of the steps between latent frames, those to and from known footage included.

    A constant error is less visible than one that changes from frame to frame. Clips are weighted
    by the inverse of their mean square step: where little moves, small errors are visible.
    `open_mask` is above 0 in generated cells.
    """
    shape = (len(clean), 1, *clean.shape[2:])
    sigma, open_mask = sigma.expand(shape), open_mask.expand(shape)
    joined = torch.where(open_mask > 0, predicted.float(), clean)
    level, open_ = (torch.maximum(x[:, :, 1:], x[:, :, :-1]) for x in (sigma, open_mask))
    steps = clean.diff(dim=2)
    usual = reduce(steps.square(), "b c t y x -> b 1 1 1 1", "mean")
    error = cell_error(joined.diff(dim=2), steps, level, channel_weight)
    return weighted_mean(error, open_ * weight[:, :, 1:] / (usual + QUIET))
