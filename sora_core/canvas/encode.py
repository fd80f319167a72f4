"""Canvases to latents: footage is read once, and encoded while it is read.

Axes: c channels, t latent frames, y rows, x columns of latent cells.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, pairwise

import torch
from einops import repeat
from jaxtyping import Float, UInt8
from torch import Tensor

from ..errors import SizeError
from ..shapes import COMPRESSION, Compression, Grid, Latent, Mask, Video
from ..video.frames import video_from_frames
from .canvas import Canvas
from .canvas_latent import Allocate, CanvasLatent, Encode, SeamJoin, whole_frames
from .placed_footage import Openness, PlacedFootage, in_tokens
from .rasterize import placed_frames


def encode_canvas(
    canvas: Canvas,
    encode: Encode,
    channels: int,
    compression: Compression = COMPRESSION,
    allocate: Allocate = torch.zeros,
) -> CanvasLatent:
    """`canvas` as a latent of `channels`, without filler and sound.

    Footage goes into the latent as it is read, so that beside the latent, for which there is
    `allocate`, memory does not depend on the length.

    Footage is known in whole pieces: latent frames all of whose frames it covers, and in each the
    tokens (two cells a side) all of whose pixels it covers; a token is as open as its most open
    pixel. Footage too short for any latent frame, as a still is, stands for the whole of the one
    that holds its middle. Open pixels are encoded as if the footage's edges were repeated.
    """
    known, mask, starts, partial = _encode_placements(
        canvas, encode, channels, compression, allocate
    )
    joins = tuple(_seam_joins(canvas, mask, starts, encode, compression))
    return CanvasLatent(
        canvas=canvas,
        compression=compression,
        known=known,
        mask=mask,
        joins=joins,
        partial=tuple(sorted(partial)),
    )


def openness(canvas: Canvas, compression: Compression = COMPRESSION) -> Mask:
    """The mask of `canvas`, without a model; footage is read, since its length decides."""
    grid = canvas.grid(compression)

    def encode(chunks: Iterable[Video]) -> Iterator[Latent]:
        frames = sum(chunk.shape[2] for chunk in chunks)
        yield torch.zeros(1, 1, compression.latent_frames(frames), grid.rows, grid.columns)

    return _encode_placements(canvas, encode, 1, compression, torch.zeros)[1]


Layer = tuple[UInt8[Tensor, "y2 x2 3"], Openness]
"""One frame of footage, fitted to the picture, and the openness of its cells by itself."""


@dataclass(frozen=True, slots=True)
class PlacedLatentFrame:
    """One latent frame of footage. On a ring `index` goes past the end.

    `layers` returns the footage's frames within this latent frame by their frame number on the
    canvas, or nothing where the footage is a latent. It is valid until the next latent frame.
    """

    index: int
    cells: Float[Tensor, "1 c y x"]
    openness: Float[Tensor, "1 1 y x"]
    layers: Callable[[], dict[int, Layer]]
    partial: bool = False  # whether footage covers only some of the frames that it stands for


Starts = dict[int, list[dict[int, Layer]]]
"""For latent frames with which known footage may begin: the layers by frame, topmost last."""


def _encode_placements(
    canvas: Canvas, encode: Encode, channels: int, compression: Compression, allocate: Allocate
) -> tuple[Latent, Mask, Starts, set[int]]:
    """The known latent, its mask, the pixels where a join may be, and the partial latent frames.

    The topmost footage goes first, so that a cell has its final value once it is set: all but a
    few pixels can be dropped while they are read.
    """
    grid = canvas.grid(compression)
    known, mask = allocate((1, channels, *grid.shape)), torch.ones(1, 1, *grid.shape)
    starts: Starts = {}
    partial: set[int] = set()
    for placement in reversed(canvas.placements):
        footage = PlacedFootage(canvas, placement, compression)
        if isinstance(placement.source, Tensor) and placement.is_latent:
            placed = _placed_latent(footage, placement.source, known)
        else:
            placed = _placed_pictures(footage, encode)
        for frame in placed:
            at = frame.index % grid.frames
            now = mask[:, :, at]
            covers = (frame.openness < 1) & (now == 1)
            known[:, :, at] = torch.where(covers, frame.cells.to(known), known[:, :, at])
            mask[:, :, at] = torch.where(covers, frame.openness, now)
            if frame.partial and covers.any():
                partial.add(at)
            if covers.any() and _may_join(canvas, mask, at):
                layers = {i: (x.clone(), alone) for i, (x, alone) in frame.layers().items()}
                starts.setdefault(at, []).insert(0, layers)
    return known, mask, starts, partial


def _may_join(canvas: Canvas, mask: Mask, at: int) -> bool:
    """Whether footage yet to be placed beneath can still make a join of latent frame `at`."""
    if at == 0 or canvas.ring or any(each.is_latent for each in canvas.placements):
        return False  # a latent's first frame is unknown, and a loop has none
    before, here = mask[:, :, at - 1], mask[:, :, at]
    return bool((before > 0).all() and ((here == 0) | (here == 1)).all())


def _seam_joins(
    canvas: Canvas, mask: Mask, starts: Starts, encode: Encode, compression: Compression
) -> Iterator[SeamJoin]:
    """Where on `canvas` known footage follows generated frames, with its first frame encoded."""
    known, generated = whole_frames(mask)
    for at, placed in sorted(starts.items()):
        if not (known[at] and generated[at - 1]):
            continue
        frames = canvas.frames_of(at, compression)
        since = canvas.frames_of(at - [*generated[at - 1 :: -1], False].index(False), compression)
        for frame in frames:  # a still may lie on any of them
            layers = [each[frame] for each in placed if frame in each]
            if layers and _covered(layers):
                first = _lone_latent(layers, encode)
                yield SeamJoin(at, frames.start - since.start, first)
                break


def _covered(layers: list[Layer]) -> bool:
    """Whether footage in `layers`, the topmost last, is known in all of a frame."""
    mask = torch.ones_like(layers[0][1])
    for _, openness in layers:
        mask = torch.where(openness < 1, openness, mask)
    return not mask.any()


def _lone_latent(layers: list[Layer], encode: Encode) -> Latent:
    """The latent of one frame as an image, in which `layers` lie, the topmost last."""
    images = [video_from_frames(frame[None])[None] for frame, _ in layers]
    cells = [torch.cat(list(encode([image])), dim=2).to("cpu", torch.float32) for image in images]
    latent = torch.zeros_like(cells[0])
    for own, (_, openness) in zip(cells, layers, strict=True):
        latent = torch.where(openness < 1, own, latent)
    return latent


def _placed_latent(
    footage: PlacedFootage, latent: Latent, known: Latent
) -> Iterator[PlacedLatentFrame]:
    canvas, placement, grid = footage.canvas, footage.placement, Grid(*known.shape[2:])
    for axis, name in ((1, "channels"), (3, "rows"), (4, "columns")):
        if latent.shape[axis] != known.shape[axis]:
            raise SizeError(
                f"a latent of {latent.shape[axis]} {name} on a canvas whose latent has "
                f"{known.shape[axis]}: place one that was made for this size and model"
            )
    start = canvas.latent_frame(canvas.frame_at(placement.start), footage.compression)
    count = min(latent.shape[2], grid.frames if canvas.ring else grid.frames - start)
    if count < 1:
        raise SizeError(f"a latent at {placement.start:g} s lies after the end of the canvas")
    mask = torch.zeros(1, 1, 1) if placement.mask is None else placement.mask
    openness, first = in_tokens(mask, grid), footage.first_frame
    for i in range(count):
        frames = canvas.frames_of(start + i, footage.compression)
        firmness = footage.firmness(frame - first for frame in frames)
        opened = 1 - firmness * (1 - openness[min(i, len(openness) - 1)])
        yield PlacedLatentFrame(start + i, latent[:, :, i], opened[None, None], dict)


def _placed_pictures(footage: PlacedFootage, encode: Encode) -> Iterator[PlacedLatentFrame]:
    canvas, compression = footage.canvas, footage.compression
    begin, low = footage.first_frame, footage.first_latent_frame
    lead = low > 0 or canvas.ring  # else the first frame would stand alone where it may not
    before = begin - canvas.frames_of(low, compression).start + lead

    chunks = placed_frames(canvas, footage.placement)
    chunk = next(chunks)
    fitting = footage.fitting(chunk.shape[1], chunk.shape[2])
    openness = footage.openness(fitting)
    recent: deque[tuple[int, UInt8[Tensor, "y2 x2 3"]]] = deque()  # read, and not yet encoded
    count = 0

    def video() -> Iterator[Video]:
        nonlocal count
        if before:
            yield repeat(fitting.video(chunk[:1]), "1 c 1 y x -> 1 c t y x", t=before)
        for frames in chain([chunk], chunks):
            fitted = fitting.frames(frames)
            recent.extend(enumerate(fitted, start=begin + count))
            count += len(frames)
            yield video_from_frames(fitted)[None]

    cells = chain.from_iterable(part.unbind(2) for part in encode(video()))
    # Whether footage covers a latent frame is known once the next one is, or that there is none.
    ahead = pairwise(chain(islice(cells, lead, None), [torch.empty(0)]))
    for index, (known, _) in enumerate(ahead, start=low):
        of = canvas.frames_of(index, compression)
        while recent and recent[0][0] < of.start:
            recent.popleft()
        if footage.is_known(index, count):
            opened = openness([min(max(frame - begin, 0), count - 1) for frame in of])
            own = partial(_layers, recent, of, lambda frame: openness([frame - begin]))
            partial_cover = not footage.covers(index, count)
            yield PlacedLatentFrame(index, known, opened[None, None], own, partial_cover)


def _layers(
    recent: Iterable[tuple[int, UInt8[Tensor, "y2 x2 3"]]],
    frames: range,
    openness: Callable[[int], Openness],
) -> dict[int, Layer]:
    return {i: (x, openness(i)) for i, x in islice(recent, len(frames)) if i in frames}
