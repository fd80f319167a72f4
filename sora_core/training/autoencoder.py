"""Training of the autoencoder on crops of clips, some of them around objects.

Axes: b batch, c channels, t frames, y rows, x columns, n clips.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from ..models.autoencoder import Autoencoder
from ..shapes import Frames, Video
from ..video.frames import frames_from_video, video_from_frames
from ..world.sheet import contact_sheet
from .dataset import FIRST_OBJECT, ClipShard
from .distributed import Ranks

CROP = 48
STILL_SHARE = 0.06  # share of steps on single images
CROP_MARGIN = 0.15  # share of crops around an object: moving objects are the hard part
TWICE = 0.3  # share of clips whose first frame is repeated, as for footage after generated frames
DECODE_NOISE = 0.005  # replaces a learned posterior variance: small, fixed, stable


def cut_out(frames: Frames, segments: UInt8[Tensor, "t y x"], generator: torch.Generator) -> Frames:
    """A square crop of one clip, around a random pixel of an object or at a random position."""
    sides = torch.tensor(segments.shape[1:])
    covered = (segments.amax(0) >= FIRST_OBJECT).nonzero()
    if len(covered) and torch.rand((), generator=generator) < CROP_MARGIN:
        centre = covered[int(torch.randint(len(covered), (), generator=generator))]
        jitter = torch.randint(-CROP // 3, CROP // 3 + 1, (2,), generator=generator)
        place = (centre + jitter - CROP // 2).clamp(torch.zeros(2), sides - CROP)
    else:
        place = (torch.rand(2, generator=generator) * (sides - CROP + 1)).floor()
    top, left = place.int().tolist()
    return frames[:, top : top + CROP, left : left + CROP]


def begun_twice(clip: Tensor) -> Tensor:
    """The same number of frames, with the first one repeated and the last dropped."""
    return torch.cat([clip[:1], clip[:-1]])


class AutoencoderTask:
    """Task: reconstruct clips through a slightly noisy latent."""

    def __init__(
        self,
        model: Autoencoder,
        clips: Sequence[ClipShard],
        preview_clips: ClipShard,
        batch: int,
        seed: int,
    ) -> None:
        self.model, self.clips, self.preview_clips = model, clips, preview_clips
        self.batch, self.seed = batch, seed

    def matrices(self) -> set[str]:
        return {
            name
            for name, parameter in self.model.named_parameters()
            if parameter.ndim >= 2 and ".proj_in." not in name and ".proj_out." not in name
        }

    def draw(self, step: int, ranks: Ranks) -> tuple[Video, torch.Generator]:
        """Crops of clips, all of one length, and the generator for further random choices."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + ranks.rank)
        shared = torch.Generator().manual_seed(self.seed * 1_000_003 + step)  # equal cost per rank
        still = torch.rand((), generator=shared) < STILL_SHARE
        cuts = []
        for _ in range(self.batch // ranks.count):
            shard = self.clips[int(torch.randint(len(self.clips), (), generator=generator))]
            i = int(torch.randint(len(shard.frames), (), generator=generator))
            clip, segments = shard.frames[i], shard.segments[i]
            if still:
                at = int(torch.randint(len(clip), (), generator=generator))
                clip, segments = clip[at : at + 1], segments[at : at + 1]
            elif torch.rand((), generator=generator) < TWICE:
                clip, segments = begun_twice(clip), begun_twice(segments)
            cuts.append(video_from_frames(cut_out(clip, segments, generator)))
        return torch.stack(cuts), generator

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The squared error of the reconstruction, and a penalty on the size of the latent."""
        video, generator = self.draw(step, ranks)
        latent = self.model.encode(video)
        noise = torch.randn(latent.shape, generator=generator)
        decoded = self.model.decode(latent + DECODE_NOISE * noise).float()
        parts = {
            "squared": 30 * (decoded - video).square().mean(),  # the quantity that PSNR measures
            "latent": 1e-3 * latent.float().square().mean(),
        }
        return torch.stack(list(parts.values())).sum(), parts

    @torch.no_grad()
    def show(self, average: Autoencoder, step: int, folder: Path) -> Mapping[str, float]:
        """PSNR in dB on the preview clips, of all pixels and of objects; writes a contact sheet."""
        rows, errors, object_errors = [], [], []
        for frames, segments in zip(
            self.preview_clips.frames, self.preview_clips.segments, strict=True
        ):
            video = video_from_frames(frames)[None]
            decoded = average.decode(average.encode(video)).clamp(-1, 1)
            squared = ((decoded - video) / 2).square().mean(1)[0]
            mask = segments >= FIRST_OBJECT
            errors.append(squared.mean())
            if mask.any():
                object_errors.append(squared[mask].mean())
            rows += [frames, frames_from_video(decoded[0])]
        contact_sheet(rows[:16], [""] * len(rows[:16]), folder / f"sheet-{step:06d}.png", scale=2)
        return {
            "psnr": float(-10 * torch.stack(errors).mean().log10()),
            "psnr_object": float(-10 * torch.stack(object_errors).mean().log10()),
        }


@torch.no_grad()
def normalise(model: Autoencoder, clips: Sequence[ClipShard]) -> None:
    """Sets the mean and deviation of each channel such that latents are about unit normal."""
    cells = cells_of(model, clips)
    model.mean.add_(cells.mean(0) * model.deviation)
    model.deviation.mul_(cells.std(0))


@torch.no_grad()
def cells_of(
    model: Autoencoder, clips: Sequence[ClipShard], count: int = 256
) -> Float[Tensor, "n c"]:
    """The latent cells of about `count` of `clips`."""
    latents = [
        model.encode(video_from_frames(frames)[None])
        for shard in clips
        for frames in shard.frames[: max(1, count // len(clips))]
    ]
    return torch.cat([rearrange(latent, "1 c t y x -> (t y x) c") for latent in latents])
