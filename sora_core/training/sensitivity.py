"""The sensitivity of decoded pixels to errors of each latent channel.

Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ..models.autoencoder import Autoencoder
from ..shapes import Latent

ERROR_SIZE = 0.1  # size of the random errors, in latent units
EVEN_SHARE = 0.3  # share of an even weight, so that errors in every direction count


@torch.no_grad()
def decoder_sensitivity(
    autoencoder: Autoencoder, latents: Latent, draws: int = 8, seed: int = 0
) -> Float[Tensor, "c c"]:
    """A symmetric matrix that scales an error of a cell's channels to its effect on pixels.

    Its square is the decoder's mean squared response to an error of one cell, as a quadratic form
    in the channels, scaled to a mean eigenvalue of 1, with an even weight mixed in. The form is
    fitted by regressing responses to random errors on the products of their channels.
    """
    channels = latents.shape[1]
    generator = torch.Generator().manual_seed(seed)
    plain = autoencoder.decode(latents).float()
    products, sizes = [], []
    for _ in range(draws):
        direction = torch.randn(len(latents), channels, 1, 1, 1, generator=generator)
        sign = torch.randn(len(latents), 1, *latents.shape[2:], generator=generator).sign()
        moved = autoencoder.decode(latents + ERROR_SIZE * sign * direction).float()
        sizes.append((moved - plain).square().mean((1, 2, 3, 4)))
        flat = direction.flatten(1)
        products.append(flat[:, :, None] * flat[:, None, :])
    upper = torch.triu_indices(channels, channels)
    twice = torch.where(upper[0] == upper[1], 1.0, 2.0)
    rows = torch.cat(products)[:, upper[0], upper[1]] * twice
    ridge = torch.eye(rows.shape[1]) * 1e-2 * len(rows)
    solution = torch.linalg.solve(rows.T @ rows + ridge, rows.T @ torch.cat(sizes))
    metric = torch.zeros(channels, channels)
    metric[upper[0], upper[1]] = solution
    metric[upper[1], upper[0]] = solution
    values, vectors = torch.linalg.eigh(metric)
    values = values.clamp(min=0)
    values = EVEN_SHARE + (1 - EVEN_SHARE) * values / values.mean()
    return vectors @ torch.diag(values.sqrt()) @ vectors.T
