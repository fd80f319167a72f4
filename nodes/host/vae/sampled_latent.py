"""A sampled LATENT as decoding reads it: its streams, its canvas, and the footage that it holds.

Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

from dataclasses import dataclass

import comfy.utils
from torch import Tensor

from ....sora_core.canvas.canvas_latent import CanvasLatent, SeamJoin
from ....sora_core.errors import ConfigError
from ....sora_core.shapes import Compression, Latent, Mask, Size
from ..latents import (
    LatentDict,
    canvas_latent_of,
    canvas_of,
    covered_canvas,
    footage_mask,
    streams_of,
    video_alone,
    with_time,
)
from ..models.vae import VAE, HostVAE, compression

LOST_TOLERANCE = 0.05  # relative to the footage's deviation; inexact uni_pc stays below 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class SampledLatent:
    """All that decoding takes from a LATENT.

    `sound` holds the streams beside the video. `size` is that of the decoded video. `fps` is the
    rate of the canvas that was encoded, whatever size the latent has now; `encoded` is that canvas
    if the latent still covers it. `mask` is 0 where the latent holds footage of it, and `joins` are
    the joins of this footage; without a mask all frames count as generated. `matched` is whether
    the generated frames are decoded as footage (`CanvasLatent`). `lost` is a sentence about footage
    that the sampler changed; empty where it changed none.
    """

    samples: Latent
    sound: tuple[Tensor, ...]
    size: Size
    fps: float | None
    encoded: CanvasLatent | None
    mask: Mask | None
    joins: tuple[SeamJoin, ...]
    matched: bool
    lost: str


def sampled_latent(latent: LatentDict, vae: VAE) -> SampledLatent:
    """The parts of `latent` that `vae` decodes; ConfigError for the latent of another model.

    For a VAE of videos an image is one latent frame.
    """
    sound, latent = streams_of(latent["samples"])[1:], video_alone(latent)
    samples = with_time(latent["samples"]) if vae.latent_dim == 3 else latent["samples"]
    canvas, pressed = canvas_of(latent), compression(vae)
    encoded = covered_canvas(latent, pressed)
    mask = encoded and footage_mask(latent, encoded)
    check_channels(samples, vae)
    joins: tuple[SeamJoin, ...] = ()
    if encoded is not None and mask is not None:
        mask, joins = held_footage(latent, encoded, mask)
    return SampledLatent(
        samples=samples,
        sound=tuple(sound),
        size=decoded_size(samples, pressed) if encoded is None else encoded.canvas.size,
        fps=canvas and canvas.fps,
        encoded=encoded,
        mask=mask,
        joins=joins,
        matched=encoded is not None and encoded.is_matched(samples),
        lost=lost_footage(latent),
    )


def check_channels(samples: Tensor, vae: VAE) -> None:
    """ConfigError if `samples` do not have the channels and the time axis that `vae` decodes."""
    channels, wanted = samples.shape[1], vae.latent_channels
    timeless = isinstance(vae, HostVAE) and samples.ndim != 5
    if channels != wanted or timeless:
        raise ConfigError(
            f"latent: a latent of {channels} channels{' without time' if timeless else ''}, for a "
            f"VAE of {wanted}: connect the VAE of the model that generated it"
        )


def decoded_size(samples: Tensor, pressed: Compression) -> Size:
    """The size of the video in `samples`; without a time axis they are one frame."""
    height, width = samples.shape[-2] * pressed.rows, samples.shape[-1] * pressed.columns
    frames = pressed.pixel_frames(samples.shape[2] if samples.ndim == 5 else 1)
    return Size(width, height, frames)


def held_footage(
    latent: LatentDict, encoded: CanvasLatent, mask: Mask
) -> tuple[Mask, tuple[SeamJoin, ...]]:
    """`mask`, 1 also in latent frames that were regenerated, and the joins of all others."""
    opened = opened_frames(latent, encoded)
    if opened:
        mask = mask.clone()
        mask[:, :, opened] = 1
    return mask, tuple(join for join in encoded.joins if join.at not in opened)


def opened_frames(latent: LatentDict, encoded: CanvasLatent) -> list[int]:
    """The partial latent frames of `encoded` that the model of `latent` regenerated.

    A model that accepts footage frame by frame generates these latent frames from single frames;
    other models hold them, so that their samples equal the encoded ones.
    """
    samples = latent["samples"]
    if samples.shape[1:] != encoded.known.shape[1:]:
        return []
    apart = [
        float((samples[:, :, i].to(encoded.known) - encoded.known[:, :, i]).abs().mean())
        for i in encoded.partial
    ]
    most = LOST_TOLERANCE * float(encoded.known.std())
    return [i for i, each in zip(encoded.partial, apart, strict=True) if each > most]


def lost_footage(latent: LatentDict) -> str:
    """A sentence where cells with mask 0 no longer equal the footage; empty where all do.

    Two KSampler (Advanced) in a row lose it: the first one ends on noise, which the host uses as
    the footage of the second (Comfy-Org/ComfyUI#5452).
    """
    encoded, mask, samples = canvas_latent_of(latent), latent.get("noise_mask"), latent["samples"]
    if encoded is None or not isinstance(mask, Tensor) or encoded.known.shape != samples.shape:
        return ""
    known = encoded.known
    held = (comfy.utils.reshape_mask(mask, known.shape)[:, :1] == 0).expand_as(known).clone()
    held[:, :, opened_frames(latent, encoded)] = False
    count = held.sum(dim=(0, 1, 3, 4)) if known.ndim == 5 else held.sum()[None]
    if not bool(count.any()):
        return ""
    difference = (samples.to(known) - known).abs() * held
    apart = difference.sum(dim=(0, 1, 3, 4)) if known.ndim == 5 else difference.sum()[None]
    apart = (apart / count)[count > 0]  # the mean over each frame's footage
    lost = int((apart > LOST_TOLERANCE * known.std()).sum())
    if not lost:
        return ""
    return (
        f"The sampler changed the footage: {lost} of {len(apart)} latent frames with footage "
        f"differ, by {float(apart.max()):.2g} at most (their deviation is "
        f"{float(known.std()):.2g}). Two KSampler (Advanced) in a row do this; use Sora Guider "
        "with model_low, and Sora Sample."
    )
