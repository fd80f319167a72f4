"""Where on a canvas something new begins, and which of its frames are kept.

Axes: t frames, y rows, x columns of latent cells.
"""

from ..canvas import Canvas
from ..encode import Mask, openness, whole_frames
from ..shapes import COMPRESSION, Compression

NEW = 0.5  # how much more or less open a place must become for a join


def joins(canvas: Canvas, compression: Compression = COMPRESSION) -> tuple[int, ...]:
    """The frames with which painted follows kept, or the reverse, anywhere in the picture.

    Footage is read, as its length decides. A ring's own wrap, from its last frame to the first, is
    not among them.
    """
    return joins_of(canvas, openness(canvas, compression), compression)


def joins_of(canvas: Canvas, mask: Mask, compression: Compression = COMPRESSION) -> tuple[int, ...]:
    """The same from the mask that `encode_canvas` gave."""
    jumps = (mask[:, :, 1:] - mask[:, :, :-1]).abs().amax(dim=(0, 1, 3, 4)) > NEW
    latent_frames = (jumps.nonzero().flatten() + 1).tolist()
    starts = (canvas.frames_of(i, compression).start for i in latent_frames)
    return tuple(frame for frame in starts if frame < canvas.size.frames)


def kept_frames(
    canvas: Canvas, mask: Mask, compression: Compression = COMPRESSION
) -> tuple[int, ...]:
    """The frames that are kept whole."""
    kept = (i for i, whole in enumerate(whole_frames(mask)[0]) if whole)
    frames = (frame for i in kept for frame in canvas.frames_of(i, compression))
    return tuple(frame for frame in frames if frame < canvas.size.frames)
