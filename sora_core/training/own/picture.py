"""A plan as pictures: a numbered row with a thumbnail for each clip, then the omitted files.

The page of the host shows pictures at the width of a node, about half of theirs; so the letters are
large, and the table is cut into pages.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ...errors import MediaError
from ...shapes import Frames
from ...video.frames import contain
from ...video.reader import read_frames
from ...video.still import read_still
from .folder import IMAGE_SUFFIXES
from .plan import HELD_OUT, Plan, PlannedClip, printable

THUMBNAIL = 96, 64  # pixels
PICTURE_WIDTH, PAGE_HEIGHT = 560, 480
TABLE_MARGIN, TEXT_LEFT = 6, 112
TABLE_LETTER, TEXT_LINE = 19, 23  # pixels
LETTERS = 52  # maximum of a line beside a thumbnail
NOTE_LETTERS, NOTE_LINES = 58, 2  # maximum of a note
TABLE_PAPER, TABLE_INK, FAINT_INK = "#fafaf8", "#1e1e22", "#66666c"
REFUSED, HELD = "#a03030", "#2f5e8e"
MOST_ROWS = 100

OnRow = Callable[[int], None]
"""Called with the number of rows that are drawn; may raise to stop."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """Lines of text with their colours, beside the thumbnail of a clip or alone."""

    lines: list[tuple[str, str]]
    clip: PlannedClip | None = None

    @property
    def height(self) -> int:
        text = TEXT_LINE * len(self.lines)
        return text if self.clip is None else max(text, THUMBNAIL[1]) + TABLE_MARGIN


def plan_pages(plan: Plan, on_row: OnRow = lambda done: None) -> list[Frames]:
    """The table of `plan` as pages [1 y x 3], with at most 100 clips and 100 omitted files.

    A clip whose file is missing has no thumbnail.
    """
    pages: list[list[TableRow]] = [[]]
    for row in _table_rows(plan):
        if pages[-1] and sum(one.height for one in pages[-1]) + row.height > PAGE_HEIGHT:
            pages.append([])
        pages[-1].append(row)
    drawn, done = [], 0
    for rows in pages:
        drawn.append(_drawn_page(plan, rows))
        done += sum(row.clip is not None for row in rows)
        on_row(done)
    return drawn


def _table_rows(plan: Plan) -> Iterator[TableRow]:
    clips, dropped = plan.clips[:MOST_ROWS], plan.dropped[:MOST_ROWS]
    held = len(plan.of_split(HELD_OUT))
    yield TableRow([(f"{len(plan.clips)} clips, {held} held out; cache "
                     f"{plan.cache_bytes / 1e6:.1f} MB; {len(plan.dropped)} files left out",
                     TABLE_INK)])  # fmt: skip
    for number, clip in enumerate(clips, 1):
        yield TableRow(_clip_lines(number, clip), clip)
    notes = [(f"left out: {one.source}: {one.reason}", REFUSED) for one in dropped]
    notes += [(f"note: {warning}", TABLE_INK) for warning in plan.warnings]
    hidden = len(plan.clips) - len(clips) + len(plan.dropped) - len(dropped)
    if hidden:
        notes.append((f"and {hidden} more", FAINT_INK))
    for text, colour in notes:
        lines = wrap(_drawable(text), NOTE_LETTERS)
        if len(lines) > NOTE_LINES:
            lines = [*lines[: NOTE_LINES - 1], f"{lines[NOTE_LINES - 1][: NOTE_LETTERS - 4]} ..."]
        yield TableRow([(line, colour) for line in lines])


def _clip_lines(number: int, clip: PlannedClip) -> list[tuple[str, str]]:
    start = f" from {clip.start:.2f} s" if clip.start else ""
    still = "still" if clip.still else f"{clip.frames} frames, {clip.fps:.4g} fps"
    held = clip.split == HELD_OUT
    lines = [
        (f"{number}. {clip.source}{start}", HELD if held else TABLE_INK),
        (
            f"{clip.width}x{clip.height}, {still}, {clip.tokens} tokens"
            f"{', held out' if held else ''}",
            HELD if held else TABLE_INK,
        ),
        (clip.caption or "(no caption)", FAINT_INK),
    ]
    if clip.notes:
        lines.append(("; ".join(clip.notes), FAINT_INK))
    return [(_on_a_line(text), colour) for text, colour in lines]


def _on_a_line(text: str) -> str:
    plain = _drawable(text)
    return plain if len(plain) <= LETTERS else f"{plain[: LETTERS - 4].rstrip()} ..."


def _drawable(text: str) -> str:
    """`text` on one line, in characters of the default font.

    It has the letters of ASCII alone: others lose their accent, or become `?`; the row's number
    finds their name in the text of the table.
    """
    plain = unicodedata.normalize("NFKD", printable(text))
    letters = (letter for letter in plain if not unicodedata.combining(letter))
    return "".join(letters).encode("ascii", "replace").decode("ascii")


def _drawn_page(plan: Plan, rows: list[TableRow]) -> Frames:
    height = sum(row.height for row in rows) + 2 * TABLE_MARGIN
    image = Image.new("RGB", (PICTURE_WIDTH, height), TABLE_PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(TABLE_LETTER)
    top = TABLE_MARGIN
    for row in rows:
        left = TABLE_MARGIN if row.clip is None else TEXT_LEFT
        for i, (text, colour) in enumerate(row.lines):
            pen.text((left, top + TEXT_LINE * i), text, colour, font)
        if row.clip is not None:
            thumbnail = clip_thumbnail(plan.path(row.clip), row.clip)
            if thumbnail is not None:
                image.paste(Image.fromarray(thumbnail.numpy()), (TABLE_MARGIN, top + 2))
        top += row.height
    return torch.from_numpy(np.array(image))[None]


def clip_thumbnail(path: Path, clip: PlannedClip) -> Frames | None:
    """The first frame of `clip`, fitted into 96x64 pixels, [y x 3]; None if it cannot be read."""
    try:
        if path.suffix.lower() in IMAGE_SUFFIXES:
            frames = read_still(path)
        else:
            frames = next(read_frames(path, start=clip.start, seconds=0.01))
    except MediaError:
        return None
    return contain(frames[:1], *THUMBNAIL, border=235)[0].contiguous()
