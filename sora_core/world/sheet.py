"""Contact sheets: clips as rows, frames as columns, a caption under each row."""

from collections.abc import Sequence
from os import PathLike
from textwrap import wrap
from typing import IO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import SizeError
from ..shapes import Frames

SHEET_GAP, SHEET_LINE, SHEET_PAPER, SHEET_INK = 4, 15, (250, 250, 248), (30, 30, 34)


def contact_sheet(
    clips: Sequence[Frames],
    captions: Sequence[str],
    path: str | PathLike[str] | IO[bytes],
    columns: int = 6,
    scale: int = 3,
    smooth: bool = False,
    across: int = 1,
) -> None:
    """Writes a PNG with `columns` evenly spaced frames of each clip, enlarged `scale` times.

    Enlarged by nearest neighbour, or by Lanczos if `smooth`. `across` clips share a row. SizeError
    unless there is one caption for each clip.
    """
    if not clips or len(clips) != len(captions):
        raise SizeError(f"{len(clips)} clips and {len(captions)} captions: add one caption each")
    strips = [
        _strip(clip, caption, columns, scale, smooth)
        for clip, caption in zip(clips, captions, strict=True)
    ]
    width = max(strip.width for strip in strips) + SHEET_GAP
    rows = [strips[i : i + across] for i in range(0, len(strips), across)]
    heights = [max(strip.height for strip in row) for row in rows]
    sheet = Image.new("RGB", (across * width + SHEET_GAP, sum(heights) + SHEET_GAP), SHEET_PAPER)
    top = SHEET_GAP
    for row, height in zip(rows, heights, strict=True):
        for i, strip in enumerate(row):
            sheet.paste(strip, (SHEET_GAP + i * width, top))
        top += height
    sheet.save(path, format="PNG")


def _strip(clip: Frames, caption: str, columns: int, scale: int, smooth: bool) -> Image.Image:
    count = min(columns, len(clip))
    chosen = np.linspace(0, len(clip) - 1, count).round().astype(int)
    height, width = clip.shape[1] * scale, clip.shape[2] * scale
    letters = max(20, (columns * (width + SHEET_GAP) - SHEET_GAP) // 7)
    lines = wrap(caption, letters) or [""]
    strip = Image.new(
        "RGB",
        (
            columns * (width + SHEET_GAP) - SHEET_GAP,
            height + SHEET_LINE * len(lines) + 3 * SHEET_GAP,
        ),
        SHEET_PAPER,
    )
    enlarge = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    for column, t in enumerate(chosen):
        frame = Image.fromarray(clip[t].cpu().numpy())
        strip.paste(frame.resize((width, height), enlarge), (column * (width + SHEET_GAP), 0))
    font, pen = ImageFont.load_default(12), ImageDraw.Draw(strip)
    for i, line in enumerate(lines):
        pen.text((1, height + SHEET_GAP // 2 + i * SHEET_LINE), line, SHEET_INK, font)
    return strip
