"""A whole canvas as one video: footage where it is known, one colour elsewhere, and a mask.

Models with footage channels were trained on the latent of such a video, in which footage may cover
any part of a latent frame. Axes: t frames, y rows, x columns of pixels.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from einops import repeat
from jaxtyping import Bool, Float
from torch import Tensor

from ..shapes import Compression, Frames, Latent, Video
from ..video.frames import video_from_frames
from ..video.reader import frames_per_chunk
from .canvas import Canvas, Placement
from .canvas_latent import Encode
from .placed_footage import PlacedFootage
from .rasterize import Fitting, placed_frames

OpenPixels = Bool[Tensor, "t y x"]
"""True where no footage is known exactly."""

FrameLayer = tuple[Frames, Float[Tensor, "y x"]]
"""One frame of a placement, `1 y x 3`, fitted, and how open each of its pixels is."""


@dataclass(slots=True)
class CanvasReader:
    """The frames of `canvas` in order, in the picture that a latent of `compression` covers.

    `open_value` is that of open pixels, in [-1, 1]; 0 is grey.
    """

    canvas: Canvas
    compression: Compression
    open_value: float = 0.0

    @property
    def total(self) -> int:
        """Frames that the latent covers; those past the end of the canvas repeat its last."""
        grid = self.canvas.grid(self.compression)
        frames = grid.frames * self.compression.time
        return frames if self.canvas.ring else self.compression.pixel_frames(grid.frames)

    def __iter__(self) -> Iterator[tuple[Video, OpenPixels]]:
        """Chunks of the video, in [-1, 1], and of open pixels."""
        _, rows, columns = self.compression.covered(self.canvas.grid(self.compression))
        placements = [each for each in self.canvas.placements if not each.is_latent]
        layers = [self._in_order(each) for each in placements]
        waiting: list[tuple[int, FrameLayer] | None] = [next(each, None) for each in layers]
        chunk: list[tuple[Video, OpenPixels]] = []
        most = frames_per_chunk(columns, rows)
        blank = torch.full((1, 3, 1, rows, columns), self.open_value)
        frame = (blank, torch.ones(1, rows, columns).bool())
        for index in range(self.total):
            if index < self.canvas.size.frames:
                video = torch.zeros(1, 3, 1, rows, columns)
                openness = torch.ones(rows, columns)
                for i, each in enumerate(waiting):
                    if each is None or each[0] != index:
                        continue
                    pixels, own = each[1]
                    covers = own < 1
                    video = torch.where(covers, video_from_frames(pixels)[None], video)
                    openness = torch.where(covers, own, openness)
                    waiting[i] = next(layers[i], None)
                opened = openness > 0
                frame = torch.where(opened, blank, video), opened[None]
            chunk.append(frame)
            if len(chunk) == most:
                yield _joined(chunk)
                chunk = []
        if chunk:
            yield _joined(chunk)

    def _in_order(self, placement: Placement) -> Iterator[tuple[int, FrameLayer]]:
        """The frames of `placement` by their number on the canvas, rising."""
        begin, frames = self._footage(placement).first_frame, self.canvas.size.frames
        layers = enumerate(self._layers(placement), start=begin)
        if not self.canvas.ring:
            yield from layers
            return
        wrapped = list(layers)  # a ring is short, and its footage may go past its end
        yield from sorted(
            ((index % frames, layer) for index, layer in wrapped), key=lambda each: each[0]
        )

    def _layers(self, placement: Placement) -> Iterator[FrameLayer]:
        footage, fitting, done = self._footage(placement), None, 0
        _, rows, columns = self.compression.covered(self.canvas.grid(self.compression))
        for chunk in placed_frames(self.canvas, placement):
            if fitting is None:
                size = chunk.shape[1], chunk.shape[2]
                fitting = Fitting.of_placement(self.canvas, placement, size, (rows, columns))
            for pixels in fitting.frames(chunk).split(1):
                mask = placement.mask
                if mask is not None:
                    mask = mask[min(done, len(mask) - 1)][None]
                opened = 1 - footage.firmness([done]) * (1 - fitting.openness(mask)[0])
                yield pixels, opened
                done += 1

    def _footage(self, placement: Placement) -> PlacedFootage:
        return PlacedFootage(self.canvas, placement, self.compression)


def _joined(chunk: list[tuple[Video, OpenPixels]]) -> tuple[Video, OpenPixels]:
    videos, opened = zip(*chunk, strict=True)
    return torch.cat(videos, dim=2), torch.cat(opened)


def encode_canvas_video(
    canvas: Canvas,
    encode: Encode,
    compression: Compression,
    on_pixels: Callable[[int, OpenPixels], None] = lambda start, opened: None,
    open_value: float = 0.0,
) -> Latent:
    """The latent of the whole `canvas` as one video.

    Pixels of which no footage is known exactly have `open_value`, in [-1, 1]; 0 is grey.
    `on_pixels` receives the index of a first frame and the open pixels from there on, in order. On
    a ring the last frame precedes the first one, since a lone first frame begins every video.
    """
    reader = CanvasReader(canvas, compression, open_value)

    def video() -> Iterator[Video]:
        done = 0
        if canvas.ring:
            last, _ = deque(reader, maxlen=1)[0]
            yield last[:, :, -1:]
        for part, opened in reader:
            on_pixels(done, opened)
            done += len(opened)
            yield part

    latent = torch.cat(list(encode(video())), dim=2)
    return latent[:, :, 1:] if canvas.ring else latent


def frame_openness(
    opened: Bool[Tensor, "t y x"], canvas: Canvas, compression: Compression
) -> Float[Tensor, "1 s t2 y x"]:
    """`opened`, which is true where a cell is open in a frame, by latent frame.

    Axis s holds the frames of each latent frame; a lone first frame stands there `s` times.
    """
    if not canvas.ring:
        lead = repeat(opened[:1], "1 y x -> t y x", t=compression.time - 1)
        opened = torch.cat([lead, opened])
    groups = opened.unflatten(0, (-1, compression.time))
    return groups.transpose(0, 1)[None].float()
