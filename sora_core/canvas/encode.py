"""A canvas as two tensors: the known latent, and a mask of what the model may paint.

Axes: c channels, t latent frames, y rows, x columns of latent cells.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice, pairwise

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d

from ..errors import SizeError
from ..models.patchify import LATENT_PATCH
from ..shapes import COMPRESSION, Compression, Grid, Latent, Video
from .canvas import Canvas, Placement
from .rasterize import Fitting, first_frame, placed_frames

Encode = Callable[[Iterable[Video]], Iterable[Latent]]
"""Latent frames of a video that arrives in chunks, the last group filled with its last frame."""

Mask = Float[Tensor, "1 1 t y x"]
"""From 0, keep the known latent, to 1, paint freely."""


Allocate = Callable[[tuple[int, ...]], Tensor]
"""Zeros of a shape: in memory, or where what is too large for it may lie."""


def encode_canvas(
    canvas: Canvas,
    encode: Encode,
    channels: int,
    compression: Compression = COMPRESSION,
    allocate: Allocate = torch.zeros,
) -> tuple[Latent, Mask]:
    """The known latent `1 c t y x` of `canvas`, 0 where nothing lies, and its mask.

    Footage goes into the latent as it is read, so that beside the latent, for which there is
    `allocate`, memory does not depend on the length.

    Footage is known in whole pieces: latent frames all of whose frames it covers, and in each the
    tokens (two cells a side) all of whose pixels it covers; a token is as open as its most open
    pixel. Footage too short for any latent frame, as a still is, stands for the whole of the one
    that holds its middle. What is not known is encoded as if the footage's edges went on.
    """
    grid = canvas.grid(compression)
    known, mask = allocate((1, channels, *grid.shape)), torch.ones(1, 1, *grid.shape)
    for placement in canvas.placements:
        source = placement.source
        if isinstance(source, Tensor) and placement.is_latent:
            placed = _placed_latent(canvas, placement, source, known, compression)
        else:
            placed = _placed_pictures(canvas, placement, encode, compression)
        for latent_frame, cells, openness in placed:
            at = (slice(None), slice(None), latent_frame % grid.frames)
            covers = openness < 1
            known[at] = torch.where(covers, cells.to(known), known[at])
            mask[at] = torch.where(covers, openness, mask[at])
    return known, mask


def whole_frames(mask: Mask) -> tuple[list[bool], list[bool]]:
    """Of each latent frame, whether all of it is kept, and whether all of it is painted."""
    cells = mask[0, 0].flatten(1)
    return (cells == 0).all(dim=1).tolist(), (cells > 0).all(dim=1).tolist()


def openness(canvas: Canvas, compression: Compression = COMPRESSION) -> Mask:
    """The mask of `canvas`, without a model: as nothing is looked at, nothing is encoded."""

    def encode(chunks: Iterable[Video]) -> Iterator[Latent]:
        frames = sum(chunk.shape[2] for chunk in chunks)
        grid = canvas.grid(compression)
        yield torch.zeros(1, 1, compression.latent_frames(frames), grid.rows, grid.columns)

    return encode_canvas(canvas, encode, 1, compression)[1]


Placed = Iterator[tuple[int, Float[Tensor, "1 c y x"], Float[Tensor, "1 1 y x"]]]
"""Latent frame, its cells, and how open each cell is. On a ring the number goes past the end."""


def _placed_latent(
    canvas: Canvas, placement: Placement, latent: Latent, known: Latent, compression: Compression
) -> Placed:
    grid = Grid(*known.shape[2:])
    for axis, name in ((1, "channels"), (3, "rows"), (4, "columns")):
        if latent.shape[axis] != known.shape[axis]:
            raise SizeError(
                f"a latent of {latent.shape[axis]} {name} on a canvas whose latent has "
                f"{known.shape[axis]}: place one that was made for this size and model"
            )
    start = canvas.latent_frame(canvas.frame_at(placement.start), compression)
    count = min(latent.shape[2], grid.frames if canvas.ring else grid.frames - start)
    if count < 1:
        raise SizeError(f"a latent at {placement.start:g} s lies after the end of the canvas")
    mask = torch.zeros(1, 1, 1) if placement.mask is None else placement.mask
    openness = _in_tokens(mask, grid)
    first = first_frame(canvas, placement)
    for i in range(count):
        frames = [frame - first for frame in canvas.frames_of(start + i, compression)]
        firmness = _least_firmness(canvas, placement, frames)
        opened = 1 - firmness * (1 - openness[min(i, len(openness) - 1)])
        yield start + i, latent[:, :, i], opened[None, None]


def _placed_pictures(
    canvas: Canvas, placement: Placement, encode: Encode, compression: Compression
) -> Placed:
    grid, begin = canvas.grid(compression), first_frame(canvas, placement)
    low = canvas.latent_frame(begin, compression)
    lead = low > 0 or canvas.ring  # else the first frame would stand alone where it may not
    before = begin - canvas.frames_of(low, compression).start + lead

    chunks = placed_frames(canvas, placement)
    chunk = next(chunks)
    covered = grid.rows * compression.rows, grid.columns * compression.columns
    fitting = Fitting.of_placement(canvas, placement, (chunk.shape[1], chunk.shape[2]), covered)
    lengths = []

    def video() -> Iterator[Video]:
        if before:
            yield repeat(fitting.video(chunk[:1]), "1 c 1 y x -> 1 c t y x", t=before)
        for frames in chain([chunk], chunks):
            lengths.append(len(frames))
            yield fitting.video(frames)

    cells = chain.from_iterable(part.unbind(2) for part in encode(video()))
    # Whether footage covers a latent frame is known once the next one is, or that there is none.
    ahead = pairwise(chain(islice(cells, lead, None), [torch.empty(0)]))
    masks = _masks(placement, fitting, grid)
    for latent_frame, (known, _) in enumerate(ahead, start=low):
        end = sum(lengths)
        opened = torch.ones(grid.rows, grid.columns)
        if _is_known(canvas, latent_frame, begin, begin + end, compression):
            frames = [
                min(max(frame - begin, 0), end - 1)
                for frame in canvas.frames_of(latent_frame, compression)
            ]
            opened = 1 - _least_firmness(canvas, placement, frames) * (1 - masks(frames))
        yield latent_frame, known, opened[None, None]


def _masks(
    placement: Placement, fitting: Fitting, grid: Grid
) -> Callable[[list[int]], Float[Tensor, "y x"]]:
    """What is open in any of some frames; it is worked out frame by frame only where it changes."""
    mask = placement.mask
    if mask is None or len(mask) == 1:
        still = _in_tokens(fitting.openness(mask), grid)[0]
        return lambda frames: still
    last = len(mask) - 1
    return lambda frames: _in_tokens(
        fitting.openness(mask[[min(frame, last) for frame in frames]]), grid
    ).amax(0)


def _is_known(
    canvas: Canvas, latent_frame: int, begin: int, end: int, compression: Compression
) -> bool:
    """Whether a latent frame stands for footage from frame `begin` to before `end`."""
    reaches = end if canvas.ring or end < canvas.size.frames else end + compression.time

    def covered(j: int) -> bool:
        of = canvas.frames_of(j, compression)
        return begin <= of.start and of.stop <= reaches

    low, middle, high = (
        canvas.latent_frame(frame, compression)
        for frame in (begin, (begin + end - 1) // 2, end - 1)
    )
    if low <= latent_frame <= high and covered(latent_frame):
        return True
    return latent_frame == middle and not any(map(covered, range(low, high + 1)))


def _least_firmness(canvas: Canvas, placement: Placement, frames: Iterable[int]) -> float:
    """Of `frames`, which are counted from the first of the footage that is on the canvas."""
    hidden = 0 if canvas.ring else max(0, canvas.frame_at(-placement.start))
    return min(placement.firmness_at((frame + hidden) / canvas.fps) for frame in frames)


def _in_tokens(openness: Float[Tensor, "t y2 x2"], grid: Grid) -> Float[Tensor, "t y x"]:
    """In each cell the most open pixel of its token."""
    tokens = adaptive_max_pool2d(
        openness.float(), (grid.rows // LATENT_PATCH, grid.columns // LATENT_PATCH)
    )
    return repeat(tokens, "t y x -> t (y i) (x j)", i=LATENT_PATCH, j=LATENT_PATCH)
