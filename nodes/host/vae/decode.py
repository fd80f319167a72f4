"""The frames of a latent, through any VAE of the host. Axes: c channels, t frames, y x pixels."""

from collections.abc import Iterator, Sequence
from functools import partial

import comfy.model_management as devices
import torch

from ....sora_core.canvas.canvas_latent import SeamJoin
from ....sora_core.models.chunked_codec import decode_chunks, decode_ring, frame_range
from ....sora_core.seams.colour_fade import ColourFade, colour_fades, fade_colours
from ....sora_core.seams.morph import decode_joined
from ....sora_core.shapes import Latent, Mask, Video
from ..models.vae import VAE, HostVAE, compression, interruptible
from .sampled_latent import SampledLatent
from .temporal_tiling import TILE, decoded_at_once, decoded_in_tiles
from .wan_streaming import decode_streaming, decodes_streaming

LOOP_BEFORE, LOOP_AFTER = 12, 1  # extra latent frames before and after a ring, for other VAEs


class VideoDecoding:
    """The video of a latent in [-1, 1], in chunks; afterwards `summary` states how exact it is.

    On a `ring` all latent frames cover equally many frames, and the first follows the last: exact
    in our VAE. Others get `LOOP_BEFORE` latent frames of the ring's end before it, and its start
    after it. A VAE that looks back further, such as Wan's by 33 frames, decodes the start slightly
    as if the video began there: by 0.06 root mean square in a random network, where no influence
    fades with distance.

    At `joins`, footage after generated frames is decoded as it was encoded, by causal streaming
    VAEs: ours and those of the Wan kind. Ours decodes generated frames (`mask`) with a decoder of
    their own. At `fades`, generated frames after footage continue its colours, with any VAE.
    """

    def __init__(
        self,
        vae: VAE,
        latent: Latent,
        *,
        ring: bool = False,
        joins: Sequence[SeamJoin] = (),
        fades: Sequence[ColourFade] = (),
        mask: Mask | None = None,
    ) -> None:
        self.vae, self.latent, self.ring, self.joins = vae, latent, ring, joins
        self.fades, self.mask = fades, mask
        self.method, self.apart = "", 0.0

    def __iter__(self) -> Iterator[Video]:
        return fade_colours(self.chunks(), self.fades)

    def chunks(self) -> Iterator[Video]:
        """The video from the VAE, before the colour fades."""
        if isinstance(self.vae, HostVAE):
            self.method = "in chunks, each from where the one before ended: as all at once"
            yield from self.by_our_vae(self.vae)
            return
        if not self.ring:
            yield from interruptible(self.by_host_vae(self.latent))
            return
        frames, step = self.latent.shape[2], compression(self.vae).time
        around = torch.arange(-LOOP_BEFORE, frames + LOOP_AFTER) % frames
        before = compression(self.vae).pixel_frames(LOOP_BEFORE)
        video = self.by_host_vae(self.latent[:, :, around])
        yield from interruptible(frame_range(video, before, before + frames * step))

    @property
    def summary(self) -> str:
        """How the latent was decoded, in sentences for the user."""
        begins = " Generated frames after footage start in its colours."
        bends = " Generated frames before footage morph into it."
        return f"Decoded {self.method}.{begins if self.fades else ''}{bends if self.joins else ''}"

    def by_our_vae(self, vae: HostVAE) -> Iterator[Video]:
        """The video in [-1, 1] by the pack's own VAE, in chunks of float32 on its output device.

        Loads the VAE onto its device first. On a ring each latent frame becomes four frames.
        """
        needed = vae.memory_used_decode(self.latent[:, :, :2].shape, vae.vae_dtype)
        devices.load_models_gpu([vae.patcher], memory_required=needed)
        latent = self.latent.to(vae.device, vae.vae_dtype)
        decode = partial(decode_ring if self.ring else decode_chunks, vae.first_stage_model)
        for video in interruptible(decode_joined(decode, latent, self.joins, self.mask)):
            yield video.float().to(vae.output_device)

    def by_host_vae(self, latent: Latent) -> Iterator[Video]:
        """The video by a VAE of the host: latent frame by latent frame, or in tiles."""
        ratio, yielded = self.vae.upscale_ratio, 0
        frames = latent.shape[2] if latent.ndim == 5 else 1

        def streamed(cells: Latent, _: object) -> Iterator[Video]:
            return decode_streaming(self.vae, cells)

        if frames > 1 and decodes_streaming(self.vae):
            self.method = "latent frame by latent frame, by the VAE's own memory: as all at once"
            try:
                pressed = compression(self.vae)
                for video in decode_joined(streamed, latent, self.joins, compression=pressed):
                    yield video
                    yielded += video.shape[2]
                return
            except devices.OOM_EXCEPTION:  # then the host decodes in spatial tiles
                devices.soft_empty_cache()
        pressed = compression(self.vae)
        regular = isinstance(ratio, tuple) and ratio[0](TILE) == pressed.pixel_frames(TILE)
        if frames <= TILE or not regular:
            self.method, self.joins = "all at once", ()
            yield decoded_at_once(self.vae, latent)[:, :, yielded:]
            return
        self.joins = ()
        self.overlapped(0.0)
        total = pressed.pixel_frames(frames)
        yield from frame_range(decoded_in_tiles(self.vae, latent, self.overlapped), yielded, total)

    def overlapped(self, apart: float) -> None:
        """Records the difference of two tiles where they overlap, for `method` and the summary.

        `apart` is in units of a video in [-1, 1]; the largest one counts.
        """
        self.apart = max(self.apart, apart)
        levels = self.apart * 255 / 2
        self.method = (
            f"in tiles of {TILE} latent frames, which differ by at most {levels:.1f} of 255 levels "
            "where they overlap: that far it may be from all at once"
        )


def decode_sampled(vae: VAE, sampled: SampledLatent, smooth_joins: bool) -> VideoDecoding:
    """The decoding of `sampled`; with `smooth_joins`, frames beside its footage are changed."""
    encoded, mask, joins, fades = sampled.encoded, sampled.mask, (), ()
    ring = encoded is not None and encoded.canvas.ring
    if smooth_joins and encoded is not None and mask is not None:
        joins, fades = sampled.joins, colour_fades(encoded.canvas, mask, encoded.compression)
    if mask is not None and sampled.matched:
        mask = torch.zeros_like(mask)
    return VideoDecoding(vae, sampled.samples, ring=ring, joins=joins, fades=fades, mask=mask)
