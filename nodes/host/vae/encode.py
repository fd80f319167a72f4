"""The latent of a video that arrives in chunks, through any VAE of the host. Axes: c t y x."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import comfy.model_management as devices
import torch

from ....sora_core.canvas.encode import Encode
from ....sora_core.models.chunked_codec import CHUNK_PIXELS, encode_chunks
from ....sora_core.shapes import Grid, Latent, Size, Video
from ..models.vae import VAE, HostVAE, compression, interruptible
from .temporal_tiling import BYTES, TILE_OVERLAP, encoded_at_once, encoded_in_tiles, most_frames
from .wan_streaming import encode_streaming, encodes_streaming

ENCODE_COPIES = 3  # copies of the pixels in memory: received, buffered, and the VAE's input


@dataclass(slots=True)
class EncodeStrategy:
    """How a video is encoded: the function, the most frames it buffers, and a summary."""

    encode: Encode
    frames: int
    summary: str

    def memory(self, width: int, height: int) -> int:
        """The approximate peak of main memory for pixels, in bytes."""
        return ENCODE_COPIES * BYTES * self.frames * width * height


def encode_strategy(vae: VAE, size: Size) -> EncodeStrategy:
    """How `vae` encodes a video of `size`; SizeError where the memory suffices for no strategy."""
    step, area = compression(vae).time, size.width * size.height
    few = min(size.frames, max(step, CHUNK_PIXELS // area))
    if isinstance(vae, HostVAE):
        return EncodeStrategy(partial(encode_chunked, vae), few, "in chunks that carry on exactly")
    if encodes_streaming(vae):
        summary = f"{step} frames at a time with the VAE's own memory of those before, exactly"
        return EncodeStrategy(partial(encode_streaming, vae), few, summary)
    return tiled_strategy(vae, size)


def tiled_strategy(vae: VAE, size: Size) -> EncodeStrategy:
    """Encoding at once, or else in parts whose largest difference at overlaps is reported."""
    length, context, most = most_frames(vae, size), TILE_OVERLAP * compression(vae).time, 0.0

    def overlapped(apart: float) -> None:
        nonlocal most
        most = max(most, apart)
        chosen.summary = (
            f"{length} frames at a time, each with {context} before it, which differ by at most "
            f"{most:.1%} of the latent's range where they overlap: that far it may be from all at "
            "once"
        )

    encode = partial(encoded_in_tiles, vae, length=length, on_overlap=overlapped)
    chosen = EncodeStrategy(encode, min(size.frames, length), "all at once")
    return chosen


def encode_chunked(vae: HostVAE, chunks: Iterable[Video]) -> Iterator[Latent]:
    """The latent by our VAE: each chunk continues from the state of the last one."""

    def groups() -> Iterator[Video]:
        for chunk in chunks:
            used = vae.memory_used_encode(chunk.shape, vae.vae_dtype)
            devices.load_models_gpu([vae.patcher], memory_required=used)
            yield chunk.to(vae.device, vae.vae_dtype)

    for latent in interruptible(encode_chunks(vae.first_stage_model, groups())):
        yield latent.float().to(vae.output_device)


def grey_latent(vae: VAE, grid: Grid) -> Latent:
    """Three latent frames of grey: the first of a video, the second, and any later one.

    Models with footage channels were trained with grey where there is no footage.
    """
    pressed = compression(vae)
    return encoded_at_once(
        vae, torch.zeros(1, 3, *pressed.covered(Grid(3, grid.rows, grid.columns)))
    )
