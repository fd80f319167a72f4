"""Pictures of a run, in its folder: a contact sheet for each evaluation, and the newest samples."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from ..files import replacing
from ..shapes import Frames
from ..video.frames import contain

SAMPLES_FILE = "samples.png"
SAMPLE_SIDE, SAMPLE_GAP, SAMPLE_PAPER = 136, 4, 250  # pixels, and a shade


def sheets_in(folder: Path) -> list[tuple[int, Path]]:
    """Steps and files of the contact sheets in `folder`, newest first; not pictures of the user."""
    found = []
    for path in folder.glob("sheet-*.png"):
        number = path.stem.removeprefix("sheet-")
        if number.isdecimal():
            found.append((int(number), path))
    return sorted(found, reverse=True)


def write_samples(clips: Sequence[Frames], path: Path) -> None:
    """Writes the middle frames of `clips` in a row to `path` as a PNG, for a small preview."""
    side, frames = SAMPLE_SIDE, [clip[len(clip) // 2][None].cpu() for clip in clips]
    width = len(frames) * (side + SAMPLE_GAP) - SAMPLE_GAP
    row = torch.full((side, width, 3), SAMPLE_PAPER, dtype=torch.uint8)
    for i, frame in enumerate(frames):
        left = i * (side + SAMPLE_GAP)
        row[:, left : left + side] = contain(frame, side, side, border=SAMPLE_PAPER)[0]
    with replacing(path) as unfinished:
        Image.fromarray(row.numpy()).save(unfinished, format="PNG")
