"""The host's VIDEO, IMAGE, MASK and AUDIO as footage for a canvas.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from comfy_api.latest import Input, InputImpl
from torch import Tensor

from ...sora_core.canvas.canvas import Placement, Sound
from ...sora_core.canvas.media import Media, read_media
from ...sora_core.errors import MediaError
from ...sora_core.video.container import media_errors
from ...sora_core.video.probe import probe
from .sockets.foreign import FOREIGN_ERRORS, foreign_code
from .sockets.media import video_in_memory
from .sockets.tensors import type_name
from .temp_files import TempName, temp_path

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
    with media_errors(path, "be written to the temp folder"):
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
