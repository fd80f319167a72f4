"""The latent of a video that arrives in chunks, through any VAE of the host. Axes: c t y x."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import comfy.model_management as devices
import torch

from ...sora_core.encode import Encode
from ...sora_core.models.streaming import TOGETHER, encode_chunks
from ...sora_core.shapes import Grid, Latent, Size, Video
from .causal import continues, encoded_in_turn
from .tiles import BYTES, OVERLAP, encoded_at_once, encoded_in_tiles, most_frames
from .video import VAE, HostVAE, compression, each

COPIES = 3  # of the pixels in memory: as they came, as they wait, as the VAE is given them


@dataclass(slots=True)
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
        return Way(partial(encoded_in_turn, vae), few, says)
    return in_tiles(vae, size)


def in_tiles(vae: VAE, size: Size) -> Way:
    """All at once, or else in parts, which then say how far any two of them were apart."""
    length, seen, most = most_frames(vae, size), OVERLAP * compression(vae).time, 0.0

    def overlapped(apart: float) -> None:
        nonlocal most
        most = max(most, apart)
        chosen.says = (
            f"{length} frames at a time, each with {seen} before it, which differ by at most "
            f"{most:.1%} of the latent's range where they overlap: that far it may be from all at "
            "once"
        )

    encode = partial(encoded_in_tiles, vae, length=length, on_overlap=overlapped)
    chosen = Way(encode, min(size.frames, length), "all at once")
    return chosen


def streamed(vae: HostVAE, chunks: Iterable[Video]) -> Iterator[Latent]:
    """Our VAE's latent: each chunk carries on where the last one ended."""

    def groups() -> Iterator[Video]:
        for chunk in chunks:
            used = vae.memory_used_encode(chunk.shape, vae.vae_dtype)
            devices.load_models_gpu([vae.patcher], memory_required=used)
            yield chunk.to(vae.device, vae.vae_dtype)

    for latent in each(encode_chunks(vae.first_stage_model, groups())):
        yield latent.float().to(vae.output_device)


def open_space(vae: VAE, grid: Grid) -> Latent:
    """Three latent frames of grey: the first of a video, the second, and any later one.

    Models with channels for footage were trained to see grey where there is none.
    """
    pressed = compression(vae)
    return encoded_at_once(
        vae, torch.zeros(1, 3, *pressed.covered(Grid(3, grid.rows, grid.columns)))
    )
