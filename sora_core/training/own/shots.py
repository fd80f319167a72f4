"""Shots of a video, found by PySceneDetect, an optional package for this option alone."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError, TrainingError

CUT_MARGIN = 0.05  # seconds between a shot and the cuts around it


@dataclass(frozen=True, slots=True)
class ShotSpan:
    """A part of a video without a cut, in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


def detect_shots(path: Path) -> list[ShotSpan]:
    """The shots of the video at `path`, shortened at their cuts; empty for a single shot.

    ConfigError where PySceneDetect is not installed; TrainingError where it cannot read the file.
    """
    try:
        from scenedetect import (  # pyright: ignore[reportMissingImports]
            ContentDetector,
            VideoOpenFailure,
            detect,
        )
    except ImportError as problem:
        raise ConfigError(
            "splitting into shots needs PySceneDetect: pip install scenedetect, or do without shots"
        ) from problem
    try:
        scenes = detect(str(path), ContentDetector())
    except (VideoOpenFailure, OSError) as problem:
        raise TrainingError(f"PySceneDetect cannot read it ({problem!s:.80})") from problem
    shots = [(start.get_seconds(), end.get_seconds()) for start, end in scenes]
    last = len(shots) - 1
    return [
        ShotSpan(start + CUT_MARGIN * (i > 0), end - CUT_MARGIN * (i < last))
        for i, (start, end) in enumerate(shots)
    ]
