"""The task of training the transformer on a user's clips, whole or by a LoRA."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ...models.autoencoder import Autoencoder
from ...shapes import Frames
from ...video.frames import frames_from_video
from ...world.sheet import contact_sheet
from ..averages import Averages
from ..distributed import Ranks
from .objective import FlowObjective
from .samples import OwnClip, OwnClips, draw_step
from .settings import MUON, OwnSettings, half_precision
from .validation import held_out_losses, mean_rulers, sampled_clip

SHEET = "sheet-{:08d}.png"

OnValidation = Callable[[int, dict[str, float], int], None]
"""Receives the step, all values of a validation, and the index of the best average.

All processes call it.
"""


class OwnTransformerTask:
    """Task: denoise the user's clips; each evaluation measures every average of the weights.

    `module` is called for the losses: the model, or its DDP or FSDP wrapper.
    """

    def __init__(
        self,
        model: FlowObjective,
        module: nn.Module,
        averages: Averages[FlowObjective],
        autoencoder: Autoencoder,
        clips: OwnClips,
        settings: OwnSettings,
        ranks: Ranks,
        device: torch.device,
        on_validation: OnValidation,
    ) -> None:
        self.model, self.module, self.averages = model, module, averages
        self.autoencoder, self.clips, self.settings = autoencoder, clips, settings
        self.ranks, self.device, self.on_validation = ranks, device, on_validation

    def matrices(self) -> set[str]:
        """The hidden matrices, for Muon; none for AdamW, and none of a LoRA's."""
        if self.settings.optimizer != MUON or self.settings.lora_rank is not None:
            return set()
        return {
            name
            for name, parameter in self.model.named_parameters()
            if parameter.ndim == 2 and ".blocks." in name and ".modulation." not in name
        }

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The mean loss of this part of the batch, a scalar to differentiate, and its parts."""
        samples = draw_step(self.clips, self.settings, step, ranks)
        flow, steps = self.module([sample.to(self.device) for sample in samples])
        parts = {"flow": flow.mean(), "steps": steps.mean()}
        loss = torch.stack(list(parts.values())).sum()
        return loss, {name: self.ranks.mean(part.detach()) for name, part in parts.items()}

    def show(self, average: FlowObjective, step: int, folder: Path) -> Mapping[str, float]:
        """The held-out losses of every average, the rulers of generated clips, and their sheet."""
        values: dict[str, float] = {}
        means: list[float] = []
        enabled = half_precision(self.settings, self.device)
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)
        with half:
            for i, (decay, model) in enumerate(
                zip(self.averages.decays, self.averages.models, strict=True)
            ):
                clips = self.clips.held_out
                if not clips:
                    break
                losses = held_out_losses(model, clips, self.ranks, self.device)
                means.append(sum(losses.values()) / len(losses))
                values[f"held_out/average@{decay:g}"] = means[-1]
                if i == 0:
                    values |= {f"held_out/{level:g}": loss for level, loss in losses.items()}
        best = min(range(len(means)), key=means.__getitem__) if means else 0
        if means:
            values["held_out/mean"] = means[best]
        with half:
            values |= self.sheet(self.averages.models[best], step, folder)
        self.on_validation(step, values, best)
        return values

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
            )
            frames.append(self.decoded(latent))
        if self.ranks.first:
            captions = [clip.caption for clip in chosen]
            contact_sheet(frames, captions, folder / SHEET.format(step), scale=1)
        return {f"generated/{name}": value for name, value in mean_rulers(frames).items()}

    def words_of(self, model: FlowObjective, caption: str, cached: Tensor) -> Tensor:
        """The states [l e] of `caption` for `model`: the cached ones."""
        return cached

    @torch.no_grad()
    def decoded(self, latent: Tensor) -> Frames:
        """The frames of a latent [1 c t y x], on the CPU."""
        return frames_from_video(self.autoencoder.decode(latent.float())[0]).cpu()

    def true_rulers(self) -> Mapping[str, float]:
        """The rulers of the true clips of the sheet, through the autoencoder."""
        chosen: list[OwnClip] = [*self.clips.held_out, *self.clips.training]
        latents = [clip.latent[None].float() for clip in chosen[: self.settings.sheet_clips]]
        return mean_rulers([self.decoded(latent.to(self.device)) for latent in latents])
