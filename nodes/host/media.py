"""The host's VIDEO, IMAGE, MASK and AUDIO as footage for a canvas.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import Input, InputImpl
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from ...sora_core.canvas.canvas import Placement, Sound
from ...sora_core.canvas.media import Media, read_media
from ...sora_core.errors import ConfigError, MediaError
from ...sora_core.video.probe import probe
from ...sora_core.video.reader import read_times
from .sockets.foreign import FOREIGN_ERRORS, foreign_code
from .sockets.media import video_in_memory
from .sockets.tensors import type_name
from .temp_files import TempName, temp_path

ROUNDING = 1e-6  # seconds: times are sums of fractions
IMAGE_FPS = 8.0  # of images without a canvas

VideoInput = Input.Video | Tensor
"""Values of a footage input: a VIDEO of the host, or an IMAGE, a batch of pictures."""


def as_media(video: VideoInput, fps: float = IMAGE_FPS) -> Media:
    """`video` for a canvas; pictures play at `fps`, files and components at their own rate."""
    if isinstance(video, Tensor):
        return _from_images(video, fps, None)
    path = _source_file(video)
    if path is None:
        components = video_in_memory("video", video).get_components()
        sound = None if components.audio is None else sound_from_audio(components.audio)
        return _from_images(components.images, float(components.frame_rate), sound)
    return read_media(path)


def _from_images(images: Tensor, fps: float, sound: Sound | None) -> Media:
    placement = Placement(source=images[..., :3], fps=fps, sound=sound)
    count, height, width = images.shape[:3]
    return Media(placement=placement, width=width, height=height, fps=fps, seconds=count / fps)


def _source_file(video: Input.Video) -> Path | None:
    """The file of which `video` is the whole; None if it was generated, trimmed or cropped."""
    if not isinstance(video, InputImpl.VideoFromFile):
        return None
    with foreign_code("video", "VIDEO"):
        source: Any = video.get_stream_source()
    if not isinstance(source, str | BytesIO):
        raise MediaError(f"video: {type_name(source)} in place of a file: connect Load Video")
    # Errors for non-videos are ours, since the host's do not name the input.
    probe(Path(source) if isinstance(source, str) else source)
    whole = InputImpl.VideoFromFile(source)
    for side in ("get_duration", "get_dimensions"):
        if _asked(whole, side) != _asked(video, side):
            return None
    if isinstance(source, str):
        return source.path if isinstance(source, TempName) else Path(source)
    path = temp_path(".mp4")  # streaming needs a file
    path.write_bytes(source.getvalue())
    return path


def _asked(video: Input.Video, question: str) -> object:
    """The value of a property of `video`; None if it is unknown, as without a header."""
    try:
        return getattr(video, question)()
    except FOREIGN_ERRORS:
        return None


def sound_from_audio(audio: Mapping[str, Any]) -> Sound:
    """An AUDIO of the host as sound; MediaError for a batch, which no video has."""
    waveform, rate = audio["waveform"], int(audio["sample_rate"])
    if waveform.ndim != 3 or len(waveform) != 1:
        shape = "x".join(map(str, waveform.shape))
        raise MediaError(f"sound of {shape}: give one AUDIO, 1 x channels x samples")
    return waveform[0], rate


def mask_frames(
    mask: Float[Tensor, "t y x"], clip: Media, rate: float, skip: float, frames: int
) -> Float[Tensor, "t2 y x"]:
    """`mask` with a picture for each of `frames` at `rate`, from `skip` seconds of `clip` on.

    A mask of one picture is returned unchanged. Others have a picture for each frame of the clip's
    file, at the time of that frame, or for each frame counted at the clip's rate or at `rate`.
    """
    mask = rearrange(mask, "... y x -> (...) y x")
    if len(mask) == 1:
        return mask
    moments = skip + torch.arange(frames, dtype=torch.float64) / rate
    source = clip.placement.source
    times = [] if isinstance(source, Tensor) else read_times(source)
    if len(mask) == len(times):
        return mask[_nearest(torch.tensor([float(time) for time in times]), moments)]
    for fps in (clip.fps, rate):
        if len(mask) == clip.frames(fps):
            return mask[(moments * fps).round().long().clamp(max=len(mask) - 1)]
    count = len(times) or clip.frames(clip.fps)
    raise ConfigError(
        f"mask of {len(mask)} pictures for footage of {count} frames: give 1, or one for each frame"
    )


def _nearest(times: Float[Tensor, " n"], moments: Float[Tensor, " m"]) -> Int[Tensor, " m"]:
    """The index of the time nearest to each moment; of two equally near, the earlier."""
    after = torch.searchsorted(times.to(moments), moments).clamp(max=len(times) - 1)
    before = (after - 1).clamp(min=0)
    nearer = (moments - times[before]).abs() <= (times[after] - moments).abs() + ROUNDING
    return torch.where(nearer, before, after)


def most_open(
    transparent: Float[Tensor, "t y x"] | None, mask: Float[Tensor, "t2 y2 x2"]
) -> Float[Tensor, "t3 y2 x2"]:
    """The maximum of two masks of the same footage; a mask of one picture holds for all frames."""
    if transparent is None:
        return mask
    sized = interpolate(transparent[:, None], mask.shape[1:], mode="bilinear")[:, 0]
    return torch.maximum(sized, mask.to(sized))
