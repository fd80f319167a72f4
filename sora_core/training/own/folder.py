"""The plan of a folder of videos and images: each file is used, or omitted for a stated reason."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

from ...errors import MediaError, PromptError, SizeError, TrainingError
from ...models.patchify import LATENT_PATCH
from ...models.tokenizer import Tokenizer
from ...shapes import COMPRESSION
from ...video.container import MAX_FPS
from ...video.probe import duration_of, probe
from ...video.still import read_still
from .captions import METADATA_FILES, Description, Descriptions, unread_tables
from .fitting import SHORTEST, clip_spans, fitted_sides, size_note
from .plan import HELD_OUT, SIDE_STEP, Dropped, Plan, PlannedClip, PlanSettings
from .shots import ShotSpan, detect_shots

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in "mp4 m4v mov mkv webm avi gif ts m2ts mts flv mpg mpeg 3gp 3g2".split()  # noqa: SIM905
)
IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp"))
BESIDE_SUFFIXES = frozenset((".txt", ".json", ".jsonl", ".csv", ".tsv", ".md", ".safetensors"))
STILL_FPS = 8.0  # rate of an image, if the plan has none
TEXT_BYTES = 768  # bytes of a token's state: 384 numbers of 2 bytes
FILE_BYTES = 400  # bytes of header and metadata of a cached clip and its text
LATENT_BYTES = 32  # bytes of a latent cell: 16 channels of 2 bytes
MOST_TEXT = 50_000  # characters: far more than 128 tokens
FEWEST_TO_SPLIT = 4  # files; with fewer, none is held out

OnFile = Callable[[int, int], None]
"""Called with the number of files that are planned and their total; may raise to stop."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """The displayed size of a file, its rate, its seconds (0 for an image), and notes."""

    width: int
    height: int
    fps: float
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def image(self) -> bool:
        return not self.seconds


def plan_folder(
    folder: Path,
    settings: PlanSettings,
    tokenizer: Tokenizer,
    on_file: OnFile = lambda done, total: None,
) -> Plan:
    """The plan of all media below `folder`; encodes and writes nothing.

    TrainingError where `folder` cannot be read, where a metadata file is malformed, and where no
    file can be used; its message then has the reason for the first file. ConfigError where shots
    are wanted and PySceneDetect is not installed.
    """
    if not folder.is_dir():
        raise TrainingError(
            f"{folder.name[:60]!a:.62} is no folder: choose one with videos or images"
        )
    descriptions = Descriptions(folder)
    clips: list[PlannedClip] = []
    dropped: list[Dropped] = []
    contents: dict[str, str] = {}
    sources = media_files(folder)
    for done, source in enumerate(sources, 1):
        try:
            found = _planned_file(folder, source, settings, descriptions, tokenizer)
            first = contents.setdefault(found[0].content, source)
            if first != source:
                raise TrainingError(f"the same content as {first}")
            clips += found
        except (MediaError, SizeError, PromptError, TrainingError) as problem:
            dropped.append(Dropped(source, str(problem)))
        except OSError as problem:
            dropped.append(Dropped(source, f"cannot be read ({problem.strerror})"))
        on_file(done, len(sources))
    dropped += [
        Dropped(name, "named in the metadata, but there is no such file")
        for name in descriptions.unmatched(set(sources))
    ]
    dropped += [
        Dropped(name, "a link to a folder, which is not followed: move its files here")
        for name in linked_folders(folder)
    ]
    dropped += [
        Dropped(name, "hidden: rename it without the dot, if it is to be used")
        for name in hidden_media(folder)
    ]
    clips, misfits = _same_action_width(clips)
    dropped = sorted(dropped + misfits, key=attrgetter("source"))
    if not clips:
        reason = f"{dropped[0].source}: {dropped[0].reason}" if dropped else "it has no media files"
        raise TrainingError(f"{folder.name[:60]!a:.62}: nothing to train on. {reason}"[:400])
    held_out, warnings = _held_out(clips, settings.held_out)
    if tables := unread_tables(folder):
        warnings.append(
            f"{', '.join(tables)[:120]!a:.122} is not read: captions come from "
            f"{' or '.join(METADATA_FILES)}, or NAME.txt"
        )
    split = [replace(c, split=HELD_OUT) if c.origin in held_out else c for c in clips]
    without = sum(1 for clip in clips if not clip.actions)
    if 0 < without < len(clips):
        warnings.append(f"{without} clips have no actions: they count as zeros")
    return Plan(
        folder=str(folder.resolve()),
        settings=settings,
        clips=tuple(split),
        dropped=tuple(dropped),
        warnings=tuple(warnings),
    )


def media_files(folder: Path) -> list[str]:
    """The sorted relative paths, with `/`, of all files below `folder`.

    Hidden files and files of captions and metadata are omitted.
    """
    found = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return sorted(
        path.as_posix()
        for path in found
        if path.suffix.lower() not in BESIDE_SUFFIXES
        and path.name not in METADATA_FILES
        and not any(part.startswith(".") for part in path.parts)
    )


def linked_folders(folder: Path) -> list[str]:
    """The sorted relative paths of links to folders below `folder`, which no search follows."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() and path.is_dir() and not path.name.startswith(".")
    )


def hidden_media(folder: Path) -> list[str]:
    """The sorted relative paths of hidden videos and images below `folder`.

    A hidden folder with any is named once. The files `._NAME` of macOS hold no pictures.
    """
    media = (
        path.relative_to(folder).parts
        for path in folder.rglob("*")
        if path.suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES and not path.is_dir()
    )
    found = set()
    for parts in media:
        hidden = next((i for i, part in enumerate(parts) if part.startswith(".")), None)
        if hidden is not None and not parts[-1].startswith("._"):
            found.add("/".join(parts[: hidden + 1]))
    return sorted(found)


def content_hash(path: Path) -> str:
    """The SHA-256 of the bytes of the file at `path`, in hexadecimal digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            found.update(block)
    return found.hexdigest()


def inspect_media(path: Path) -> MediaFile:
    """The properties of the file at `path`; MediaError unless it is a readable media file."""
    suffix = path.suffix.lower()
    if path.exists() and not path.is_file():
        raise MediaError("not a regular file")  # opening a pipe would wait for its writer
    if path.is_file() and path.stat().st_size == 0:
        raise MediaError("the file is empty")
    if suffix in IMAGE_SUFFIXES:
        height, width = read_still(path).shape[1:3]
        return MediaFile(width, height, STILL_FPS, 0.0)
    if suffix not in VIDEO_SUFFIXES:
        known = " ".join(sorted(part[1:] for part in VIDEO_SUFFIXES | IMAGE_SUFFIXES))
        raise MediaError(f"not a type that is read; these are: {known}")
    info = probe(path)
    return MediaFile(info.width, info.height, float(info.fps), float(duration_of(path)), info.notes)


def literal_prompt(caption: str) -> str:
    r"""`caption` as a prompt with literal brackets: `(` becomes `\(`."""
    return re.sub(r"([()])", r"\\\1", caption[:MOST_TEXT])


def _planned_file(
    folder: Path,
    source: str,
    settings: PlanSettings,
    descriptions: Descriptions,
    tokenizer: Tokenizer,
) -> list[PlannedClip]:
    path = folder / source
    media = inspect_media(path)
    description = descriptions.describe(source)
    if not description.caption and not settings.uncaptioned:
        raise TrainingError(
            f"no caption: write {path.with_suffix('.txt').name}, caption the folder, or allow "
            "clips without captions"
        )
    if min(media.width, media.height) < SIDE_STEP:
        raise SizeError(f"{media.width}x{media.height}: a side is shorter than {SIDE_STEP} px")
    text = tokenizer.tokenize(literal_prompt(description.caption))
    notes = list(media.notes)
    if text.truncated:
        count = len(description.caption)
        notes.append(f"caption of {count} characters: the first {len(text.ids)} tokens are used")
    width, height = fitted_sides(media.width, media.height, settings.area)
    notes.append(size_note(media.width, media.height, width, height) or "")
    rate, parts = _clip_parts(path, media, settings, description, notes)
    template = PlannedClip(
        source=source,
        content=content_hash(path),
        caption=description.caption,
        film=description.film,
        width=width,
        height=height,
        frames=1,
        fps=rate,
        source_width=media.width,
        source_height=media.height,
        source_fps=0.0 if media.image else media.fps,
        source_seconds=media.seconds,
        notes=tuple(filter(None, notes)),
    )
    size = len(text.ids) * TEXT_BYTES
    return [_planned_clip(template, *part, description, size) for part in parts]


def _planned_clip(
    template: PlannedClip, start: float, frames: int, description: Description, text_bytes: int
) -> PlannedClip:
    clip = replace(template, start=start, frames=frames)
    cells = clip.grid.cells
    return replace(
        clip,
        actions=description.actions[: clip.grid.frames],
        tokens=cells // LATENT_PATCH**2,
        cache_bytes=cells * LATENT_BYTES + text_bytes + 2 * FILE_BYTES,
    )


def _clip_parts(
    path: Path,
    media: MediaFile,
    settings: PlanSettings,
    description: Description,
    notes: list[str],
) -> tuple[float, list[tuple[float, int]]]:
    """The rate of the clips of a file, and the start in seconds and the frames of each.

    Adds a sentence on unused parts to `notes`.
    """
    if media.image:
        return settings.fps or STILL_FPS, [(0.0, 1)]
    rate = min(settings.fps or MAX_FPS, media.fps)
    if settings.fps and media.fps < settings.fps:
        notes.append(f"{media.fps:.4g} frames a second, fewer than {settings.fps:.4g}: all used")
    elif rate < media.fps:
        notes.append(f"{rate:.4g} of {media.fps:.4g} frames a second")
    longest, most = settings.frames, settings.parts
    shots = [ShotSpan(0.0, media.seconds)]
    if description.actions:
        most = 1
        longest = min(longest, COMPRESSION.pixel_frames(len(description.actions)))
    elif settings.shots:
        shots = detect_shots(path) or shots
    parts: list[tuple[float, int]] = []
    unused = 0
    for shot in shots:
        count = max(1, round(shot.seconds * rate)) if len(shots) == 1 else int(shot.seconds * rate)
        spans, rest = clip_spans(count, longest, most - len(parts)) if count else ([], 0)
        parts += [(shot.start + first / rate, frames) for first, frames in spans]
        unused += rest
    if not parts:
        parts, unused = [(0.0, 1)], unused - 1
    if len(shots) > 1:
        notes.append(f"{len(shots)} shots")
    if longest > 1 and all(frames == 1 for _, frames in parts):
        notes.append(f"shorter than {SHORTEST} frames: used as a still")
    if unused > 0:
        notes.append(f"{unused / rate:.2f} s ({unused} frames) not used")
    used = COMPRESSION.latent_frames(parts[0][1])
    if len(description.actions) > used:
        notes.append(f"{used} of {len(description.actions)} actions used")
    elif description.actions and longest < settings.frames:
        notes.append(f"cut to its {used} actions, one a latent frame")
    return rate, parts


def _same_action_width(clips: list[PlannedClip]) -> tuple[list[PlannedClip], list[Dropped]]:
    """The clips whose actions have the most frequent width; the others as dropped files."""
    widths = Counter(len(clip.actions[0]) for clip in clips if clip.actions)
    if len(widths) < 2:
        return clips, []
    usual = widths.most_common(1)[0][0]
    odd = {c.source: len(c.actions[0]) for c in clips if c.actions and len(c.actions[0]) != usual}
    reason = "actions of {} numbers, most files have {}: use one length"
    dropped = [Dropped(source, reason.format(width, usual)) for source, width in odd.items()]
    return [clip for clip in clips if clip.source not in odd], dropped


def _held_out(clips: list[PlannedClip], share: float) -> tuple[set[str], list[str]]:
    """The origins of the clips that are held out, chosen by their hashes, and warnings."""
    films = {clip.film for clip in clips if clip.film}
    origins = sorted({clip.origin for clip in clips}, key=_order)
    least = 2 if films else FEWEST_TO_SPLIT  # metadata with films implies that a split is wanted
    if not share:
        return set(), ["nothing is held out: no held-out loss can warn of overfitting"]
    if len(origins) < least:
        return set(), [f"nothing is held out of {len(origins)} files: it takes {least} at least"]
    count = min(len(origins) - 1, max(1, round(share * len(origins))))
    return set(origins[:count]), []


def _order(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()
