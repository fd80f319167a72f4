"""Endless loops: a denoiser on circular time. Axes: b c t y x, as in shapes."""

import torch
from torch import Tensor

from ..errors import ConfigError, check_range
from ..shapes import Latent
from .samplers import Denoise, Sigma
from .windows import DenoiseAt, sigma_frames


def loop_denoiser(
    denoise: Denoise, period: int, cuts: int | None = None, context: int = 1
) -> Denoise:
    """`loop_denoiser_at` for a `denoise` that does not depend on the position in time."""
    return loop_denoiser_at(lambda start: denoise, period, cuts, context)


def loop_denoiser_at(
    denoise_at: DenoiseAt, period: int, cuts: int | None = None, context: int = 1
) -> Denoise:
    """A denoiser of `period` latent frames in which frame 0 follows the last frame.

    A model takes time as a line, so the loop is cut open at `cuts` evenly spaced frames, each cut
    gives one model call, and the clean predictions are averaged with sin^2 weights that are largest
    far from the cut. Each line is extended at both ends by `context` frames from across the cut.

    With a cut at every frame, the default, rotating the input rotates the output, for any model.
    Fewer cuts cost less; they move once around the loop as sigma falls from 1 to 0. The law then
    holds for rotations that map cuts to cuts, and for all rotations if the model's receptive field
    is at most `context` frames. `denoise_at` gets the first frame of each line, in [0, period).

    ConfigError for `cuts` outside [1, period] and for a negative `context`; the denoiser raises it
    for a latent of another length.
    """
    cuts = period if cuts is None else cuts
    check_range("cuts", cuts, 1, period)
    check_range("context", context, 0)
    around = torch.arange(-context, period + context)
    # A single line has nothing to average; evenly shifted sin^2 curves add up to a constant.
    weight = torch.sin(torch.pi * (torch.arange(period) + 0.5) / period)[:, None, None] ** 2
    weight = torch.ones_like(weight) if cuts == 1 else weight

    def looped(x: Latent, sigma: Sigma) -> Latent:
        if x.shape[2] != period:
            raise ConfigError(f"{x.shape[2]} latent frames on a ring of {period}: make them equal")
        noisiest = sigma.max().item() if isinstance(sigma, Tensor) else sigma
        travelled = round(period * noisiest)
        total, weights = torch.zeros_like(x), torch.zeros_like(weight).to(x)
        for i in range(cuts):
            cut = travelled + i * period // cuts
            line = (around + cut) % period
            clean = denoise_at(int(line[0]))(x[:, :, line], sigma_frames(sigma, line))
            here = line[context : context + period]
            total[:, :, here] += weight.to(x) * clean[:, :, context : context + period]
            weights[here] += weight.to(x)
        return total / weights

    return looped
