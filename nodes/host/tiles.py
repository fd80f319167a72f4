"""VAEs of the host that see all frames at once, in tiles of time that overlap.

Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from einops import rearrange

from ...sora_core.shapes import Latent, Video
from .video import VAE, compression

TILE = 20  # latent frames that are decoded together
MARGIN, BLEND = 2, 2  # of them, what is only looked at, before and after; and what two tiles show


def decoded_at_once(vae: VAE, latent: Latent) -> Video:
    """The video of `latent` in [-1, 1], by the host's own decoding."""
    images: Any = vae.decode(latent)
    return rearrange(images, "... y x c -> 1 c (...) y x").mul_(2).sub_(1)


def decoded_in_tiles(
    vae: VAE, latent: Latent, on_overlap: Callable[[float], None]
) -> Iterator[Video]:
    """The video of `latent` in [-1, 1], tile by tile, each faded into the next.

    `on_overlap` gets the largest difference of two tiles where both show the same frames: 0 where
    a tile sees all that matters to the frames that it gives.
    """
    step, total, first, held = compression(vae).time, latent.shape[2], 0, None
    shared = step * (BLEND - 1) + 1  # frames
    while True:
        end = min(first + TILE, total)
        video = decoded_at_once(vae, latent[:, :, first:end])
        if held is not None:
            video = video[:, :, step * MARGIN :]
            apart = video[:, :, :shared] - held
            on_overlap(apart.abs().max().item())
            share = torch.arange(1, shared + 1, device=apart.device) / (shared + 1)
            video[:, :, :shared] = held + apart * rearrange(share, "t -> t 1 1")
        if end == total:
            yield video
            return
        video = video[:, :, : -step * MARGIN]
        yield video[:, :, :-shared]
        held = video[:, :, -shared:].clone()
        first = end - MARGIN - BLEND - MARGIN
