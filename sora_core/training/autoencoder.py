"""Training of the autoencoder on crops around what moves.

Axes: b batch, c channels, t frames, y rows, x columns, n clips.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from ..models.autoencoder import Autoencoder
from ..shapes import Video
from ..video.frames import frames_from_video, video_from_frames
from ..world.sheet import contact_sheet
from .dataset import Clips
from .distributed import Ranks

CROP = 48
LATENT_NOISE = 0.02  # stands for a learned posterior variance: small, fixed, stable
ENCODED = torch.zeros(1, 1, 1, 1, 1)  # the mark of cells that were not painted
OBJECT_WEIGHT = 1.25  # crops around objects already show more of them than frames do


def reconstruction_loss(
    made: Video, true: Video, objects: Float[Tensor, "b 1 t y x"]
) -> dict[str, Tensor]:
    """Squared error, most of all, which is what PSNR says; a little Charbonnier, and edges."""
    error = made - true
    weight = 1 + (OBJECT_WEIGHT - 1) * objects
    weight = weight / weight.mean()
    return {
        "charbonnier": 0.1 * (weight * (error.square() + 1e-3).sqrt()).mean(),
        "squared": 30 * (weight * error.square()).mean(),
        "edges": 0.05 * (error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()),
    }


def crop_around_objects(
    frames: Tensor, objects: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A square cut of one clip that shows a randomly chosen pixel of an object, if there is one."""
    _, rows, columns = objects.shape
    shown = objects.amax(0).nonzero()
    if len(shown):
        y, x = shown[torch.randint(len(shown), (), generator=generator)].tolist()
    else:
        y, x = rows // 2, columns // 2
    jitter = torch.randint(-CROP // 3, CROP // 3 + 1, (2,), generator=generator).tolist()
    top = min(max(y + jitter[0] - CROP // 2, 0), rows - CROP)
    left = min(max(x + jitter[1] - CROP // 2, 0), columns - CROP)
    cut = (slice(None), slice(top, top + CROP), slice(left, left + CROP))
    return frames[cut], objects[cut]


class AutoencoderTask:
    """Reconstruct clips through a slightly noisy latent."""

    def __init__(
        self, model: Autoencoder, clips: Sequence[Clips], shown: Clips, batch: int, seed: int
    ) -> None:
        self.model, self.clips, self.shown = model, clips, shown
        self.batch, self.seed = batch, seed

    def matrices(self) -> set[str]:
        return {
            name
            for name, parameter in self.model.named_parameters()
            if parameter.ndim >= 2 and ".enter." not in name and ".leave." not in name
        }

    def draw(self, step: int, ranks: Ranks) -> tuple[Video, Tensor, torch.Generator]:
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + ranks.rank)
        pick = torch.Generator().manual_seed(
            self.seed * 1_000_003 + step
        )  # shared: same cost for all
        shape = torch.randint(100, (), generator=pick).item()
        frames, objects = [], []
        for _ in range(self.batch // ranks.count):
            shard = self.clips[int(torch.randint(len(self.clips), (), generator=generator))]
            i = int(torch.randint(len(shard.frames), (), generator=generator))
            clip, where = shard.frames[i], (shard.segments[i] >= 3).float()
            length = 1 if shape < 10 else len(clip)
            start = int(torch.randint(len(clip) - length + 1, (), generator=generator))
            clip, where = crop_around_objects(
                clip[start : start + length], where[start : start + length], generator
            )
            frames.append(video_from_frames(clip))
            objects.append(where[None])
        return torch.stack(frames), torch.stack(objects), generator

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        video, objects, generator = self.draw(step, ranks)
        latent = self.model.encode(video)
        noise = torch.randn(latent.shape, generator=generator)
        marked = self.model.marked(latent + LATENT_NOISE * noise, ENCODED)
        made = self.model.decode(marked).float()
        parts = reconstruction_loss(made, video, objects)
        parts["latent"] = 1e-3 * latent.float().square().mean()
        return torch.stack(list(parts.values())).sum(), parts

    @torch.no_grad()
    def show(self, average: Autoencoder, step: int, folder: Path) -> Mapping[str, float]:
        rows, errors, object_errors = [], [], []
        for frames, segments in zip(self.shown.frames, self.shown.segments, strict=True):
            video = video_from_frames(frames)[None]
            made = average.decode(average.marked(average.encode(video), ENCODED)).clamp(-1, 1)
            squared = ((made - video) / 2).square().mean(1)[0]
            mask = segments >= 3
            errors.append(squared.mean())
            if mask.any():
                object_errors.append(squared[mask].mean())
            rows += [frames, frames_from_video(made[0])]
        contact_sheet(rows[:16], [""] * len(rows[:16]), folder / f"sheet-{step:06d}.png", scale=2)
        return {
            "psnr": float(-10 * torch.stack(errors).mean().log10()),
            "psnr_object": float(-10 * torch.stack(object_errors).mean().log10()),
        }


@torch.no_grad()
def normalise(model: Autoencoder, clips: Sequence[Clips]) -> None:
    """Sets the mean and deviation of each latent channel, so that latents are about unit normal."""
    cells = cells_of(model, clips)
    model.mean.add_(cells.mean(0) * model.deviation)
    model.deviation.mul_(cells.std(0))


@torch.no_grad()
def cells_of(model: Autoencoder, clips: Sequence[Clips], count: int = 256) -> Float[Tensor, "n c"]:
    """All latent cells of about `count` of `clips`."""
    latents = [
        model.encode(video_from_frames(frames)[None])
        for shard in clips
        for frames in shard.frames[: max(1, count // len(clips))]
    ]
    return torch.cat([rearrange(latent, "1 c t y x -> (t y x) c") for latent in latents])
