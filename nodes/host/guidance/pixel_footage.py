"""Footage by single frames, for models with a mask value for each frame of a latent frame.

Wan's channels and VACE were trained on the latent of one video in which open pixels are grey, those
of WanDancer black; the host's WanFirstLastFrameToVideo and WanVaceToVideo build the same. Axes: b
batch, c channels, t latent frames, s frames of a latent frame, y rows, x columns.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ....sora_core.canvas.canvas_latent import CanvasLatent
from ....sora_core.canvas.canvas_video import OpenPixels, encode_canvas_video, frame_openness
from ....sora_core.canvas.placed_footage import in_tokens
from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.shapes import Grid, Latent
from ..latents import LatentDict, canvas_latent_of, footage_mask
from .vace_context import vace_video_frames

FrameMask = Float[Tensor, "1 s t y x"]
"""For each frame of a latent frame, 0 in cells with exact footage, else 1."""


@dataclass(frozen=True, slots=True)
class PixelFootage:
    """The footage of a canvas as one video, encoded, and which of its cells and pixels are open."""

    latent: Latent
    openness: FrameMask
    open_pixels: Bool[Tensor, "t y2 x2"]  # of the frame that VACE samples for each latent frame

    def of_segment(
        self, frames: slice, known: Latent, mask: SamplingMask, placed: SamplingMask
    ) -> "PixelFootage":
        """The latent frames of a segment, whose finished frames count as footage.

        `mask` belongs to the segment, `placed` to the canvas: they differ in finished frames.
        """
        finished = (mask == 0) & (placed > 0)
        sides = (
            self.open_pixels.shape[1] // mask.shape[3],
            self.open_pixels.shape[2] // mask.shape[4],
        )
        covered = finished[0, 0].repeat_interleave(sides[0], 1).repeat_interleave(sides[1], 2)
        return PixelFootage(
            torch.where(finished, known, self.latent[:, :, frames].to(known)),
            torch.where(finished, 0.0, self.openness[:, :, frames].to(known)),
            self.open_pixels[frames] & ~covered,
        )


def pixel_footage(latent: LatentDict, open_value: float) -> PixelFootage | None:
    """The footage of the canvas that `latent` covers; encodes the canvas once more.

    Open pixels have `open_value`, in [-1, 1]. None where `latent` has no canvas, where its mask was
    changed, and where its VAE is missing.
    """
    encoded = canvas_latent_of(latent)
    if encoded is None or encoded.encode is None or footage_mask(latent, encoded) is None:
        return None
    grid = Grid(*encoded.known.shape[2:])
    cells: list[Tensor] = []
    pixels: dict[int, OpenPixels] = {}
    vace_frames = vace_video_frames(grid.frames, encoded.canvas.ring, encoded.compression)

    def note(start: int, opened: OpenPixels) -> None:
        cells.append(in_tokens(opened, grid) > 0)
        for latent_frame, frame in enumerate(vace_frames):
            if start <= frame < start + len(opened):
                pixels[latent_frame] = opened[frame - start]

    video = encode_canvas_video(
        encoded.canvas, encoded.encode, encoded.compression, note, open_value
    )
    openness = frame_openness(torch.cat(cells), encoded.canvas, encoded.compression)
    open_pixels = torch.stack([pixels[i] for i in range(grid.frames)])
    return with_placed_latents(PixelFootage(video, openness, open_pixels), encoded)


def with_placed_latents(pixels: PixelFootage, encoded: CanvasLatent) -> PixelFootage:
    """`pixels` with the cells of latents on the canvas, whose pixels are unknown."""
    known, mask = encoded.known, encoded.mask
    without_pixels = (mask == 0) & (pixels.openness.amin(1, keepdim=True) > 0)
    if not bool(without_pixels.any()):
        return pixels
    nothing = torch.ones_like(mask)
    whole = slice(0, known.shape[2])
    marked = torch.where(without_pixels, 0.0, nothing)
    return pixels.of_segment(whole, known, marked, nothing)


def opened_mask(mask: SamplingMask, pixels: PixelFootage, encoded: CanvasLatent) -> SamplingMask:
    """`mask`, set to 1 in partial latent frames, whose footage the model gets frame by frame."""
    partial = torch.zeros(mask.shape[2], dtype=torch.bool, device=mask.device)
    partial[list(encoded.partial)] = True
    covered = pixels.openness.amax(1, keepdim=True).to(mask)
    return torch.where(partial[:, None, None] & (mask == 0), covered, mask)
