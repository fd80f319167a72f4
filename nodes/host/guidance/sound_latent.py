"""Video and sound in one latent, as LTX-2 samples them: both streams hold what is known.

The host packs the streams of a nested latent into one row. Axes: b batch, c channels, t latent
frames, y rows, x columns, u frames of the sound, n values of all streams.
"""

from dataclasses import dataclass
from typing import Any

import comfy.utils
import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.errors import ConfigError
from ....sora_core.sampling.inpaint import SamplingMask, model_view
from ....sora_core.shapes import Latent
from .low_noise_expert import ModelOptions

Packed = Float[Tensor, "b 1 n"]


def is_nested(latent: object) -> bool:
    """Whether `latent` holds several streams."""
    return bool(getattr(latent, "is_nested", False))


def streams_of(latent: Any) -> list[Tensor]:  # noqa: ANN401 - the host's NestedTensor, or a tensor
    """The streams of `latent`, video first."""
    return list(latent.unbind()) if is_nested(latent) else [latent]


@dataclass(frozen=True, slots=True)
class Streams:
    """What is known of video and sound, and the mask of each, from 0 (exact) to 1 (free)."""

    known: list[Tensor]
    masks: list[Tensor]  # one value for all channels, of the sizes of `known`

    @property
    def shapes(self) -> list[torch.Size]:
        return [stream.shape for stream in self.known]

    def packed(self, parts: list[Tensor]) -> Packed:
        """`parts`, one for each stream, as the host packs them."""
        whole = [part.expand_as(stream) for part, stream in zip(parts, self.known, strict=True)]
        return comfy.utils.pack_latents(whole)[0]

    def model_inputs(self, x: Packed, sigma: float, known: Packed) -> tuple[Packed, dict[str, Any]]:
        """What the network sees of `x`, and the ratio of each stream's levels to `sigma`.

        `known` is packed and as the model has it.
        """
        view, levels = model_view(x, sigma, known, self.packed(self.masks).to(x))
        video, sound, *_ = comfy.utils.unpack_latents(levels / sigma, self.shapes)
        return view, {"denoise_mask": video[:, :1], "audio_denoise_mask": sound[:, :1]}

    def finished(self, sampled: list[Tensor]) -> list[Tensor]:
        """`sampled` with what is known in its place, bit for bit."""
        return [
            torch.where(mask == 0, known, one.to(known))
            for mask, known, one in zip(self.masks, self.known, sampled, strict=True)
        ]


def streams_from(latent: Any, denoise_mask: Any) -> Streams:  # noqa: ANN401 - see streams_of
    """The streams of a nested latent; sound without a mask of its own has that of the video.

    Sound that is empty (zeros) is free. Sound that was encoded, with a mask of ones or none, is
    held where whole latent frames of the video are: an extended video goes on with both.
    """
    known = streams_of(latent)
    if len(known) != 2:
        raise ConfigError(f"a latent of {len(known)} streams: Sora Guider takes video and sound")
    masks = [] if denoise_mask is None else streams_of(denoise_mask)
    full = [stream.new_ones(stream[:, :1].shape) for stream in known]
    for i, mask in enumerate(masks[:2]):
        full[i] = comfy.utils.reshape_mask(mask, known[i].shape)[:, :1].to(known[i])
    video, sound = full
    if bool(known[1].any()) and bool((sound == 1).all()):
        sound = sound_mask(video, sound)
    return Streams(known, [video, sound])


def sound_mask(video: SamplingMask, sound: Float[Tensor, "b 1 u f"]) -> Float[Tensor, "b 1 u f"]:
    """The mask of the sound that runs beside a video with the mask `video`.

    A frame of the sound is held as firmly as the least firm cell of the latent frame beside it.
    """
    by_frame = video.amax((3, 4))
    frames = (torch.arange(sound.shape[2]) * video.shape[2]) // sound.shape[2]
    return by_frame[:, :, frames, None].expand(len(by_frame), 1, -1, sound.shape[3]).to(sound)


def with_levels(options: ModelOptions, levels: dict[str, Any]) -> ModelOptions:
    """`options` with the levels of both streams in each call of the network."""

    def call(apply: Any, arguments: dict[str, Any]) -> Latent:  # noqa: ANN401
        conds, rows = dict(arguments["c"]), len(arguments["input"])
        for name, level in levels.items():
            conds[name] = level.repeat(rows // len(level), *[1] * (level.ndim - 1))
        before = options.get("model_function_wrapper")
        if before is not None:
            return before(apply, arguments | {"c": conds})
        return apply(arguments["input"], arguments["timestep"], **conds)

    return options | {"model_function_wrapper": call}
