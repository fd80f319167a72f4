"""Training of the autoencoder, or of its decoder alone, on a user's clips.

Training the decoder alone changes no latent, so the transformer still fits. Training the whole
autoencoder changes latents, and the transformer must be trained after it.

Axes: b clips, c channels, t frames, y rows, x columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from ...models.autoencoder import Autoencoder
from ...shapes import COMPRESSION, Frames, Video
from ...video.frames import frames_from_video, video_from_frames
from ...world.sheet import contact_sheet
from ..autoencoder import DECODE_NOISE
from ..distributed import Ranks
from ..lora import add_lora_to
from .samples import generator_of
from .settings import AUTOENCODER_PART, MUON, OwnSettings
from .task import SHEET, OwnTask

OWN_CROP, CROP_FRAMES = 64, 17
LATENT_PENALTY = 1e-3


@dataclass(frozen=True, slots=True)
class OwnFrames:
    """The frames of the training clips and of the held-out ones."""

    training: Sequence[Frames]
    held_out: Sequence[Frames]


class ReconstructionObjective(nn.Module):
    """The autoencoder; a call with videos returns the squared errors of each.

    Without `whole`, the encoder is frozen, and every decoder is trained.
    """

    def __init__(self, autoencoder: Autoencoder, whole: bool) -> None:
        super().__init__()
        self.autoencoder: Autoencoder = autoencoder
        self.whole = whole

    def forward(
        self, videos: Sequence[Video], noises: Sequence[Tensor] | None = None
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """For each video, the squared error of pixels in [-1, 1] and the mean square of the latent.

        `noises` are added to the latents, so that the decoder tolerates small errors.
        """
        errors, sizes = [], []
        for i, video in enumerate(videos):
            with torch.set_grad_enabled(self.whole and torch.is_grad_enabled()):
                latent = self.autoencoder.encode(video)
            noisy = latent if noises is None else latent + DECODE_NOISE * noises[i]
            found = [self.autoencoder.decode(noisy)]
            if self.autoencoder.generated_decoder is not None:
                found.append(self.autoencoder.decode(noisy, torch.zeros_like(noisy[:, :1])))
            squared = [(one.float()[:, :, : video.shape[2]] - video).square() for one in found]
            errors.append(torch.stack([error.mean() for error in squared]).mean())
            sizes.append(latent.float().square().mean())
        return torch.stack(errors), torch.stack(sizes)


def trained_autoencoder_part(
    autoencoder: Autoencoder, settings: OwnSettings
) -> ReconstructionObjective:
    """The objective of training `autoencoder`, or its decoders with the rest frozen; or a LoRA."""
    whole = settings.what == AUTOENCODER_PART
    objective = ReconstructionObjective(autoencoder.train(), whole)

    def trained(name: str) -> bool:
        return whole or "decoder." in name

    if settings.lora_rank is not None:
        add_lora_to(objective, settings.lora_rank, settings.alpha, settings.seed, trained)
        return objective
    for name, weight in objective.named_parameters():
        weight.requires_grad_(trained(name))
    return objective


@dataclass(eq=False)
class OwnAutoencoderTask(OwnTask[ReconstructionObjective]):
    """Task: reconstruct crops of the user's clips; evaluation is on whole held-out clips."""

    frames: OwnFrames

    def matrices(self) -> set[str]:
        """The trained kernels, for Muon; none for AdamW, and none of a LoRA's."""
        if self.settings.optimizer != MUON or self.settings.lora_rank is not None:
            return set()
        return {
            name
            for name, p in self.model.named_parameters()
            if p.requires_grad and p.ndim >= 2 and not {"proj_in", "proj_out"} & {*name.split(".")}
        }

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The squared error of the reconstruction, and a penalty on the size of the latent."""
        videos, noises = [], []
        for i in range(ranks.rank, self.settings.batch, ranks.count):
            generator = generator_of(self.settings, step, i)
            video = video_from_frames(self.crop(generator))[None]
            noises.append(
                torch.randn(self.latent_shape(video), generator=generator).to(self.device)
            )
            videos.append(video.to(self.device))
        errors, sizes = self.module(videos, noises)
        parts = {"squared": 30 * errors.mean(), "latent": LATENT_PENALTY * sizes.mean()}
        loss = torch.stack(list(parts.values())).sum()
        return loss, {name: self.ranks.mean(part.detach()) for name, part in parts.items()}

    def latent_shape(self, video: Video) -> tuple[int, ...]:
        _, _, t, y, x = video.shape
        channels = self.model.autoencoder.config.latent_channels
        cells = (COMPRESSION.latent_frames(t), y // COMPRESSION.rows, x // COMPRESSION.columns)
        return (1, channels, *cells)

    def crop(self, generator: Generator) -> Frames:
        """At most OWN_CROP pixels a side and CROP_FRAMES frames of a random clip."""

        def within(size: int, most: int) -> slice:
            start = int(torch.randint(max(1, size - most + 1), (), generator=generator))
            return slice(start, start + most)

        clips = self.frames.training
        clip = clips[int(torch.randint(len(clips), (), generator=generator))]
        t, y, x = clip.shape[:3]
        frames = clip[within(t, CROP_FRAMES)]
        return frames[:, within(y, OWN_CROP), within(x, OWN_CROP)]

    @torch.no_grad()
    def show(
        self, average: ReconstructionObjective, step: int, folder: Path
    ) -> Mapping[str, float]:
        """The error of every average on held-out clips, the PSNR of the best, and a sheet."""
        held_out = self.frames.held_out
        errors = [self.squared_error(model) for model in self.averages.models if held_out]
        best, values = self.best_average(errors)
        if errors:
            values["held_out/psnr"] = float(-10 * torch.tensor(errors[best] / 4).log10())
        chosen = [*held_out, *self.frames.training][: self.settings.sheet_clips]
        if self.ranks.first and chosen:
            model = self.averages.models[best].autoencoder
            rows = []
            for frames in chosen:
                self.check_stop()
                video = video_from_frames(frames)[None].to(self.device)
                decoded = model.decode(model.encode(video)).float()
                rows += [frames, frames_from_video(decoded[0])[: len(frames)].cpu()]
            names = ["clip", "decoded"] * len(chosen)
            contact_sheet(rows, names, folder / SHEET.format(step), scale=1)
        self.on_validation(step, values, best)
        return values

    @torch.no_grad()
    def held_out_loss(self, model: ReconstructionObjective) -> float | None:
        return self.squared_error(model) if self.frames.held_out else None

    def squared_error(self, model: ReconstructionObjective) -> float:
        """The mean squared error on the held-out clips, split over the processes."""
        clips, total = self.frames.held_out, torch.zeros(())
        for i in range(self.ranks.rank, len(clips), self.ranks.count):
            self.check_stop()
            video = video_from_frames(clips[i])[None].to(self.device)
            total += model([video])[0][0].float().cpu()
        mean = self.ranks.mean(total.to(self.device))
        return float(mean) * self.ranks.count / len(clips)
