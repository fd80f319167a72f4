"""Few-step sampling: a LoRA with which a sampler needs few steps and no second pass.

The student learns, for each long step of the sampler, the clean latent that leads in one Euler step
to where the guided teacher arrives in several. It starts from states that it reached itself, as in
Chen et al. 2025 ("pi-Flow"), so that its own errors are corrected; the target is that of
progressive distillation (Salimans and Ho 2022, appendix G). Known footage stays at its own noise
level, 0, in teacher and student, and is no part of the loss.

Axes: b batch, c channels, t latent frames, y rows, x columns, l words, e text width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ..checkpoints.checkpoint import SamplingSettings
from ..models.dit import DiT
from ..sampling.guidance import GuidanceScale, combine
from ..sampling.samplers import Sigma, euler
from ..sampling.schedules import clip_shift, shifted_sigmas, truncate_sigmas
from ..seams.easing import ease_guidance
from ..shapes import Grid, Latent
from .clip_batch import ClipBatch
from .distributed import Ranks
from .flow_losses import cell_error, frame_step_loss, weighted_mean

TEACHER_STEPS = 20
EDITED = 0.15  # share of batches that begin at footage noised to a lower level (SDEdit)
LOWEST_START = 0.3  # of these
CHECKED = 1_000_000_000  # number of the first batch for checks, which training does not reach
CHECKED_BATCHES = 2


class DrawBatch(Protocol):
    """The batch of a step and process, the same for equal arguments; its `sigma` is not used."""

    def __call__(self, step: int, ranks: Ranks) -> ClipBatch: ...


class FewStepTask:
    """Task: one step of `student` arrives where several guided ones of `teacher` do.

    `student` is the teacher with a LoRA. A step of training trains one random step of the sampler.
    """

    def __init__(
        self,
        student: DiT,
        teacher: DiT,
        draw: DrawBatch,
        empty: Float[Tensor, "l e"],
        sampling: SamplingSettings,
        steps: int,
        seed: int,
    ) -> None:
        self.model, self.teacher, self.draw = student, teacher, draw
        self.empty, self.sampling, self.steps, self.seed = empty, sampling, steps, seed

    def matrices(self) -> set[str]:
        """None: a LoRA is trained by AdamW."""
        return set()

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The error of the student's velocity in a random step of the sampler, and its parts."""
        batch = self.draw(step, ranks)
        edited, strength, which = torch.rand(
            3, generator=Generator().manual_seed(self.seed * 1_000_003 + step)
        ).tolist()
        sigmas = self.sigmas(batch)
        if edited < EDITED:
            sigmas = truncate_sigmas(sigmas, LOWEST_START + (1 - LOWEST_START) * strength)
        return self.step_error(self.model, batch, sigmas, int(which * (len(sigmas) - 1)))

    def sigmas(self, batch: ClipBatch) -> list[float]:
        """The noise levels of the student's sampler for clips of this size."""
        return shifted_sigmas(self.steps, clip_shift(Grid(*batch.clean.shape[2:])))

    def step_error(
        self, student: DiT, batch: ClipBatch, sigmas: Sequence[float], index: int
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The error of the student's step `index`, after its own steps before, and its parts."""
        first = batch.clean.lerp(batch.noise, (sigmas[0] * batch.open_mask).expand_as(batch.clean))
        with torch.no_grad():
            x = euler(partial(denoise, student, batch), first, sigmas[: index + 1]).float()
        sigma, sigma_next = sigmas[index : index + 2]
        clean = self.teacher_mean(batch, x, sigma, sigma_next)
        predicted = denoise(student, batch, x, sigma)
        level = sigma * batch.open_mask
        error = cell_error(predicted, clean, level)
        parts = {"flow": weighted_mean(error, batch.open_mask)}
        if x.shape[2] > 1:
            ones = torch.ones_like(error)
            parts["steps"] = frame_step_loss(predicted, clean, level, batch.open_mask, ones)
        return torch.stack(list(parts.values())).sum(), parts

    @torch.no_grad()
    def teacher_mean(self, batch: ClipBatch, x: Latent, sigma: float, sigma_next: float) -> Latent:
        """The clean latent that takes `x` in one Euler step to where the guided teacher arrives."""
        count = max(1, round(TEACHER_STEPS / self.steps))
        sigmas = [sigma + (sigma_next - sigma) * i / count for i in range(count + 1)]
        arrived = euler(partial(self.guided, batch), x, sigmas).float()
        return x - sigma / (sigma - sigma_next) * (x - arrived)

    def guided(self, batch: ClipBatch, x: Latent, sigma: Sigma) -> Latent:
        """The teacher's prediction, guided as its own settings say."""
        cond = denoise(self.teacher, batch, x, sigma)
        mask, settings = batch.open_mask.expand(-1, -1, x.shape[2], -1, -1), self.sampling
        low = settings.guided_to if bool((mask > 0).all()) else 0.0
        if not GuidanceScale(settings.guidance, interval=(low, 1.0)).active(sigma):
            return cond
        empty = self.empty[None].expand(len(x), -1, -1)
        uncond = denoise(self.teacher, replace(batch, text=empty, text_mask=None), x, sigma)
        share = ease_guidance(mask, settings.easing)
        return combine(cond, uncond, None, settings.guidance, share=share)

    @torch.no_grad()
    def show(self, average: DiT, step: int, folder: Path) -> Mapping[str, float]:
        """The error of each step of the sampler on held-out batches, before and with the LoRA."""
        values: dict[str, float] = {}
        for name, model in (("teacher", self.teacher), ("student", average)):
            for i in range(self.steps):
                batches = (self.draw(CHECKED + n, Ranks()) for n in range(CHECKED_BATCHES))
                found = [self.step_error(model, b, self.sigmas(b), i)[0] for b in batches]
                values[f"test/{name} step {i}"] = float(torch.stack(found).mean())
        return values


def denoise(dit: DiT, batch: ClipBatch, x: Latent, sigma: Sigma) -> Latent:
    """The clean latent that `dit` predicts; `x` itself at known footage, which has no noise."""
    level = sigma * batch.open_mask
    clean = dit(x, level, batch.text, batch.text_mask, start=batch.start, fps=batch.fps)
    return torch.where(level > 0, clean, x)
