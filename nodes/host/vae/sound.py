"""The sound of a canvas through the audio VAE of a model that generates both, as LTX-2 does.

Axes: b batch, a channels, u frames and f bins of the latent of a sound.
"""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import comfy.nested_tensor
import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.canvas.canvas_latent import CanvasLatent
from ....sora_core.errors import ConfigError
from ....sora_core.video.audio import Audio
from ....sora_core.video.audio_reader import in_channels, resampled
from ..guidance.sound_latent import sound_mask
from ..latents import LatentDict
from ..models.vae import VAE
from ..sockets.foreign import foreign_code

SOUND_CHANNELS = 2  # of the input of audio VAEs
DEFAULT_RATE = 44_100  # samples a second, if a VAE states none; as in the host's nodes

SoundLatent = Float[Tensor, "b a u f"]


def latent_with_sound(vae: VAE, encoded: CanvasLatent, latent: LatentDict) -> LatentDict:
    """`latent` of the canvas `encoded` with its sound, and the masks of both.

    Sound is held where footage is, however much of the picture that fills. Elsewhere it is free,
    and everywhere if no footage has sound.
    """
    sound = sound_latent(vae, encoded)
    mask = torch.ones(1, 1, *sound.shape[2:])
    if encoded.sound is None:
        sound = torch.zeros_like(sound)
    else:
        mask = sound_mask(encoded.mask, mask, encoded.compression.time, encoded.canvas.ring)
    nested = comfy.nested_tensor.NestedTensor
    masks = {}
    if "noise_mask" in latent:
        masks["noise_mask"] = nested([latent["noise_mask"], mask.contiguous()])
    return latent | {"samples": nested([latent["samples"], sound])} | masks


def sound_latent(vae: VAE, encoded: CanvasLatent) -> SoundLatent:
    """The latent of the canvas' sound, as long as the canvas, with silence where it has none."""
    canvas, rate = encoded.canvas, int(getattr(vae, "audio_sample_rate", DEFAULT_RATE))
    silence = torch.zeros(SOUND_CHANNELS, max(1, round(canvas.size.frames / canvas.fps * rate)))
    sound = encoded.sound or Audio(silence, rate)
    stereo = replace(sound, samples=in_channels(sound.samples, SOUND_CHANNELS)[:SOUND_CHANNELS])
    parts = resampled(iter([stereo.samples]), Fraction(stereo.rate), rate)
    samples = torch.cat(list(parts), dim=1)
    with foreign_code("audio_vae", "VAE"):  # any VAE can be connected
        latent: Any = vae.encode(samples.T[None])
    if latent.ndim != 4:
        raise ConfigError(
            "audio_vae does not encode sound as a model of video and sound takes it: connect the "
            "audio VAE of that model, as LTXV Audio VAE Loader loads it"
        )
    counted = getattr(vae.first_stage_model, "num_of_latents_from_frames", None)
    if counted is None:
        return latent
    missing = counted(canvas.size.frames, canvas.fps) - latent.shape[2]
    if missing < 0:
        return latent[:, :, :missing]
    return torch.nn.functional.pad(latent, (0, 0, 0, missing))


def decoded_sound(vae: VAE, latent: SoundLatent) -> tuple[Float[Tensor, "channels n"], int]:
    """The samples in [-1, 1] of `latent`, and their rate in Hz."""
    with foreign_code("audio_vae", "VAE"):
        samples: Any = vae.decode(latent[:1])
    rate = getattr(vae.first_stage_model, "output_sample_rate", None)
    rate = rate or getattr(vae, "audio_sample_rate_output", None)
    rate = rate or getattr(vae, "audio_sample_rate", DEFAULT_RATE)
    return samples[0].T.float().cpu().clamp(-1, 1), int(rate)
