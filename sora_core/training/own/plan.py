"""The plan of training on a folder: used clips, omitted files with reasons, and the cost.

A plan exists before any work and holds all inputs of it: `folder.plan_folder` returns it,
`cache.encode_plan` encodes its clips, `cache.clips` reads them for training.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from ...errors import ConfigError, TrainingError, check_range
from ...files import replacing
from ...shapes import COMPRESSION, MAX_SIDE, Grid, Size
from ...video.container import MAX_FPS

PLAN_FORMAT = "sora plan 1"
TRAIN, HELD_OUT = "train", "held-out"
SPLITS = (TRAIN, HELD_OUT)
SIDE_STEP = 16  # pixels: both sides of a clip are multiples
MAX_PLAN_BYTES = 1_000_000_000
Record = TypeVar("Record")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanSettings:
    """How the files of a folder become clips; ConfigError for values out of range.

    `area` is the maximum number of pixels of a frame, `frames` that of frames of a clip (1 + 4k).
    `fps` None uses the rate of each file. A longer file becomes up to `parts` successive clips;
    with `shots`, none spans a cut. `held_out` is the share of the files that no training uses.
    `uncaptioned` includes files without a caption, with an empty one.
    """

    area: int = 64 * 64
    frames: int = 17
    fps: float | None = 8.0
    parts: int = 8
    held_out: float = 0.1
    shots: bool = False
    uncaptioned: bool = False

    def __post_init__(self) -> None:
        if not SIDE_STEP**2 <= self.area <= MAX_SIDE**2:
            raise ConfigError(
                f"area {self.area} px: choose from {SIDE_STEP}x{SIDE_STEP} to {MAX_SIDE}x{MAX_SIDE}"
            )
        if self.frames < 1 or self.frames % COMPRESSION.time != 1:
            lower = max(1, self.frames - (self.frames - 1) % COMPRESSION.time)
            raise ConfigError(
                f"{self.frames} frames: a latent holds 1 + 4k frames; choose {lower} or "
                f"{lower + COMPRESSION.time}"
            )
        Size(SIDE_STEP, SIDE_STEP, self.frames)  # its upper limit
        if self.fps is not None and not 0 < self.fps <= 240:
            raise ConfigError(f"fps {self.fps:g}: choose a rate above 0 and at most 240")
        check_range("parts", self.parts, 1)
        if not 0 <= self.held_out < 1:
            raise ConfigError(f"held-out share {self.held_out:g}: choose from 0 to below 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedClip:
    """A part of a file for training.

    `source` is relative to the folder of the plan, with `/`; `content` is the SHA-256 of its bytes.
    `film` is the film of the file from the metadata, if any; clips of one film share a split.
    `start` is in seconds of the source. `actions` has a vector for each latent frame, or is empty.
    `notes` are sentences on the differences from the file.
    """

    source: str
    content: str
    caption: str
    width: int
    height: int
    frames: int
    fps: float
    start: float = 0.0
    actions: tuple[tuple[float, ...], ...] = ()
    film: str = ""
    split: str = TRAIN
    tokens: int = 0
    cache_bytes: int = 0
    source_width: int = 0
    source_height: int = 0
    source_fps: float = 0.0
    source_seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def grid(self) -> Grid:
        return COMPRESSION.grid(Size(self.width, self.height, self.frames))

    @property
    def origin(self) -> str:
        """Clips of one origin share a split: their film, else the content of their file."""
        return self.film or self.content

    @property
    def still(self) -> bool:
        return self.frames == 1

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


@dataclass(frozen=True, slots=True)
class Dropped:
    """An omitted file, and the reason in a sentence."""

    source: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimates:
    """The expected cost of training.

    `step_tokens` are those of a mean step of `batch` clips of 64x64x17, `step_seconds` its time on
    this machine, `memory_bytes` the peak of training, `free_bytes` the space on the cache's disk.
    """

    batch: int
    step_tokens: int
    step_seconds: float
    memory_bytes: int
    free_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All clips of `folder` for training, and all omitted files."""

    folder: str
    settings: PlanSettings
    clips: tuple[PlannedClip, ...]
    dropped: tuple[Dropped, ...] = ()
    warnings: tuple[str, ...] = ()
    estimates: Estimates | None = None

    def of_split(self, split: str) -> tuple[PlannedClip, ...]:
        """The clips of `split`, one of SPLITS."""
        if split not in SPLITS:
            raise ConfigError(f"split {split[:30]!a:.32}: choose {' or '.join(SPLITS)}")
        return tuple(clip for clip in self.clips if clip.split == split)

    def sources(self, split: str) -> list[str]:
        """The files of `split`, each once, in order."""
        return list(dict.fromkeys(clip.source for clip in self.of_split(split)))

    @property
    def cache_bytes(self) -> int:
        return sum(clip.cache_bytes for clip in self.clips)

    def path(self, clip: PlannedClip) -> Path:
        return Path(self.folder) / clip.source

    def moved(self, folder: Path) -> "Plan":
        """This plan for its clips at another place; TrainingError where `folder` is no folder."""
        if not folder.is_dir():
            raise TrainingError(
                f"{folder.name[:60]!a:.62} is no folder: choose the one that has the plan's clips"
            )
        return replace(self, folder=str(folder.resolve()))


def write_plan(path: Path, plan: Plan) -> None:
    """Writes `plan` as JSON to `path` atomically; TrainingError where writing fails."""
    text = json.dumps({"format": PLAN_FORMAT, **asdict(plan)}, indent=1)
    try:
        with replacing(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise TrainingError(
            f"{path.name[:60]!a:.62} cannot be written ({problem.strerror}): choose another place"
        ) from problem


def read_plan(path: Path) -> Plan:
    """The plan in the file at `path`; TrainingError unless it holds one."""
    try:
        if path.stat().st_size > MAX_PLAN_BYTES:
            raise ValueError("too large")
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or values.pop("format", None) != PLAN_FORMAT:
            raise ValueError(f"not {PLAN_FORMAT}")
        clips = tuple(_clip_record(clip) for clip in values.pop("clips"))
        dropped = tuple(_record(Dropped, one) for one in values.pop("dropped"))
        estimates = values.pop("estimates", None)
        plan = Plan(
            folder=_text(values["folder"]),
            settings=_record(PlanSettings, values["settings"]),
            clips=clips,
            dropped=dropped,
            warnings=tuple(map(_text, values["warnings"])),
            estimates=None if estimates is None else _record(Estimates, estimates),
        )
    except OSError as problem:
        raise TrainingError(
            f"{path.name[:60]!a:.62} cannot be read ({problem.strerror}): make the plan first"
        ) from problem
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise TrainingError(
            f"{path.name[:60]!a:.62} is no plan ({problem!s:.80}): make it again by train plan"
        ) from problem
    return plan


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is missing")
    return value


def _record(kind: type[Record], values: dict[str, Any]) -> Record:
    known = fields(kind)  # pyright: ignore[reportArgumentType]
    if set(values) != {field.name for field in known}:
        raise ValueError(f"other fields than those of {kind.__name__}")
    for field in known:
        _check_type(field.name, values[field.name], field.type)
    return kind(**values)


def _check_type(name: str, value: object, kind: object) -> None:
    """ValueError where `value` is not of the plain type `kind`; other kinds are not checked."""
    if kind is bool or isinstance(value, bool):
        fits = kind is bool and isinstance(value, bool)
    elif kind in (float, float | None):
        fits = (kind is not float and value is None) or isinstance(value, int | float)
    else:
        fits = kind not in (int, str) or type(value) is kind
    if not fits:
        raise ValueError(f"{name} {value!s:.20}")


def _clip_record(values: dict[str, Any]) -> PlannedClip:
    clip = _record(PlannedClip, values)
    source = PurePosixPath(clip.source)
    if clip.split not in SPLITS or source.is_absolute() or ".." in source.parts:
        raise ValueError("a clip of no split or outside of the folder")
    Size(clip.width, clip.height, clip.frames)
    if clip.width % SIDE_STEP or clip.height % SIDE_STEP:
        raise ValueError(f"{clip.width}x{clip.height}: sides are multiples of {SIDE_STEP}")
    if clip.frames % COMPRESSION.time != 1:
        raise ValueError(f"{clip.frames} frames, not 1 + 4k")
    if not 0 < clip.fps <= MAX_FPS:
        raise ValueError(f"fps {clip.fps:g}: from above 0 to {MAX_FPS}")
    if not 0 <= clip.start < math.inf:
        raise ValueError(f"start {clip.start:g} s: from 0 on")
    if not re.fullmatch("[0-9a-f]{64}", clip.content):
        raise ValueError("content is no SHA-256")
    actions = tuple(tuple(map(float, action)) for action in clip.actions)
    if len(set(map(len, actions))) > 1:
        raise ValueError("actions of several lengths")
    return replace(clip, actions=actions, notes=tuple(map(_text, clip.notes)))


def printable(text: str) -> str:
    """`text` on one line: a name may contain line breaks and commands of the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def table_lines(plan: Plan) -> Iterator[str]:
    """The plan as lines of text: a table of clips, the omitted files, warnings and totals."""
    yield f"{'':>4} {'file':32} {'size':>9} {'frames':>6} {'fps':>6} {'tokens':>6} {'KB':>6}  split"
    for number, clip in enumerate(plan.clips, 1):
        name = printable(clip.source) + (f" @{clip.start:.2f}s" if clip.start else "")
        size, kilobytes = f"{clip.width}x{clip.height}", clip.cache_bytes / 1000
        yield (
            f"{number:4} {name[-32:]:32} {size:>9} {clip.frames:6} {clip.fps:6.4g} {clip.tokens:6} "
            f"{kilobytes:6.1f}  {clip.split}" + (f"  ({'; '.join(clip.notes)})" * bool(clip.notes))
        )
    for one in plan.dropped:
        yield f"left out: {printable(one.source)}: {printable(one.reason)}"
    for warning in plan.warnings:
        yield f"note: {warning}"
    train, held_out = (plan.of_split(split) for split in SPLITS)
    yield (
        f"{len(train)} clips of {len(plan.sources(TRAIN))} files to train, {len(held_out)} of "
        f"{len(plan.sources(HELD_OUT))} held out, {len(plan.dropped)} files left out; "
        f"cache {plan.cache_bytes / 1e6:.1f} MB"
    )
    if plan.estimates:
        cost = plan.estimates
        yield (
            f"a step of {cost.step_tokens} tokens: about {cost.step_seconds:.2g} s here, "
            f"{cost.memory_bytes / 1e9:.1f} GB of memory"
        )
