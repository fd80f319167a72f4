"""Sheets of edits to look at: the first clips of each operation, whatever they look like.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Collection, Sequence
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image

from ..files import replacing
from ..shapes import Frames
from ..world.sheet import contact_sheet
from .edits import Edit

SHOWN = 4
BAR = 4  # pixels
MOST = 16  # frames side by side that are enlarged
KEPT, PAINTED = (70, 160, 90), (225, 150, 60)


def write_edits(name: str, edits: Sequence[Edit], folder: Path) -> Path:
    """A sheet of the first four of `edits`: on the left the true clip, on the right what was made.

    Under each frame a bar says whether it was given (green) or painted (orange). Of loops, the
    wrap is in the middle, and nothing true is beside them.
    """
    clips, captions = [], []
    for edit in edits[:SHOWN]:
        frames, job = barred(edit.frames, edit.kept), edit.job
        if edit.seams.loop:
            clips.append(frames.roll(len(frames) // 2, dims=0))
            captions.append(job.prompt)
            continue
        half = len(job.first) // 2
        true = torch.cat([job.first[:half], job.last[half:]])
        clips += [barred(true, range(len(true))), frames]
        captions += ["true", job.prompt]
    columns = 16 if edits[0].seams.loop else 9
    return _write(clips, captions, folder / f"{name}.png", columns, 1 if columns == 16 else 2)


def write_chains(chains: Sequence[Sequence[Frames]], captions: Sequence[str], folder: Path) -> Path:
    """A sheet of the first four chains, two frames of each link; the clip itself is green."""
    clips = []
    for links in chains[:SHOWN]:
        shown = [link[[len(link) // 2, -1]] for link in links]
        clips.append(barred(torch.cat(shown), (0, 1)))
    return _write(clips, captions[:SHOWN], folder / "chain.png", len(clips[0]), 1)


def barred(frames: Frames, kept: Collection[int]) -> Frames:
    """`frames` with a bar beneath each: green where it was given, orange where it was painted."""
    count, _, width, _ = frames.shape
    colours = torch.tensor([KEPT if t in kept else PAINTED for t in range(count)])
    bar = colours.to(torch.uint8)[:, None, None].expand(-1, BAR, width, -1)
    return torch.cat([frames, bar], dim=1)


def _write(
    clips: Sequence[Frames], captions: Sequence[str], path: Path, columns: int, across: int
) -> Path:
    drawn = BytesIO()
    contact_sheet(
        clips, captions, drawn, columns=columns, scale=1 if columns > 16 else 2, across=across
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, Image.open(drawn) as sheet:
        sheet.quantize(256, dither=Image.Dither.NONE).save(unfinished, format="PNG", optimize=True)
    return path
