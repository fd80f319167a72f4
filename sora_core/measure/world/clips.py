"""Clips for rulers: each scene as rendered, through the autoencoder, and as generated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from ...canvas.canvas import Canvas
from ...pipeline.decode import decode_frames
from ...pipeline.generate import Pipeline, generate
from ...shapes import Frames, Size
from ..heldout_clips import through
from .kinds import drawn_from
from .row import Row, mean_row, share_row
from .tracker import Tint, trackable
from .worlds import RulerWorld, first_world

Reading = TypeVar("Reading")

SIZE, FPS = Size(64, 64, 17), 8.0
CALIBRATION_SCENE = 10_000  # number of the first scene that sets bars and ranges
SCENE_TRIES = 40  # scenes drawn at most for each that is wanted


@dataclass(frozen=True, slots=True)
class SampleSpec:
    """A scene to film: its number among those of its `kind`, and at what size and rate."""

    kind: str
    number: int
    size: Size = SIZE
    fps: float = FPS


@dataclass(frozen=True, slots=True)
class Sample:
    """A scene with its caption, the true clip, and the colours by which its things are found.

    `things` has, for each of `tints`, the segments of that colour: one thing, or several alike.
    """

    shot: SampleSpec
    scene: Any
    caption: str
    clip: Any
    tints: tuple[Tint, ...]
    things: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Look:
    """A generated clip for a sheet, with the ruler that requested it and the true clip, if any."""

    ruler: str
    prompt: str
    frames: Frames
    true: Frames | None = None


@dataclass(slots=True)
class Clips:
    """Makes and caches clips, so that rulers share them.

    `steps` None is the model's default. `looks` has the clips generated so far, each with the
    `ruler` that was measuring.
    """

    pipeline: Pipeline
    world: RulerWorld = field(default_factory=first_world)
    steps: int | None = None
    progress: Callable[[str], None] = lambda text: None
    ruler: str = ""
    looks: list[Look] = field(default_factory=list)
    _samples: dict[SampleSpec, Sample | None] = field(default_factory=dict)
    _through: dict[SampleSpec, Frames] = field(default_factory=dict)
    _rendered: dict[tuple[SampleSpec, str], Frames] = field(default_factory=dict)

    def samples(
        self, kind: str, count: int, first: int = 0, size: Size = SIZE, fps: float = FPS
    ) -> list[Sample]:
        """The first `count` scenes of a kind, from number `first`, whose things can be tracked.

        Fewer if 40 times as many scenes do not contain that many. Scenes are chosen at the usual
        size and rate, so that other sizes and rates have the same ones.
        """
        found: list[Sample] = []
        for number in range(first, first + SCENE_TRIES * count):
            if self.sample(SampleSpec(kind, number)) and (
                sample := self.sample(SampleSpec(kind, number, size, fps), usual=False)
            ):
                found.append(sample)
            if len(found) == count:
                break
        return found

    def sample(self, shot: SampleSpec, usual: bool = True) -> Sample | None:
        """The scene of `shot`, or None if it cannot be tracked (if `usual`: by its colours)."""
        if shot not in self._samples:
            scene = self.world.scene(shot.kind, shot.number)
            clip = self.world.render(scene, shot.size, shot.fps)
            things = tuple(map(tuple, self.world.tracked(scene)))
            tints = trackable(clip.frames, clip.segments, things)
            if tints is None and not usual:
                known = self.sample(SampleSpec(shot.kind, shot.number))
                tints = known and known.tints
            caption = self.world.caption(scene, shot.kind, shot.number)
            self._samples[shot] = (
                None if tints is None else Sample(shot, scene, caption, clip, tuple(tints), things)
            )
        return self._samples[shot]

    def limit(self, sample: Sample) -> Frames:
        """The true clip, encoded and decoded: the best that a model of this autoencoder can do."""
        if sample.shot not in self._through:
            self._through[sample.shot] = self.transformed(sample.clip.frames)
        return self._through[sample.shot]

    def transformed(self, frames: Frames) -> Frames:
        """`frames` of any length, encoded and decoded."""
        return through(self.pipeline.autoencoder, frames)

    def generated(self, sample: Sample) -> Frames:
        """The generated clip of the caption, from the noise of the scene's seed."""
        key = (sample.shot, sample.caption)
        if key not in self._rendered:
            size, fps = sample.shot.size, sample.shot.fps
            seed = drawn_from(sample.shot.kind, sample.shot.number)
            self._rendered[key] = self.generate(
                sample.caption, exact_canvas(size, fps), seed, true=sample.clip.frames
            )
            self.progress(f"generated {len(self._rendered)} clips: {sample.shot.kind}")
        return self._rendered[key]

    def generate(
        self,
        prompt: str,
        canvas: Canvas,
        seed: int,
        guidance: float | None = None,
        footage_guidance: float = 1.0,
        true: Frames | None = None,
    ) -> Frames:
        """The generated clip of `prompt` on `canvas`; `true` appears beside it on the sheet."""
        latent = generate(
            self.pipeline,
            prompt,
            canvas,
            seed,
            steps=self.steps,
            guidance=guidance,
            footage_guidance=footage_guidance,
        )
        frames = torch.cat(list(decode_frames(self.pipeline, latent, canvas)))
        self.looks.append(Look(self.ruler, prompt, frames, true))
        return frames


@dataclass(frozen=True, slots=True)
class Trio:
    """A ruler's readings of true, encoded and generated clips of the same scenes, in order."""

    true: list[Any]
    limit: list[Any]
    generated: list[Any]

    def shares(self, name: str, right: Callable[[Any], bool] = bool) -> Row:
        """The row of the shares of readings that are `right`."""
        sides = (self.true, self.limit, self.generated)
        return share_row(name, *([right(reading) for reading in side] for side in sides))

    def means(self, name: str, value: Callable[[Any], float] = float) -> Row:
        """The row of the mean `value` of the readings."""
        sides = (self.true, self.limit, self.generated)
        return mean_row(name, *([value(reading) for reading in side] for side in sides))


def read_all(
    clips: Clips, samples: Sequence[Sample], read: Callable[[Sample, Frames], Any]
) -> Trio:
    """`read(sample, frames)` of the three clips of each of `samples`."""
    return Trio(
        [read(sample, sample.clip.frames) for sample in samples],
        [read(sample, clips.limit(sample)) for sample in samples],
        [read(sample, clips.generated(sample)) for sample in samples],
    )


def calibration_readings(
    clips: Clips,
    kind: str,
    count: int,
    read: Callable[[Sample, Frames], Reading],
    size: Size = SIZE,
    fps: float = FPS,
) -> list[Reading]:
    """`read` of true clips through the autoencoder, of the scenes that set bars and ranges."""
    samples = clips.samples(kind, count, CALIBRATION_SCENE, size, fps)
    return [read(sample, clips.limit(sample)) for sample in samples]


def exact_canvas(size: Size, fps: float) -> Canvas:
    """The canvas whose result has exactly `size` at `fps`."""
    return Canvas(width=size.width, height=size.height, seconds=size.frames / fps, fps=fps)
