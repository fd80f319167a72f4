"""Interlaced frames as whole pictures, one for each frame."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction

import av
from av.error import BlockingIOError, EOFError
from av.filter import Graph

Form = tuple[int, int, str, int, int]


def deinterlaced(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """`frames`, with the second field of interlaced ones estimated from the first.

    The filter is bwdif (BBC R&D's w3fdif, with yadif's tests of motion); frames without
    the interlaced flag pass unchanged. From the first interlaced frame on it reads one frame ahead.
    """
    graph, last = None, None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        form = _form(frame)
        if graph is None or form != last:  # some streams change size half-way
            if graph is not None:
                yield from _rest(graph)
            graph, last = _graph(frame), form
        graph.vpush(frame)
        yield from _ready(graph)
    if graph is not None:
        yield from _rest(graph)


def _form(frame: av.VideoFrame) -> Form:
    return frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range


def _graph(frame: av.VideoFrame) -> Graph:
    width, height, pixels, colorspace, color_range = _form(frame)
    tick = frame.time_base or Fraction(1, av.time_base)
    graph = Graph()
    graph.link_nodes(
        graph.add(
            "buffer",
            f"video_size={width}x{height}:pix_fmt={pixels}:pixel_aspect=1/1"
            f":time_base={tick.numerator}/{tick.denominator}"
            f":colorspace={colorspace}:range={color_range}",
        ),
        graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"),
        graph.add("buffersink"),
    ).configure()
    return graph


def _ready(graph: Graph) -> Iterator[av.VideoFrame]:
    with suppress(BlockingIOError, EOFError):
        while True:
            yield graph.vpull()


def _rest(graph: Graph) -> Iterator[av.VideoFrame]:
    graph.vpush(None)
    yield from _ready(graph)
