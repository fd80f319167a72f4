"""Long videos through the autoencoder in constant memory, equal to all at once.

Axes: b batch, c channels, t frames, y rows, x columns.
"""

import math
from collections.abc import Iterable, Iterator

import torch

from ..shapes import COMPRESSION, Latent, Video
from .autoencoder import Autoencoder


def encode_chunks(autoencoder: Autoencoder, chunks: Iterable[Video]) -> Iterator[Latent]:
    """Latent frames of a video that arrives in chunks of any length, as soon as they are known.

    A group of four frames waits until it is whole; the last one is filled with its last frame.
    """
    past, waiting = None, None
    for chunk in chunks:
        waiting = chunk if waiting is None else torch.cat([waiting, chunk], dim=2)
        first = 1 if past is None else 0
        ready = first + (waiting.shape[2] - first) // COMPRESSION.time * COMPRESSION.time
        if ready > 0:
            latent, past = autoencoder.encode_chunk(waiting[:, :, :ready], past)
            waiting = waiting[:, :, ready:]
            yield latent
    if waiting is not None and waiting.shape[2]:
        filled = waiting[:, :, -1:].expand(-1, -1, COMPRESSION.time - waiting.shape[2], -1, -1)
        yield autoencoder.encode_chunk(torch.cat([waiting, filled], dim=2), past)[0]


def decode_chunks(autoencoder: Autoencoder, latent: Latent, length: int = 2) -> Iterator[Video]:
    """The frames of `latent`, `length` latent frames at a time."""
    past = None
    for part in latent.split(length, dim=2):
        video, past = autoencoder.decode_chunk(part, past)
        yield video


def decode_ring(autoencoder: Autoencoder, latent: Latent, length: int = 2) -> Iterator[Video]:
    """The frames of a loop: four for each latent frame, for its own end is its past."""
    config = autoencoder.config
    fine = math.ceil(2 * config.fine_depth / COMPRESSION.time)
    reach = 2 * config.coarse_depth + fine + 1  # how many latent frames back a frame looks
    before = torch.arange(-reach, 0, device=latent.device) % latent.shape[2]
    _, past = autoencoder.decode_chunk(latent[:, :, before], None)
    for part in latent.split(length, dim=2):
        video, past = autoencoder.decode_chunk(part, past)
        yield video
