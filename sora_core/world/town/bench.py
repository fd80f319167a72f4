"""How many clips of the town one core draws in a second."""

from collections.abc import Iterator
from time import process_time

from ...shapes import Size
from .render import render
from .sample import sample_scene

BENCH_SIZES = (Size(64, 64, 17), Size(96, 96, 17), Size(96, 96, 33), Size(128, 128, 17))


def bench(clips: int = 24) -> Iterator[str]:
    """A line for each size: milliseconds of one core a clip, and clips a second."""
    scenes = [sample_scene(seed) for seed in range(clips)]
    for scene in scenes:
        render(scene, Size(16, 16))  # compiles
    for size in BENCH_SIZES:
        start = process_time()
        for scene in scenes:
            render(scene, size)
        each = (process_time() - start) / clips
        name = f"{size.width}x{size.height}x{size.frames}"
        yield f"{name}: {1000 * each:.0f} ms a clip, {1 / each:.1f} clips a second of one core"
