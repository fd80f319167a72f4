"""Endless loops: a denoiser whose time has no ends. Axes: b c t y x, as in shapes."""

import torch
from torch import Tensor

from ..errors import ConfigError
from ..shapes import Latent
from .samplers import Denoise, Sigma
from .windows import DenoiseAt, sigma_frames


def loop_denoiser(
    denoise: Denoise, period: int, cuts: int | None = None, context: int = 1
) -> Denoise:
    """A denoiser of `period` latent frames whose last is followed by the first; see
    `loop_denoiser_at`."""
    return loop_denoiser_at(lambda start: denoise, period, cuts, context)


def loop_denoiser_at(
    denoise_at: DenoiseAt, period: int, cuts: int | None = None, context: int = 1
) -> Denoise:
    """A denoiser of `period` latent frames whose last is followed by the first.

    A model sees time as a line, so the ring is cut open, at `cuts` places evenly around it, and the
    clean predictions are averaged; each counts most far from its own cut. Every cut goes on for
    `context` frames on both sides with what lies beyond it. With a cut at every frame, the default,
    no frame is special: rotating the input rotates the output, whatever the model. With fewer the
    cost falls; they then travel once around the ring as sigma falls from 1 to 0, and the law holds
    for rotations from cut to cut, or for all if the model looks no further than `context`.
    `denoise_at` is told the frame that each line begins with, from 0 to before `period`.
    """
    cuts = period if cuts is None else cuts
    if not 1 <= cuts <= period:
        raise ConfigError(f"{cuts} cuts of a ring of {period}: choose from 1 to {period}")
    if context < 0:
        raise ConfigError(f"context {context}: choose 0 or more latent frames")
    around = torch.arange(-context, period + context)
    # One cut leaves nothing to average; else sin^2, whose even shifts add up to a constant.
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
