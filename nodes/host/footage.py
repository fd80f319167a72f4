"""The host's VIDEO, IMAGE, MASK and AUDIO as footage for a canvas.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import Input, InputImpl
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from ...sora_core.canvas import Canvas, Placement, Sound
from ...sora_core.errors import ConfigError, MediaError
from ...sora_core.video.probe import lasting, probe
from .files import unused_video

FPS = 8.0  # of images, where no canvas says more

Video = Input.Video | Tensor
"""What an input for footage takes: a VIDEO of the host, or its IMAGE, a batch of pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footage:
    """Something to place, and what it brings along: its size, its rate and how long it lasts."""

    placement: Placement
    width: int
    height: int
    fps: float
    seconds: float

    def frames(self, fps: float) -> int:
        """How many frames of a canvas at `fps` it fills."""
        return max(1, round(self.seconds * fps))

    def canvas(self, like: Canvas | None) -> Canvas:
        """An empty canvas as large, as fast and as long; size and rate are rather those of `like`.

        What lies on `like` stays.
        """
        if like is None:
            like = Canvas(width=self.width, height=self.height, fps=self.fps)
        return lasting_frames(like, self.frames(like.fps))

    def first(self, seconds: float) -> "Footage":
        """Its beginning; all of it where it is no longer, or for 0 seconds."""
        return replace(self, seconds=min(seconds or self.seconds, self.seconds))

    def last(self, seconds: float) -> "Footage":
        """Its end; all of it where it is no longer, or for 0 seconds."""
        kept = self.first(seconds)
        skip = self.placement.skip + self.seconds - kept.seconds
        return replace(kept, placement=replace(self.placement, skip=skip))

    def on(self, canvas: Canvas, fit: str = "pad") -> Placement:
        """All of it from the start of `canvas`, in whole frames."""
        seconds = self.frames(canvas.fps) / canvas.fps
        return replace(self.placement, seconds=seconds, fit=fit)


def lasting_frames(canvas: Canvas, frames: int) -> Canvas:
    """`canvas` made exactly so long."""
    return replace(canvas, seconds=frames / canvas.fps)


def footage(video: Video, fps: float = FPS) -> Footage:
    """`video` for a canvas; pictures play at `fps`, files and components at their own rate."""
    if isinstance(video, Tensor):
        return _pictures(video, fps, None)
    path = _file(video)
    if path is None:
        components = video.get_components()
        sound = None if components.audio is None else sound_of(components.audio)
        return _pictures(components.images, float(components.frame_rate), sound)
    info = probe(path)
    return Footage(
        placement=Placement(source=path),
        width=info.width,
        height=info.height,
        fps=float(info.fps),
        seconds=float(lasting(path)),
    )


def _pictures(images: Tensor, fps: float, sound: Sound | None) -> Footage:
    placement = Placement(source=images[..., :3], fps=fps, sound=sound)
    count, height, width = images.shape[:3]
    return Footage(placement=placement, width=width, height=height, fps=fps, seconds=count / fps)


def _file(video: Input.Video) -> Path | None:
    """The file that `video` is the whole of; None where it was made, trimmed or cropped."""
    if not isinstance(video, InputImpl.VideoFromFile):
        return None
    source: Any = video.get_stream_source()
    if isinstance(source, str):
        probe(Path(source))  # what is no video is told in our words, not in those of the host
    whole = InputImpl.VideoFromFile(source)
    for side in ("get_duration", "get_dimensions"):
        if getattr(whole, side)() != getattr(video, side)():
            return None
    if isinstance(source, str):
        return Path(source)
    path = unused_video()  # what is read piece by piece needs a file
    path.write_bytes(source.getvalue())
    return path


def sound_of(audio: Mapping[str, Any]) -> Sound:
    """An AUDIO of the host as sound; of a batch, which no video has, none."""
    waveform, rate = audio["waveform"], int(audio["sample_rate"])
    if waveform.ndim != 3 or len(waveform) != 1:
        shape = "x".join(map(str, waveform.shape))
        raise MediaError(f"sound of {shape}: give one AUDIO, 1 x channels x samples")
    return waveform[0], rate


def mask_of(
    mask: Float[Tensor, "t y x"], clip: Footage, rate: float, skip: float, frames: int
) -> Float[Tensor, "t2 y x"]:
    """`mask` with a picture for each of `frames` at `rate`, from `skip` seconds of `clip` on.

    One that stands still stays as it is. Others hold a picture for each frame of the clip, counted
    at the clip's own rate or at `rate`.
    """
    mask = rearrange(mask, "... y x -> (...) y x")
    if len(mask) == 1:
        return mask
    for fps in (clip.fps, rate):
        if len(mask) == clip.frames(fps):
            moments = ((skip + torch.arange(frames) / rate) * fps).round().long()
            return mask[moments.clamp(max=len(mask) - 1)]
    count = clip.frames(clip.fps)
    raise ConfigError(
        f"mask of {len(mask)} pictures for footage of {count} frames: give 1, or one for each frame"
    )
