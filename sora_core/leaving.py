"""Where what is painted goes on from footage before it.

A model paints in slightly other colours than footage has, and at a join that is seen as a flicker,
however well things move across it. So the first painted frames are moved towards the levels of the
last frame of the footage, less and less: by half, as things do change from frame to frame, and by
two levels at most.

Axes: b batch, t frames, y rows, x columns.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from .canvas import Canvas
from .encode import Mask, whole_frames
from .shapes import COMPRESSION, Compression, Video
from .video.frames import smoothstep
from .video.levels import level_shift, shifted

FADED = 8  # frames, at most
SHARE = 0.5  # of the step in colour that is taken for a fault


@dataclass(frozen=True, slots=True)
class Leaving:
    """`painted` frames, from frame `at` on, that follow footage kept whole."""

    at: int
    painted: int


def leavings(canvas: Canvas, mask: Mask, compression: Compression = COMPRESSION) -> list[Leaving]:
    """Where on `canvas` this happens, from the mask that `encode_canvas` gave of it."""
    kept, painted = whole_frames(mask)
    found = []
    for at in range(1, len(kept)):
        if kept[at - 1] and painted[at]:
            end = at + [*painted[at:], False].index(False)
            start = canvas.frames_of(at, compression).start
            found.append(Leaving(start, canvas.frames_of(end - 1, compression).stop - start))
    return found


def leave(chunks: Iterable[Video], left: Sequence[Leaving]) -> Iterator[Video]:
    """The frames of `chunks`, those after each of `left` in colours that go on from before it."""
    counts = {each.at: min(FADED, each.painted) for each in left}
    done, last, shift, shares = 0, None, None, iter(())
    for chunk in chunks:
        faded = {}
        for i, frame in enumerate(chunk.unbind(2)):
            if done + i in counts and last is not None:
                shift, shares = level_shift(frame, last), iter(fading(counts[done + i]))
            share = next(shares, 0.0)
            if share and shift is not None:
                faded[i] = shifted(frame.float(), share * shift).to(frame)
            last = frame
        done += chunk.shape[2]
        if faded:
            chunk = torch.stack([faded.get(i, f) for i, f in enumerate(chunk.unbind(2))], dim=2)
        yield chunk


def fading(count: int) -> list[float]:
    """The share of the shift that each of `count` frames takes."""
    return (SHARE * smoothstep(torch.linspace(1, 0, count + 1)[:-1])).tolist()
