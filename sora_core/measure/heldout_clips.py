"""Held-out world clips, their captions, and their reconstruction by the autoencoder.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import UInt8
from torch import Tensor

from ..canvas.canvas import Canvas
from ..models.autoencoder import Autoencoder
from ..shapes import Frames, Size, crop
from ..video.frames import frames_from_video, video_from_frames
from ..world.captions import describe
from ..world.render import FIRST_THING, render
from ..world.scene import COLOURS, Scene, sample_scene
from .report import Figure, decibels

HELDOUT_SEED = 980_000_000  # clips for measurement: no training and no tuning uses them
TUNING_SEED = 985_000_000  # clips for tuning a setting
CLIP_FPS = 8.0
CLIP_SIZE = Size(64, 64, 17)


@dataclass(frozen=True, slots=True)
class HeldOutClip:
    """A scene of the world and its rendered frames."""

    seed: int
    scene: Scene
    frames: Frames

    @property
    def caption(self) -> str:
        """The long caption of the scene."""
        return describe(self.scene, self.seed).long

    @property
    def other_colour(self) -> str:
        """A colour that differs from the object's own and is visible on this floor."""
        own = COLOURS.index(self.scene.things[0].colour)
        colours = COLOURS[own + 1 :] + COLOURS[:own]
        usable = [c for c in colours if not (c == "white" and self.scene.floor == "snow")]
        return usable[self.seed % len(usable)]

    @property
    def recoloured_caption(self) -> str:
        """The long caption with `other_colour` for the object, otherwise unchanged."""
        main, *others = self.scene.things
        things = (replace(main, colour=self.other_colour), *others)
        return describe(replace(self.scene, things=things), self.seed).long


def heldout_clips(
    count: int, first: int = HELDOUT_SEED, size: Size = CLIP_SIZE
) -> Iterator[HeldOutClip]:
    """`count` clips whose combination of shape, colour and motion no training contains."""
    for seed in range(first, first + count):
        scene = sample_scene(seed, held_out=True)
        yield HeldOutClip(seed, scene, render(scene, size, CLIP_FPS).frames)


def empty_canvas(size: Size = CLIP_SIZE) -> Canvas:
    """The empty canvas whose video has exactly `size`, at 8 fps."""
    return Canvas(
        width=size.width, height=size.height, seconds=size.frames / CLIP_FPS, fps=CLIP_FPS
    )


def to_and_fro(frames: Frames, count: int) -> Frames:
    """`count` frames from fewer by playing them forward and back, to the classifier's length."""
    cycle = torch.cat([frames, frames.flip(0)[1:-1]])
    return cycle[torch.arange(count) % len(cycle)]


RECONSTRUCTION_SEED = 950_000_000  # seeds outside all training sets, with held-out combinations


@dataclass(frozen=True, slots=True)
class ReconstructedClip:
    """A true clip, its reconstruction, and the part of the world in each pixel."""

    true: Frames
    reconstructed: Frames
    segments: UInt8[Tensor, "t y x"]

    @property
    def error(self) -> float:
        """The mean squared error of all pixels, in a range of 0 to 1."""
        return self._squared().mean().item()

    @property
    def object_error(self) -> float | None:
        """The mean squared error within the object's true mask; None if it is never in view."""
        mask = self.segments >= FIRST_THING
        return self._squared()[mask].mean().item() if mask.any() else None

    def _squared(self) -> Tensor:
        return (self.reconstructed.float() - self.true.float()).div(255).square()


@torch.inference_mode()
def through(autoencoder: Autoencoder, frames: Frames) -> Frames:
    """`frames` encoded and decoded; their sides must be multiples of a latent cell."""
    latent = autoencoder.encode(video_from_frames(frames)[None])
    video = autoencoder.decode(latent, torch.zeros(1, 1, 1, 1, 1))
    size = Size(frames.shape[2], frames.shape[1], frames.shape[0])
    return frames_from_video(crop(video, size)[0])


def reconstructed_clips(
    autoencoder: Autoencoder,
    size: Size,
    count: int,
    fps: float = 8.0,
    first: int = RECONSTRUCTION_SEED,
) -> Iterator[ReconstructedClip]:
    """`count` held-out world clips with their reconstructions."""
    for seed in range(first, first + count):
        clip = render(sample_scene(seed, held_out=True), size, fps)
        yield ReconstructedClip(clip.frames, through(autoencoder, clip.frames), clip.segments)


def reconstruction_figures(clips: Sequence[ReconstructedClip], suffix: str = "") -> list[Figure]:
    """PSNR of all pixels, and of the moving objects by their true masks, in dB."""
    whole = [pair.error for pair in clips]
    objects = [error for pair in clips if (error := pair.object_error) is not None]
    return [
        Figure(f"psnr_db{suffix}", decibels(sum(whole) / len(whole)), "dB"),
        Figure(f"psnr_object_db{suffix}", decibels(sum(objects) / len(objects)), "dB"),
    ]
