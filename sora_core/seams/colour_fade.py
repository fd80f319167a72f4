"""The first generated frames after footage begin in its colours. Pictures are in [-1, 1].

Generated colours differ slightly from those of footage, which is visible as a flicker at a join,
even where motion continues. So the first generated frames are moved towards the levels of the last
frame of the footage, with decreasing weight: by half of the step at most, since true frames differ
too, and by at most two levels.

Axes: b batch, t frames, y rows, x columns.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from ..canvas.canvas import Canvas
from ..canvas.canvas_latent import whole_frames
from ..shapes import COMPRESSION, Compression, Mask, Video
from ..video.frames import smoothstep
from .levels import level_shift, shift_levels

FADED_FRAMES = 8  # frames, at most
FADED_SHARE = 0.5  # of the step in colour that is taken for a fault


@dataclass(frozen=True, slots=True)
class ColourFade:
    """The `generated_frames` frames from frame `at` on, which follow exact footage."""

    at: int
    generated_frames: int


def colour_fades(
    canvas: Canvas, mask: Mask, compression: Compression = COMPRESSION
) -> list[ColourFade]:
    """The fades of `canvas`, in order, from the mask of its `CanvasLatent`."""
    known, generated = whole_frames(mask)
    found = []
    for at in range(1, len(known)):
        if known[at - 1] and generated[at]:
            end = at + [*generated[at:], False].index(False)
            start = canvas.frames_of(at, compression).start
            found.append(ColourFade(start, canvas.frames_of(end - 1, compression).stop - start))
    return found


def fade_colours(chunks: Iterable[Video], fades: Sequence[ColourFade]) -> Iterator[Video]:
    """The frames of `chunks`, with colours faded where `fades` begin; all others unchanged."""
    counts = {each.at: min(FADED_FRAMES, each.generated_frames) for each in fades}
    done, last, shift, shares = 0, None, None, iter(())
    for chunk in chunks:
        faded = {}
        for i, frame in enumerate(chunk.unbind(2)):
            if done + i in counts and last is not None:
                shift, shares = level_shift(frame, last), iter(fade_shares(counts[done + i]))
            share = next(shares, 0.0)
            if share and shift is not None:
                faded[i] = shift_levels(frame.float(), share * shift).to(frame)
            last = frame
        done += chunk.shape[2]
        if faded:
            chunk = torch.stack([faded.get(i, f) for i, f in enumerate(chunk.unbind(2))], dim=2)
        yield chunk


def fade_shares(count: int) -> list[float]:
    """The share of the shift that each of `count` frames takes."""
    return (FADED_SHARE * smoothstep(torch.linspace(1, 0, count + 1)[:-1])).tolist()
