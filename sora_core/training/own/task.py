"""The tasks of training on a user's clips: what they share, and that of the transformer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Generic, Protocol

import torch
from torch import Tensor, nn

from ...models.autoencoder import Autoencoder
from ...shapes import Frames
from ...video.frames import frames_from_video
from ...world.sheet import contact_sheet
from ..averages import Averages, Model
from ..distributed import Ranks
from ..sheets import SAMPLES_FILE, write_samples
from ..trainer import EvaluationStopped, Task, block_matrices
from .objective import FlowObjective
from .samples import OwnClip, OwnClips, draw_step
from .settings import MUON, OwnSettings, half_precision
from .validation import held_out_losses, mean_rulers, sampled_clip

SHEET = "sheet-{:08d}.png"

OnValidation = Callable[[int, dict[str, float], int], None]
"""Receives the step, all values of a validation, and the index of the best average.

All processes call it.
"""


class MeasuredTask(Task[Model], Protocol[Model]):
    """A task that also measures any model of its kind on the clips held out; None without any."""

    def held_out_loss(self, model: Model) -> float | None: ...


@dataclass(eq=False)
class OwnTask(Generic[Model]):
    """What each task on a user's clips has; its evaluation measures every average of the weights.

    `module` is called for the losses: the model, or its DDP or FSDP wrapper. `should_stop` ends an
    evaluation between two calls of the model; for a single process only.
    """

    model: Model
    module: nn.Module
    averages: Averages[Model]
    settings: OwnSettings
    ranks: Ranks
    device: torch.device
    on_validation: OnValidation
    should_stop: Callable[[], bool] = field(default=lambda: False, kw_only=True)

    def check_stop(self) -> None:
        """Raises EvaluationStopped if the evaluation should end."""
        if self.should_stop():
            raise EvaluationStopped

    def best_average(self, losses: Sequence[float]) -> tuple[int, dict[str, float]]:
        """The index of the average of the least held-out loss, and all of `losses` by name.

        `losses` has one value for each average; it is empty if no clip is held out, which returns
        index 0 and no values.
        """
        if not losses:
            return 0, {}
        names = (f"held_out/average@{decay:g}" for decay in self.averages.decays)
        values = dict(zip(names, losses, strict=True))
        return losses.index(min(losses)), values | {"held_out/mean": min(losses)}


@dataclass(eq=False)
class OwnTransformerTask(OwnTask[FlowObjective]):
    """Task: denoise the user's clips, by the whole transformer or by a LoRA."""

    autoencoder: Autoencoder
    clips: OwnClips

    def matrices(self) -> set[str]:
        """The hidden matrices, for Muon; none for AdamW, and none of a LoRA's."""
        if self.settings.optimizer != MUON or self.settings.lora_rank is not None:
            return set()
        return block_matrices(self.model)

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The mean loss of this part of the batch, a scalar to differentiate, and its parts."""
        samples = draw_step(self.clips, self.settings, step, ranks)
        flow, steps = self.module([sample.to(self.device) for sample in samples])
        parts = {"flow": flow.mean(), "steps": steps.mean()}
        loss = torch.stack(list(parts.values())).sum()
        return loss, {name: self.ranks.mean(part.detach()) for name, part in parts.items()}

    def show(self, average: FlowObjective, step: int, folder: Path) -> Mapping[str, float]:
        """The held-out losses of every average, the rulers of generated clips, and their sheet."""
        enabled = half_precision(self.settings, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=enabled):
            by_level = [
                self.by_level(model) for model in self.averages.models if self.clips.held_out
            ]
            best, values = self.best_average([fmean(losses.values()) for losses in by_level])
            for level, loss in by_level[0].items() if by_level else ():
                values[f"held_out/{level:g}"] = loss
            values |= self.sheet(self.averages.models[best], step, folder)
        self.on_validation(step, values, best)
        return values

    def by_level(self, model: FlowObjective) -> Mapping[float, float]:
        """The loss of `model` on the clips held out, at each noise level."""
        held_out, stop = self.clips.held_out, self.check_stop
        return held_out_losses(model, held_out, self.ranks, self.device, stop)

    def held_out_loss(self, model: FlowObjective) -> float | None:
        if not self.clips.held_out:
            return None
        enabled = half_precision(self.settings, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=enabled):
            return fmean(self.by_level(model).values())

    def sheet(self, model: FlowObjective, step: int, folder: Path) -> Mapping[str, float]:
        """The rulers of clips generated at fixed seeds; the first process writes their sheet."""
        chosen = [*self.clips.held_out, *self.clips.training][: self.settings.sheet_clips]
        if not chosen or not (self.ranks.first or self.ranks.sharded):
            return {}
        settings, frames = self.settings, []
        empty = self.words_of(model, "", self.clips.empty)
        for seed, clip in enumerate(chosen):
            latent = sampled_clip(
                model.denoise,
                replace(clip, words=self.words_of(model, clip.caption, clip.words)),
                empty,
                settings.sheet_steps,
                settings.guidance,
                seed,
                self.device,
                self.check_stop,
            )
            frames.append(self.decoded(latent))
        if self.ranks.first:
            captions = [clip.caption for clip in chosen]
            contact_sheet(frames, captions, folder / SHEET.format(step), scale=1)
            write_samples(frames, folder / SAMPLES_FILE)
        return {f"generated/{name}": value for name, value in mean_rulers(frames).items()}

    def words_of(self, model: FlowObjective, caption: str, cached: Tensor) -> Tensor:
        """The states [l e] of `caption` for `model`: the cached ones."""
        return cached

    @torch.no_grad()
    def decoded(self, latent: Tensor) -> Frames:
        """The frames of a latent [1 c t y x], on the CPU."""
        return frames_from_video(self.autoencoder.decode(latent.float())[0]).cpu()

    def true_rulers(self, path: Path) -> Mapping[str, float]:
        """The rulers of the true clips of the sheet, through the autoencoder; writes their sheet to
        `path`, unless there are none."""
        every: list[OwnClip] = [*self.clips.held_out, *self.clips.training]
        chosen = every[: self.settings.sheet_clips]
        frames = [self.decoded(clip.latent[None].float().to(self.device)) for clip in chosen]
        if chosen:
            contact_sheet(frames, [clip.caption for clip in chosen], path, scale=1)
        return mean_rulers(frames)
