"""A plan as a picture: a numbered row with a thumbnail for each clip, then the omitted files."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

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

THUMBNAIL = 72, 48  # pixels
TABLE_ROW, TABLE_MARGIN, TEXT_LEFT = 56, 6, 90
PICTURE_WIDTH = 900
LETTERS = 140  # maximum of a line of notes
TABLE_PAPER, TABLE_INK, FAINT_INK = "#fafaf8", "#1e1e22", "#77777d"
REFUSED, HELD = "#a03030", "#2f5e8e"
MOST_ROWS = 100

OnRow = Callable[[int], None]
"""Called with the number of rows that are drawn; may raise to stop."""


def plan_picture(plan: Plan, on_row: OnRow = lambda done: None) -> Frames:
    """The table of `plan`, [1 y x 3], with at most 100 clips and 100 omitted files.

    A clip whose file is missing has no thumbnail.
    """
    clips, dropped = plan.clips[:MOST_ROWS], plan.dropped[:MOST_ROWS]
    font = ImageFont.load_default()
    lines = len(dropped) + len(plan.warnings) + 1
    height = TABLE_MARGIN * 2 + 20 + TABLE_ROW * len(clips) + 18 * lines
    image = Image.new("RGB", (PICTURE_WIDTH, height), TABLE_PAPER)
    draw = ImageDraw.Draw(image)
    held = len(plan.of_split(HELD_OUT))
    draw.text(
        (TABLE_MARGIN, TABLE_MARGIN),
        f"{len(plan.clips)} clips, {held} held out, {len(plan.dropped)} files left out, "
        f"cache {plan.cache_bytes / 1e6:.1f} MB",
        TABLE_INK,
        font,
    )
    top = TABLE_MARGIN + 20
    for done, clip in enumerate(clips, 1):
        thumbnail = clip_thumbnail(plan.path(clip), clip)
        if thumbnail is not None:
            image.paste(Image.fromarray(thumbnail.numpy()), (TABLE_MARGIN, top))
        for i, (text, colour) in enumerate(_clip_lines(done, clip)):
            draw.text((TEXT_LEFT, top + 16 * i), _drawable(text), colour, font)
        top += TABLE_ROW
        on_row(done)
    rows = [(f"left out: {one.source}: {one.reason}", REFUSED) for one in dropped]
    rows += [(f"note: {warning}", TABLE_INK) for warning in plan.warnings]
    hidden = len(plan.clips) - len(clips) + len(plan.dropped) - len(dropped)
    if hidden:
        rows.append((f"and {hidden} more", FAINT_INK))
    for text, colour in rows:
        draw.text((TABLE_MARGIN, top), _drawable(text), colour, font)
        top += 18
    return torch.from_numpy(np.array(image))[None]


def _clip_lines(number: int, clip: PlannedClip) -> list[tuple[str, str]]:
    start = f" from {clip.start:.2f} s" if clip.start else ""
    still = "still" if clip.still else f"{clip.frames} frames, {clip.fps:.4g} fps"
    facts = (
        f"{number}. {clip.source}{start}: {clip.width}x{clip.height}, {still}, {clip.tokens} tokens"
    )
    held = clip.split == HELD_OUT
    return [
        (facts + (", held out" if held else ""), HELD if held else TABLE_INK),
        (clip.caption or "(no caption)", FAINT_INK),
        ("; ".join(clip.notes), FAINT_INK),
    ]


def _drawable(text: str) -> str:
    """`text` on one line of at most `LETTERS`, in characters of the default font.

    It has the letters of ASCII alone: others lose their accent, or become `?`; the row's number
    finds their name in the text of the table.
    """
    short = text if len(text) <= LETTERS else text[: LETTERS - 3] + "..."
    plain = unicodedata.normalize("NFKD", printable(short))
    letters = (letter for letter in plain if not unicodedata.combining(letter))
    return "".join(letters).encode("ascii", "replace").decode("ascii")


def clip_thumbnail(path: Path, clip: PlannedClip) -> Frames | None:
    """The first frame of `clip`, fitted into 72x48 pixels, [y x 3]; None if it cannot be read."""
    try:
        if path.suffix.lower() in IMAGE_SUFFIXES:
            frames = read_still(path)
        else:
            frames = next(read_frames(path, start=clip.start, seconds=0.01))
    except MediaError:
        return None
    return contain(frames[:1], *THUMBNAIL, border=235)[0].contiguous()
