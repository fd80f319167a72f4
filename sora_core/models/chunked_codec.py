"""Long videos through the autoencoder in constant memory, equal to all at once.

Axes: b batch, c channels, t frames, y rows, x columns.
"""

import math
from collections.abc import Iterable, Iterator

import torch

from ..shapes import COMPRESSION, Grid, Latent, Mask, Video
from .autoencoder import Autoencoder, empty_past

CHUNK_PIXELS = 2**23  # pixels of frames that pass through together, or one group of frames


def encode_chunks(autoencoder: Autoencoder, chunks: Iterable[Video]) -> Iterator[Latent]:
    """Latent frames of a video that arrives in chunks of any length, as soon as they are known."""
    past = empty_past(autoencoder.encoder)
    for group in whole_groups(chunks):
        yield autoencoder.encode_next(group, past)


def whole_groups(chunks: Iterable[Video], step: int = COMPRESSION.time) -> Iterator[Video]:
    """The first frame of a video alone, then groups of `step` frames, some together.

    Frames wait until their group is whole; the last one is filled with its last frame.
    """
    waiting, ready = None, 1
    for chunk in chunks:
        waiting = chunk if waiting is None else torch.cat([waiting, chunk], dim=2)
        most = max(1, CHUNK_PIXELS // (step * chunk.shape[3] * chunk.shape[4]))
        while waiting.shape[2] >= ready:
            yield waiting[:, :, :ready]
            waiting = waiting[:, :, ready:]
            ready = step * min(most, max(1, waiting.shape[2] // step))
    if waiting is not None and waiting.shape[2]:
        missing = step - waiting.shape[2]
        yield torch.cat([waiting, waiting[:, :, -1:].expand(-1, -1, missing, -1, -1)], dim=2)


def decode_chunks(
    autoencoder: Autoencoder, latent: Latent, mask: Mask | None = None, *, length: int | None = None
) -> Iterator[Video]:
    """The frames of `latent`, `length` latent frames at a time; None chooses by their size.

    `mask` is 0 where latent frames were encoded; without one all count as generated.
    """
    state = autoencoder.decoder_state()
    for part, own in masked_parts(latent, mask, length or frames_that_fit(latent)):
        yield autoencoder.decode_next(part, state, own)


def masked_parts(
    latent: Latent, mask: Mask | None, length: int
) -> Iterator[tuple[Latent, Mask | None]]:
    """`latent` and its mask in parts of `length` latent frames."""
    whole = None if mask is None else mask.expand(-1, -1, latent.shape[2], -1, -1)
    for start in range(0, latent.shape[2], length):
        part = slice(start, start + length)
        yield latent[:, :, part], None if whole is None else whole[:, :, part]


def frames_that_fit(latent: Latent) -> int:
    """How many latent frames are decoded together: one of 1080p, two where they are smaller."""
    _, rows, columns = COMPRESSION.covered(Grid(*latent.shape[2:]))
    return 2 if 2 * COMPRESSION.time * rows * columns <= CHUNK_PIXELS else 1


def decode_ring(
    autoencoder: Autoencoder, latent: Latent, mask: Mask | None = None
) -> Iterator[Video]:
    """The frames of a loop: four for each latent frame, for its own end is its past."""
    config, frames = autoencoder.config, latent.shape[2]
    fine = math.ceil(2 * config.fine_depth / COMPRESSION.time)
    reach = 2 * config.coarse_depth + fine + 1  # how many latent frames back a frame looks
    before = torch.arange(-reach, 0) % frames
    whole = None if mask is None else mask.expand(-1, -1, frames, -1, -1)
    past_mask = None if whole is None else whole[:, :, before.to(whole.device)]
    state = autoencoder.decoder_state()
    autoencoder.decode_next(latent[:, :, before.to(latent.device)], state, past_mask)
    for part, own in masked_parts(latent, mask, frames_that_fit(latent)):
        yield autoencoder.decode_next(part, state, own)


def frame_range(chunks: Iterable[Video], first: int, end: int | None = None) -> Iterator[Video]:
    """The frames from `first` to `end` of a video in chunks."""
    done = 0
    for chunk in chunks:
        last = chunk.shape[2] if end is None else max(end - done, 0)
        wanted = chunk[:, :, max(first - done, 0) : last]
        done += chunk.shape[2]
        if wanted.shape[2]:
            yield wanted
        if end is not None and done >= end:
            return
