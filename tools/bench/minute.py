"""A minute of 1080p, horizontal and vertical, from a latent through our autoencoder to an mp4."""

from collections.abc import Iterator

from sora_core.measure.report import Figure

from .streaming import spent

FRAMES, SMOKE_FRAMES = 1440, 9
SIZES = ((1920, 1080), (1080, 1920))


def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    """Gigabytes, seconds and overlap for each orientation, measured once whatever `rounds` is."""
    for width, height in ((192, 108), (108, 192)) if smoke else SIZES:
        took = spent("ours", SMOKE_FRAMES if smoke else FRAMES, width, height)
        place = f"minute/{width}x{height}"
        yield Figure(f"{place}/peak", took.megabytes / 1000, "GB")
        yield Figure(f"{place}/wall", took.wall, "s")
        yield Figure(f"{place}/cpu", took.cpu, "s")
        yield Figure(f"{place}/overlap", took.overlap)
