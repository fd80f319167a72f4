"""Overlapping tiles in time for VAEs of the host that process all frames at once.

Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from math import prod
from typing import Any

import comfy.model_management as devices
import torch
from einops import rearrange
from torch import Tensor

from ....sora_core.errors import SizeError
from ....sora_core.shapes import Latent, Size, Video
from ..models.vae import VAE, compression, interruptible

TILE = 20  # latent frames that are decoded together
MARGIN, BLEND = 2, 2  # of them: context before and after, and frames that two tiles share
TILE_OVERLAP = 4  # latent frames that the next part encodes again
EVEN_RANGE = 1e-6  # a latent with a smaller range has one colour
AT_ONCE = 2**30  # bytes of pixels that are encoded in one call
BYTES = 3 * 4  # bytes of a pixel


def decoded_at_once(vae: VAE, latent: Latent) -> Video:
    """The video of `latent` in [-1, 1], by the host's own decoding."""
    images: Any = vae.decode(latent)
    return rearrange(images, "... y x c -> 1 c (...) y x").mul_(2).sub_(1)


def decoded_in_tiles(
    vae: VAE, latent: Latent, on_overlap: Callable[[float], None]
) -> Iterator[Video]:
    """The video of `latent` in [-1, 1], tile by tile, each faded into the next.

    `on_overlap` receives the largest difference of two tiles in their shared frames: 0 where the
    context of a tile covers everything that its frames depend on.
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


def encoded_at_once(vae: VAE, video: Video) -> Latent:
    """The latent of all of `video`; its last frame is repeated to fill the last group."""
    waiting = WaitingFrames(vae, *video.shape[2:])
    waiting.add(video)
    return waiting.encoded()


class WaitingFrames:
    """Up to `most` frames in one buffer, in the input range of the network of `vae`.

    The host would copy all frames twice to convert images to the range of its network. Here each
    frame is converted when it is added, by the same `process_input`.
    """

    def __init__(self, vae: VAE, most: int, height: int, width: int) -> None:
        self.step, self.most, self.count = compression(vae).time, most, 0
        self.process = vae.process_input
        self.vae = copy(vae)
        self.vae.process_input = unprocessed
        self.buffer = torch.empty(most + self.step, height, width, 3)

    def add(self, video: Video) -> Video:
        """Appends the frames of `video`, in [-1, 1], that fit; returns the others."""
        part = video[:, :, : self.most - self.count]
        end = self.count + part.shape[2]
        images = rearrange(part, "1 c t y x -> t y x c").add(1).div_(2)
        self.buffer[self.count : end] = self.process(images)
        self.count = end
        return video[:, :, part.shape[2] :]

    def encoded(self, frames: int | None = None) -> Latent:
        """The latent of the first `frames`, None for all; the last frame fills the last group.

        `frames` other than None are whole groups.
        """
        end = self.count if frames is None else frames
        filled = end + (1 - end) % self.step
        self.buffer[end:filled] = self.buffer[end - 1]
        latent: Any = self.vae.encode(self.buffer[:filled])
        return latent

    def drop(self, frames: int) -> None:
        """Removes the first `frames`."""
        for i in range(self.count - frames):  # one by one: source and target may overlap
            self.buffer[i] = self.buffer[frames + i]
        self.count -= frames


def unprocessed(image: Tensor) -> Tensor:
    """`image` unchanged, for a VAE whose frames are already in the range of its network."""
    return image


def encoded_in_tiles(
    vae: VAE, chunks: Iterable[Video], length: int, on_overlap: Callable[[float], None]
) -> Iterator[Latent]:
    """The latent of a video in parts of `length` frames, or at once if it is no longer than that.

    A part begins with the last frame of a latent frame, alone as the first frame of a video is, and
    encodes `TILE_OVERLAP` latent frames again before it adds any. `on_overlap` receives
    max|a - b| / range(b) of the last shared latent frame, from this part (a) and the previous (b).
    """
    step = compression(vae).time
    waiting, held = None, None

    def added(latent: Latent) -> Latent:
        if held is None:
            return latent
        apart = (latent[:, :, TILE_OVERLAP : TILE_OVERLAP + 1] - held).abs().max()
        on_overlap((apart / (held.max() - held.min()).clamp(min=EVEN_RANGE)).item())
        return latent[:, :, TILE_OVERLAP + 1 :]

    for chunk in interruptible(iter(chunks)):
        if waiting is None:
            waiting = WaitingFrames(vae, length + 1, *chunk.shape[3:])
        while chunk.shape[2]:
            chunk = waiting.add(chunk)
            if waiting.count > length:
                latent = added(waiting.encoded(length))
                yield latent
                waiting.drop(length - 1 - TILE_OVERLAP * step)
                held = latent[:, :, -1:].clone()
    if waiting is not None:
        yield added(waiting.encoded())


def most_frames(vae: VAE, size: Size) -> int:
    """The most frames of `size` that `vae` can encode in memory; SizeError for too few."""
    step, total = compression(vae).time, devices.get_total_memory(vae.device)

    def fits(frames: int) -> bool:
        shape = (1, 3, frames, size.height, size.width)
        return BYTES * prod(shape[2:]) <= AT_ONCE and (
            vae.memory_used_encode(shape, vae.vae_dtype) <= total
        )

    least = 1 + step * (TILE_OVERLAP + 1)
    frames = least
    while frames < size.frames and fits(frames + step):
        frames += step
    if not fits(min(frames, size.frames)):
        raise SizeError(
            f"{min(frames, size.frames)} frames of {size.width}x{size.height} are too large for "
            "this VAE to encode together: choose fewer pixels"
        )
    return frames
