"""A canvas as a small picture: time from left to right, footage where it lies, prompts beneath."""

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from .canvas import Box, Canvas, Placement

WIDTH, BAND, LINE, EDGE = 512, 96, 16, 8
ROWS = 24  # of a mask
PAPER, OPEN, INK, RING = (24, 24, 28), (52, 52, 60), (225, 225, 230), (120, 200, 160)
FOOTAGE = ((86, 156, 214), (214, 157, 86), (156, 120, 200), (120, 180, 100))


def picture(canvas: Canvas) -> UInt8[Tensor, "y x 3"]:
    """The canvas as it stands: firm footage in full colour, fainter as it is less firm or masked.

    The height of a bar is the height of its region. Footage whose end only its file knows is drawn
    to the end of the canvas. A ring has coloured ends.
    """
    image = Image.new("RGB", (WIDTH, BAND + (len(canvas.prompts) + 1) * LINE + 2 * EDGE), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    pen.rectangle((EDGE, EDGE, WIDTH - EDGE - 1, EDGE + BAND - 1), fill=OPEN)
    for i, placement in enumerate(canvas.placements):
        _draw_footage(pen, canvas, placement, FOOTAGE[i % len(FOOTAGE)])
    if canvas.ring:
        for x in (EDGE - 4, WIDTH - EDGE):
            pen.rectangle((x, EDGE, x + 3, EDGE + BAND - 1), fill=RING)
    top = EDGE + BAND + 2
    for span in canvas.prompts:
        left, right = (
            _to_pixels(canvas, span.start),
            _to_pixels(canvas, _duration(canvas, span.end)),
        )
        pen.line((left, top, right, top), fill=INK)
        words = ImageDraw.Draw(part := Image.new("RGB", (max(1, right - left), LINE - 3), PAPER))
        words.text((1, -1), span.prompt, INK, font)
        image.paste(part, (left, top + 2))
        top += LINE
    size = f"{canvas.width}x{canvas.height}, {canvas.seconds:g} s at {canvas.fps:g} fps"
    pen.text((EDGE, top), size + (", endless" if canvas.ring else ""), INK, font)
    return torch.from_numpy(np.array(image))


def _draw_footage(
    pen: ImageDraw.ImageDraw, canvas: Canvas, placement: Placement, colour: tuple[int, int, int]
) -> None:
    box = placement.region or Box(0, 0, canvas.width, canvas.height)
    top, bottom = (
        EDGE + round(BAND * min(max(y, 0), canvas.height) / canvas.height)
        for y in (box.top, box.top + box.height)
    )
    bottom = max(bottom, top + 1)
    lasts = placement.lasts(canvas.fps)
    whole = _duration(canvas, None)
    end = whole if lasts is None else placement.start + lasts
    left, bars = _to_pixels(canvas, placement.start), _firmness_bars(placement)
    for x in range(left, max(left + 2, _to_pixels(canvas, end))):
        seconds = (x - EDGE) / (WIDTH - 2 * EDGE) * whole - placement.start
        firmness = placement.firmness_at(seconds)
        rows = bars[min(max(0, int(seconds * canvas.fps)), len(bars) - 1)]
        for i, share in enumerate(rows):
            if share > 0:
                mixed = zip(OPEN, colour, strict=True)
                shade = tuple(round(o + firmness * share * (c - o)) for o, c in mixed)
                upper, lower = (round(top + (bottom - top) * j / len(rows)) for j in (i, i + 1))
                pen.line((x, upper, x, max(upper, lower - 1)), fill=shade)


def _firmness_bars(placement: Placement) -> list[list[float]]:
    """For each picture of its mask, how much a few rows of it leave of the footage."""
    if placement.mask is None:
        return [[1.0]]
    pooled = (adaptive_avg_pool2d(picture[None].float(), (ROWS, 1)) for picture in placement.mask)
    return [(1 - rows).flatten().tolist() for rows in pooled]


def _duration(canvas: Canvas, end: float | None) -> float:
    """`end`, or the end of the canvas: an image lasts for a frame."""
    return canvas.size.frames / canvas.fps if end is None else end


def _to_pixels(canvas: Canvas, seconds: float) -> int:
    """The column of the picture at which a moment lies, within the canvas."""
    share = min(max(seconds / _duration(canvas, None), 0), 1)
    return EDGE + round(share * (WIDTH - 2 * EDGE))
