"""The frames of a latent, through any VAE of the host. Axes: c channels, t frames, y x pixels."""

from collections.abc import Iterator

import comfy.model_management as devices
import torch

from ...sora_core.models.streaming import decode_chunks, decode_ring
from ...sora_core.shapes import Latent, Video
from .causal import decoded_in_turn, streams
from .tiles import TILE, decoded_at_once, decoded_in_tiles
from .video import VAE, HostVAE, compression, each

WRAP, WRAP_AFTER = 12, 1  # latent frames that another VAE sees beyond both ends of a ring


class Decoding:
    """The video of a latent in [-1, 1], in chunks; and, when they were made, how exact it is.

    On a `ring` every latent frame stands for as many frames, and the last leads to the first: exact
    in our VAE. Others get `WRAP` latent frames of the ring's end before it, and its start after it.
    One that looks further back, as Wan's 33 frames, decodes the start a little as if the video
    began there: by 0.06 root mean square in a random network, where nothing fades with distance.
    """

    def __init__(self, vae: VAE, latent: Latent, *, ring: bool = False) -> None:
        self.vae, self.latent, self.ring = vae, latent, ring
        self.way, self.apart = "", 0.0

    def __iter__(self) -> Iterator[Video]:
        if isinstance(self.vae, HostVAE):
            self.way = "in chunks, each from where the one before ended: as all at once"
            yield from self.ours(self.vae)
            return
        if not self.ring:
            yield from each(self.others(self.latent))
            return
        frames, step = self.latent.shape[2], compression(self.vae).time
        around = torch.arange(-WRAP, frames + WRAP_AFTER) % frames
        before = compression(self.vae).pixel_frames(WRAP)
        video = self.others(self.latent[:, :, around])
        yield from each(part(video, before, before + frames * step))

    @property
    def says(self) -> str:
        """How the latent was decoded, in a sentence for the user."""
        return f"Decoded {self.way}."

    def ours(self, vae: HostVAE) -> Iterator[Video]:
        needed = vae.memory_used_decode(self.latent[:, :, :2].shape, vae.vae_dtype)
        devices.load_models_gpu([vae.patcher], memory_required=needed)
        latent = self.latent.to(vae.device, vae.vae_dtype)
        decode = decode_ring if self.ring else decode_chunks
        for video in each(decode(vae.first_stage_model, latent)):
            yield video.float().to(vae.output_device)

    def others(self, latent: Latent) -> Iterator[Video]:
        """Frame by frame through a VAE that remembers, in tiles of time through any other."""
        ratio, given = self.vae.upscale_ratio, 0
        frames = latent.shape[2] if latent.ndim == 5 else 1
        if frames > 1 and streams(self.vae):
            self.way = "latent frame by latent frame, by the VAE's own memory: as all at once"
            try:
                for video in decoded_in_turn(self.vae, latent):
                    yield video
                    given += video.shape[2]
                return
            except devices.OOM_EXCEPTION:  # the host decodes tiles of space then
                devices.soft_empty_cache()
        pressed = compression(self.vae)
        regular = isinstance(ratio, tuple) and ratio[0](TILE) == pressed.pixel_frames(TILE)
        if frames <= TILE or not regular:
            self.way = "all at once"
            yield decoded_at_once(self.vae, latent)[:, :, given:]
            return
        self.overlapped(0.0)
        total = pressed.pixel_frames(frames)
        yield from part(decoded_in_tiles(self.vae, latent, self.overlapped), given, total)

    def overlapped(self, apart: float) -> None:
        self.apart = max(self.apart, apart)
        levels = self.apart * 255 / 2
        self.way = (
            f"in tiles of {TILE} latent frames, which differ by at most {levels:.1f} of 255 levels "
            "where they overlap: that far it may be from all at once"
        )


def decoded(vae: VAE, latent: Latent, *, ring: bool = False) -> Iterator[Video]:
    """The video of `latent` in [-1, 1], in chunks."""
    return iter(Decoding(vae, latent, ring=ring))


def part(chunks: Iterator[Video], first: int, end: int) -> Iterator[Video]:
    """The frames from `first` to `end` of a video in chunks."""
    done = 0
    for chunk in chunks:
        wanted = chunk[:, :, max(first - done, 0) : max(end - done, 0)]
        done += chunk.shape[2]
        if wanted.shape[2]:
            yield wanted
        if done >= end:
            return
