"""The frames of a planned clip, read from its file: resized, cropped, at the rate of the plan."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import torch

from ...errors import MediaError
from ...shapes import Frames
from ...video.frames import cover
from ...video.reader import read_frames
from ...video.still import read_still
from .folder import IMAGE_SUFFIXES, content_hash
from .plan import Plan, PlannedClip


def clip_frames(path: Path, clip: PlannedClip) -> Frames:
    """The frames of `clip` from the file at `path`, in its size.

    MediaError where frames are missing or damaged; its message has the number of readable ones.
    """
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return cover(read_still(path), clip.width, clip.height)
    rate = Fraction(clip.fps).limit_denominator(1001)
    chunks: list[Frames] = []
    counted = 0

    def count(frames: int) -> None:
        nonlocal counted
        counted = frames

    try:
        seconds = float(clip.frames / rate)
        for chunk in read_frames(path, start=clip.start, seconds=seconds, fps=rate, on_frame=count):
            chunks.append(cover(chunk, clip.width, clip.height))
    except MediaError as problem:
        raise MediaError(f"{_readable(counted, clip)} ({problem!s:.120})") from problem
    frames = torch.cat(chunks)
    missing = clip.frames - len(frames)
    if missing > max(1, clip.frames // 10):  # a rounded rate may lack one at the end
        raise MediaError(f"{_readable(len(frames), clip)}; plan again")
    if missing > 0:
        frames = torch.cat([frames, frames[-1:].expand(missing, -1, -1, -1)])
    return frames[: clip.frames]


def _readable(count: int, clip: PlannedClip) -> str:
    return f"{count} of {clip.frames} frames from {clip.start:.2f} s on can be read"


@dataclass(frozen=True, slots=True)
class PlanFiles:
    """The files of `plan`; each is compared with it once, before its first clip is read."""

    plan: Plan
    unchanged: dict[str, bool] = field(default_factory=dict)

    def frames(self, clip: PlannedClip) -> Frames:
        """The frames of `clip`; MediaError where its file is gone or has changed since the plan."""
        path = self.plan.path(clip)
        try:
            if clip.source not in self.unchanged:
                self.unchanged[clip.source] = content_hash(path) == clip.content
        except OSError as problem:
            raise MediaError(f"the file is gone ({problem.strerror})") from problem
        if not self.unchanged[clip.source]:
            raise MediaError("the file has changed since the plan: plan again")
        return clip_frames(path, clip)
