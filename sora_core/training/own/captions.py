"""Captions and actions of the files in a folder, from the files beside them.

`NAME.txt` beside `NAME.mp4` comes first, then `metadata.jsonl` or `metadata.csv` in the layout of
Hugging Face's folders (`file_name`, and `text` or `caption`), then `captions.jsonl`, which
`python -m sora_core caption` and `tools/caption.py` write (`file`, `long`). Other columns are
ignored. A CSV may have commas, semicolons or tabs between its columns, as spreadsheets write them.
File names match in any Unicode normal form, since macOS decomposes accents.
"""

import codecs
import csv
import io
import json
import math
import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...errors import TrainingError

METADATA_FILES = ("metadata.jsonl", "metadata.csv", "captions.jsonl")
TABLE_SUFFIXES = frozenset((".csv", ".tsv", ".jsonl"))
FILE_COLUMNS = (
    "file_name", "filename", "file", "file_path", "path", "video", "video_path", "image",
    "image_path",
)  # fmt: skip
TEXT_COLUMNS = ("text", "caption", "prompt", "description", "long")
DELIMITERS = ",;\t"
ACTIONS_COLUMN, FILM_COLUMN = "actions", "source"
MAX_METADATA_BYTES = 1_000_000_000
MAX_CAPTION_BYTES = 1_000_000
MAX_ACTION_WIDTH = 1024

Actions = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Description:
    """The metadata of a file: its caption (empty if it has none), its actions and its film."""

    caption: str = ""
    actions: Actions = ()
    film: str = ""


class Descriptions:
    """The contents of the metadata files below `folder`; TrainingError names a malformed line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, Description] = {}
        for name in reversed(METADATA_FILES):  # the first of them overrides the others
            for path in sorted(folder.rglob(name)):
                below = path.parent.relative_to(folder)
                for file, description in metadata_rows(path):
                    name_below = (PurePosixPath(below.as_posix()) / file).as_posix()
                    self.rows[composed(name_below)] = description

    def unmatched(self, sources: set[str]) -> list[str]:
        """The files in the metadata that `sources` lacks."""
        known = set(map(composed, sources))
        return [name for name in self.rows if name not in known]

    def describe(self, source: str) -> Description:
        """The metadata of `source`, a path relative to the folder, with `/`."""
        row = self.rows.get(composed(source), Description())
        beside = caption_file(self.folder / source)
        if beside is None:
            return row
        return Description(text_file(beside) or row.caption, row.actions, row.film)


def edited_captions(folder: Path, captions: Mapping[str, str]) -> list[str]:
    """The files below `folder` whose caption now differs from that in `captions`, by source.

    Without their folder, or with malformed metadata, none is known to differ.
    """
    if not folder.is_dir():
        return []
    try:
        now = Descriptions(folder)
        return [name for name, text in captions.items() if now.describe(name).caption != text]
    except (OSError, TrainingError):
        return []


def composed(name: str) -> str:
    """`name` with accents as single letters, the form that metadata files usually have."""
    return unicodedata.normalize("NFC", name)


def caption_file(path: Path) -> Path | None:
    """The text file beside the media file at `path`, `NAME.txt` or `NAME.TXT`; None without."""
    candidates = (path.with_suffix(suffix) for suffix in (".txt", ".TXT"))
    return next((file for file in candidates if file.is_file()), None)


def unread_tables(folder: Path) -> list[str]:
    """The tables below `folder`, such as `captions.csv`, whose names no metadata file has."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in TABLE_SUFFIXES
        and path.name not in METADATA_FILES
        and not path.name.startswith(".")
    )


def text_file(path: Path) -> str:
    """The caption in the file at `path`, on one line; TrainingError if it is not text."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CAPTION_BYTES + 1)
        if len(data) > MAX_CAPTION_BYTES:
            raise TrainingError(
                f"{path.name[:60]!a:.62} has more than {MAX_CAPTION_BYTES / 1e6:.0f} MB: shorten it"
            )
        return one_line(decoded(data))
    except OSError as problem:
        raise TrainingError(
            f"{path.name[:60]!a:.62} cannot be read ({problem.strerror}): check its access rights"
        ) from problem
    except UnicodeDecodeError as problem:
        raise TrainingError(
            f"{path.name[:60]!a:.62} is no UTF-8 text: save it as UTF-8"
        ) from problem


def decoded(data: bytes) -> str:
    """The text of `data`: UTF-8, or UTF-16 with its mark, as Windows PowerShell writes it.

    UnicodeDecodeError for anything else.
    """
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if marked else "utf-8-sig")


def one_line(text: str) -> str:
    return " ".join(text.split())


def metadata_rows(path: Path) -> Iterator[tuple[str, Description]]:
    """Each file in the metadata file at `path`, with its metadata.

    TrainingError names a malformed line. Lines that `caption` wrote about unreadable files are
    skipped.
    """
    for number, row in _numbered_rows(path):
        file = _column(row, FILE_COLUMNS)
        if file is None:
            raise _bad_line(
                path, number, f"has no {FILE_COLUMNS[0]}: add the name of the file (it has "
                f"{', '.join(map(str, row))[:100]!a:.102})"
            )  # fmt: skip
        if "error" in row:
            continue
        name = name_inside(path.parent, str(file).replace("\\", "/"))
        if name is None:
            raise _bad_line(path, number, f"names {str(file)[:60]!a:.62}, outside of the folder")
        caption = _column(row, TEXT_COLUMNS)
        if caption is not None and not isinstance(caption, str):
            raise _bad_line(
                path, number, f"has a caption that is no text: {str(caption)[:40]!a:.42}"
            )
        try:
            actions = _actions(row.get(ACTIONS_COLUMN))
        except ValueError as problem:
            raise _bad_line(path, number, f"has bad actions ({problem})") from problem
        film = row.get(FILM_COLUMN)
        yield name.as_posix(), Description(one_line(caption or ""), actions, str(film or ""))


def name_inside(folder: Path, name: str) -> PurePosixPath | None:
    """The path of the file `name` from `folder` on; None for one outside. Nothing is opened."""
    for root in (folder.absolute(), folder.resolve()):
        whole = Path(os.path.normpath(root / name))
        if whole.is_relative_to(root):
            return PurePosixPath(whole.relative_to(root).as_posix())
    return None


def _numbered_rows(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    try:
        if path.stat().st_size > MAX_METADATA_BYTES:
            raise TrainingError(
                f"{_short_path(path)} has more than {MAX_METADATA_BYTES / 1e9:.0f} GB"
            )
        text = decoded(path.read_bytes())
    except OSError as problem:
        raise TrainingError(f"{_short_path(path)} cannot be read ({problem.strerror})") from problem
    except UnicodeDecodeError as problem:
        raise TrainingError(f"{_short_path(path)} is no UTF-8 text: save it as UTF-8") from problem
    if path.suffix == ".csv":
        try:
            yield from _csv_rows(path, text)
        except csv.Error as problem:
            raise TrainingError(f"{_short_path(path)} is no CSV ({problem!s:.60})") from problem
        return
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as problem:
            raise _bad_line(path, number, f"is no JSON ({problem!s:.60})") from problem
        if not isinstance(row, dict):
            raise _bad_line(path, number, "is no JSON object: write one a line")
        yield number, {column_name(key): value for key, value in row.items()}


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The rows of a CSV with the number of their line; empty ones are skipped."""
    header = text.split("\n", 1)[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=header.count)
    )
    names = [column_name(name) for name in reader.fieldnames or ()]
    used = (*TEXT_COLUMNS, ACTIONS_COLUMN, FILM_COLUMN)
    for wanted, choices in ((FILE_COLUMNS[0], FILE_COLUMNS), (TEXT_COLUMNS[0], used)):
        if names and not set(choices) & set(names):
            raise TrainingError(
                f"{_short_path(path)} has no column {wanted}: it has "
                f"{', '.join(names)[:100]!a:.102}; rename one of them"
            )
    for row in reader:
        named = {column_name(key): value for key, value in row.items() if key is not None}
        if any(named.values()):
            yield reader.line_num, named


def column_name(name: str) -> str:
    """`name` in small letters and underscores: `File Name` is the column `file_name`."""
    return "_".join(name.lower().replace("-", " ").split())


def _short_path(path: Path) -> str:
    """The file and its folder, enough to find one of several metadata files."""
    return "/".join(path.parts[-2:])


def _column(row: Mapping[str, object], names: tuple[str, ...]) -> object | None:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _bad_line(path: Path, number: int, problem: str) -> TrainingError:
    return TrainingError(f"{_short_path(path)} line {number} {problem}"[:300])


def _actions(value: object) -> Actions:
    """A vector for each latent frame: a list of numbers or of equally long lists of them, as JSON
    or, in CSV, as `1 0; 0 1`. ValueError for anything else."""
    if value in (None, ""):
        return ()
    if isinstance(value, str):
        if value.lstrip().startswith("["):
            value = json.loads(value)
        else:
            value = [part.split() for part in value.strip().strip(";").split(";")]
    if not isinstance(value, list):
        raise ValueError("no list")
    vectors = [tuple(_number(n) for n in (v if isinstance(v, list) else [v])) for v in value]
    widths = {len(vector) for vector in vectors}
    if len(widths) > 1 or not 1 <= min(widths, default=1) <= MAX_ACTION_WIDTH:
        raise ValueError(f"vectors of {sorted(widths)[:4]} numbers: use one length up to 1024")
    return tuple(vectors)


def _number(value: object) -> float:
    if isinstance(value, str | int | float) and math.isfinite(number := float(value)):
        return number
    raise ValueError(f"{str(value)[:20]!a:.22} is no number")
