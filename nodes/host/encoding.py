"""The latent of a video that arrives in chunks, through any VAE of the host.

Axes: c channels, t frames, y rows, x columns.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import comfy.ldm.wan.vae
import comfy.ldm.wan.vae2_2
import comfy.model_management as devices
import torch
from einops import rearrange
from torch import Tensor, nn

from ...sora_core.encode import Encode
from ...sora_core.errors import SizeError
from ...sora_core.models.streaming import TOGETHER, encode_chunks, whole_groups
from ...sora_core.shapes import Grid, Latent, Size, Video
from .video import VAE, HostVAE, compression, each

AT_ONCE = 2**30  # bytes of pixels that a VAE gets together, where it cannot carry on from a chunk
OVERLAP = 4  # latent frames that such a VAE sees before those it adds
COPIES = 3  # of the pixels in memory: as they came, as they wait, as the VAE is given them
BYTES = 3 * 4  # of a pixel
TRIAL = (9, 16)  # frames and pixels a side of the video that shows whether chunks are exact
SAME = 1e-3  # of a latent of about unit deviation


@dataclass(frozen=True, slots=True)
class Way:
    """How a video is encoded: the function, how many frames it holds at most, and what to say."""

    encode: Encode
    frames: int
    says: str

    def memory(self, width: int, height: int) -> int:
        """Bytes of main memory that pixels take at the peak, about."""
        return COPIES * BYTES * self.frames * width * height


def way(vae: VAE, size: Size) -> Way:
    """How `vae` encodes a video of `size`; SizeError where it has not the memory for any way."""
    step, area = compression(vae).time, size.width * size.height
    few = min(size.frames, max(step, TOGETHER // area))
    if isinstance(vae, HostVAE):
        return Way(partial(streamed, vae), few, "in chunks that carry on exactly")
    if continues(vae):
        says = f"{step} frames at a time with the VAE's own memory of those before, exactly"
        return Way(partial(continued, vae), few, says)
    fits = most_frames(vae, size)
    encode = partial(tiled, vae, length=fits)
    if fits >= size.frames:
        return Way(encode, size.frames, "all at once")
    says = f"{fits} frames at a time, each with {OVERLAP * step} before it; nearly as at once"
    return Way(encode, fits, says)


def streamed(vae: HostVAE, chunks: Iterable[Video]) -> Iterator[Latent]:
    """Our VAE's latent: each chunk carries on where the last one ended."""

    def groups() -> Iterator[Video]:
        for chunk in chunks:
            used = vae.memory_used_encode(chunk.shape, vae.vae_dtype)
            devices.load_models_gpu([vae.patcher], memory_required=used)
            yield chunk.to(vae.device, vae.vae_dtype)

    for latent in each(encode_chunks(vae.first_stage_model, groups())):
        yield latent.float().to(vae.output_device)


def continues(vae: VAE) -> bool:
    """Whether `vae` is one of Wan's, and its chunks are shown to be its whole, on a small video."""
    network = vae.first_stage_model
    if not isinstance(network, comfy.ldm.wan.vae.WanVAE | comfy.ldm.wan.vae2_2.WanVAE):
        return False
    frames, side = TRIAL
    video = torch.linspace(-1, 1, 3 * frames * side**2).reshape(1, 3, frames, side, side)
    whole = encoded(vae, video)
    try:
        parts = torch.cat(list(continued(vae, [video])), dim=2)
    except TypeError:  # another version of the host gives its network other arguments
        return False
    error = max(SAME, 8 * torch.finfo(vae.vae_dtype).eps)
    return parts.shape == whole.shape and (parts - whole).abs().max().item() <= error


def continued(vae: VAE, chunks: Iterable[Video]) -> Iterator[Latent]:
    """The latent of Wan's VAEs, whose layers remember the frames before when they are asked to."""
    network: Any = vae.first_stage_model
    step = compression(vae).time
    past = [None] * sum(1 for _ in network.encoder.modules())
    for groups in whole_groups(chunks, step):
        for group in each(iter(groups.split(step, dim=2))):
            used = vae.memory_used_encode(group.shape, vae.vae_dtype)
            devices.load_models_gpu([vae.patcher], memory_required=used)
            pixels = vae.process_input(group.add(1).div(2)).to(vae.device, vae.vae_dtype)
            cells = network.encoder(folded(network, pixels), feat_cache=past, feat_idx=[0])
            mean, _ = network.conv1(cells).chunk(2, dim=1)
            yield mean.float().to(vae.output_device)


def folded(network: nn.Module, pixels: Tensor) -> Tensor:
    """`pixels` as the network begins with them: Wan 2.2 folds 2x2 of them into channels."""
    if isinstance(network, comfy.ldm.wan.vae2_2.WanVAE):
        return comfy.ldm.wan.vae2_2.patchify(pixels, patch_size=2)
    return pixels


def most_frames(vae: VAE, size: Size) -> int:
    """How many frames of `size` the memory allows `vae` together; SizeError for too few."""
    step, total = compression(vae).time, devices.get_total_memory(vae.device)

    def fits(frames: int) -> bool:
        shape = (1, 3, frames, size.height, size.width)
        return BYTES * prod(shape[2:]) <= AT_ONCE and (
            vae.memory_used_encode(shape, vae.vae_dtype) <= total
        )

    least = 1 + step * (OVERLAP + 1)
    frames = least
    while frames < size.frames and fits(frames + step):
        frames += step
    if not fits(min(frames, size.frames)):
        raise SizeError(
            f"{min(frames, size.frames)} frames of {size.width}x{size.height} are too large for "
            "this VAE to encode together: choose fewer pixels"
        )
    return frames


def tiled(vae: VAE, chunks: Iterable[Video], length: int) -> Iterator[Latent]:
    """The latent of a video in parts of `length` frames, at once where it is no longer.

    A part begins with the last frame of a latent frame, alone as a first frame is, and sees
    `OVERLAP` latent frames again before it adds any.
    """
    step, again = compression(vae).time, 0
    waiting = None
    for chunk in each(iter(chunks)):
        waiting = chunk if waiting is None else torch.cat([waiting, chunk], dim=2)
        while waiting.shape[2] > length:
            yield encoded(vae, waiting[:, :, :length])[:, :, again:]
            waiting, again = waiting[:, :, length - 1 - OVERLAP * step :], OVERLAP + 1
    if waiting is not None:
        yield encoded(vae, waiting)[:, :, again:]


def encoded(vae: VAE, video: Video) -> Latent:
    """The latent of all of `video`, its last frame repeated until its last group is whole."""
    missing = (1 - video.shape[2]) % compression(vae).time
    if missing:
        video = torch.cat([video, video[:, :, -1:].expand(-1, -1, missing, -1, -1)], dim=2)
    latent: Any = vae.encode(rearrange(video, "1 c t y x -> t y x c").add(1).div(2))
    return latent


def open_space(vae: VAE, grid: Grid) -> Latent:
    """Three latent frames of grey: the first of a video, the second, and any later one.

    Models with channels for footage were trained to see grey where there is none.
    """
    pressed = compression(vae)
    return encoded(vae, torch.zeros(1, 3, *pressed.covered(Grid(3, grid.rows, grid.columns))))
