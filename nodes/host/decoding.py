"""The frames of a latent, through any VAE of the host. Axes: c channels, t frames, y x pixels."""

from collections.abc import Iterator, Sequence
from functools import partial

import comfy.model_management as devices
import torch

from ...sora_core.canvas import Canvas
from ...sora_core.encode import Mask
from ...sora_core.leaving import Leaving, leave
from ...sora_core.meeting import Meeting, decode_meeting, meetings
from ...sora_core.models.streaming import decode_chunks, decode_ring, part
from ...sora_core.shapes import Latent, Size, Video
from .causal import decoded_in_turn, streams
from .encoding import way
from .tiles import TILE, decoded_at_once, decoded_in_tiles
from .video import VAE, HostVAE, compression, each

WRAP, WRAP_AFTER = 12, 1  # latent frames that another VAE sees beyond both ends of a ring


class Decoding:
    """The video of a latent in [-1, 1], in chunks; and, when they were made, how exact it is.

    On a `ring` every latent frame stands for as many frames, and the last leads to the first: exact
    in our VAE. Others get `WRAP` latent frames of the ring's end before it, and its start after it.
    One that looks further back, as Wan's 33 frames, decodes the start a little as if the video
    began there: by 0.06 root mean square in a random network, where nothing fades with distance.

    Footage that was `met`, after what was painted, is decoded as it was encoded by a VAE that looks
    back alone: ours, and those that remember. Ours has a decoder of its own for what was `painted`.
    What `left` footage goes on in its colours, whatever the VAE.
    """

    def __init__(
        self,
        vae: VAE,
        latent: Latent,
        *,
        ring: bool = False,
        met: Sequence[Meeting] = (),
        left: Sequence[Leaving] = (),
        painted: Mask | None = None,
    ) -> None:
        self.vae, self.latent, self.ring, self.met = vae, latent, ring, met
        self.left, self.painted = left, painted
        self.way, self.apart = "", 0.0

    def __iter__(self) -> Iterator[Video]:
        return leave(self.chunks(), self.left)

    def chunks(self) -> Iterator[Video]:
        """The video as the VAE decodes it."""
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
        """How the latent was decoded, in sentences for the user."""
        begins = " What is painted begins in the colours of the footage before it."
        bends = " What is painted bends to the footage after it."
        return f"Decoded {self.way}.{begins if self.left else ''}{bends if self.met else ''}"

    def ours(self, vae: HostVAE) -> Iterator[Video]:
        needed = vae.memory_used_decode(self.latent[:, :, :2].shape, vae.vae_dtype)
        devices.load_models_gpu([vae.patcher], memory_required=needed)
        latent = self.latent.to(vae.device, vae.vae_dtype)
        if self.painted is not None:
            latent = vae.first_stage_model.marked(latent, self.painted)
        decode = partial(decode_ring if self.ring else decode_chunks, vae.first_stage_model)
        for video in each(decode_meeting(decode, latent, self.met)):
            yield video.float().to(vae.output_device)

    def others(self, latent: Latent) -> Iterator[Video]:
        """Frame by frame through a VAE that remembers, in tiles of time through any other."""
        ratio, given = self.vae.upscale_ratio, 0
        frames = latent.shape[2] if latent.ndim == 5 else 1
        if frames > 1 and streams(self.vae):
            self.way = "latent frame by latent frame, by the VAE's own memory: as all at once"
            try:
                decode = partial(decoded_in_turn, self.vae)
                for video in decode_meeting(decode, latent, self.met, compression(self.vae)):
                    yield video
                    given += video.shape[2]
                return
            except devices.OOM_EXCEPTION:  # the host decodes tiles of space then
                devices.soft_empty_cache()
        pressed = compression(self.vae)
        regular = isinstance(ratio, tuple) and ratio[0](TILE) == pressed.pixel_frames(TILE)
        if frames <= TILE or not regular:
            self.way, self.met = "all at once", ()
            yield decoded_at_once(self.vae, latent)[:, :, given:]
            return
        self.met = ()
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


def meetings_in(vae: VAE, latent: Latent, canvas: Canvas, mask: Mask) -> list[Meeting]:
    """Where in `latent` footage follows what was painted: the `mask` is that of the canvas."""
    pressed = compression(vae)
    _, height, width = pressed.covered(canvas.grid(pressed))
    encode = way(vae, Size(width, height)).encode
    return meetings(canvas, mask, encode, vae.latent_channels, pressed)
