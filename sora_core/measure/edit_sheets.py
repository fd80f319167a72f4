"""Contact sheets of edits and long videos; a bar marks each frame as known or generated."""

from collections.abc import Collection, Sequence
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image

from ..files import replacing
from ..shapes import Frames
from ..world.sheet import contact_sheet
from .edit_cases import Edit

SHEET_ROWS = 4
BAR_HEIGHT = 4  # pixels
KNOWN_COLOUR, GENERATED_COLOUR = (70, 160, 90), (225, 150, 60)


def write_edits(name: str, edits: Sequence[Edit], folder: Path) -> Path:
    """The path of a sheet of the first four `edits`: the true clip left, the result right.

    A bar under each frame marks it as known (green) or generated (orange). Loops are shifted so
    that the wrap is in the middle, and have no true clip beside them.
    """
    clips, captions = [], []
    for edit in edits[:SHEET_ROWS]:
        frames, job = with_bars(edit.frames, edit.known_frames), edit.job
        if edit.seams.loop:
            clips.append(frames.roll(len(frames) // 2, dims=0))
            captions.append(job.prompt)
            continue
        half = len(job.first) // 2
        true = torch.cat([job.first[:half], job.last[half:]])
        clips += [with_bars(true, range(len(true))), frames]
        captions += ["true", job.prompt]
    columns = 16 if edits[0].seams.loop else 9
    return _write_sheet(clips, captions, folder / f"{name}.png", columns, 1 if columns == 16 else 2)


def write_chains(chains: Sequence[Sequence[Frames]], captions: Sequence[str], folder: Path) -> Path:
    """The path of a sheet of the first four long videos: two frames per segment, the clip green."""
    clips = []
    for links in chains[:SHEET_ROWS]:
        rows = [link[[len(link) // 2, -1]] for link in links]
        clips.append(with_bars(torch.cat(rows), (0, 1)))
    return _write_sheet(clips, captions[:SHEET_ROWS], folder / "chain.png", len(clips[0]), 1)


def with_bars(frames: Frames, known_frames: Collection[int]) -> Frames:
    """`frames` with a bar beneath each: green for known frames, orange for generated ones."""
    count, _, width, _ = frames.shape
    colours = torch.tensor(
        [KNOWN_COLOUR if t in known_frames else GENERATED_COLOUR for t in range(count)]
    )
    bar = colours.to(torch.uint8)[:, None, None].expand(-1, BAR_HEIGHT, width, -1)
    return torch.cat([frames, bar], dim=1)


def _write_sheet(
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
