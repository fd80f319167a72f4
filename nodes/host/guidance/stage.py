"""One run of a sampler over a canvas: a whole schedule, or one of several stages of it.

Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

from dataclasses import dataclass
from typing import Any

import comfy.utils
import torch
from torch import Tensor

from ....sora_core.errors import ConfigError
from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.shapes import Latent
from ..latents import LatentDict, is_nested, streams_of
from .sound_latent import SoundLayout, streams_from


@dataclass(frozen=True, slots=True)
class SigmaStage:
    """The footage and mask of a run, the latent that it starts from, and whether it ends clean.

    `start` is None where the run starts from the footage itself.
    """

    known: Latent
    mask: SamplingMask
    start: Latent | None
    continues: bool  # no noise is added: `start` is the noisy result of an earlier stage
    ends_clean: bool

    @property
    def partial(self) -> bool:
        """Whether other stages come before or after this one."""
        return self.continues or not self.ends_clean

    @property
    def first_frame(self) -> Latent | None:
        """The first latent frame of the video, b c 1 y x; None unless all of it is footage."""
        return None if bool(self.mask[:, :, 0].any()) else self.known[:, :, :1]

    def check_segments(self) -> None:
        """ConfigError: a segment needs the clean result of the one before it as its history."""
        if self.partial:
            raise ConfigError(
                "a long video in segments needs all its steps in one sampler, and these sigmas are "
                "one part of a schedule: connect the second model to model_low of one Sora Guider, "
                "or set `window` to the length of the canvas"
            )

    def start_of(self, known: Latent, mask: SamplingMask, frames: slice) -> Latent:
        """The sampler's input in `frames`, whose footage and history are `known`."""
        if self.start is None:
            return known
        start = self.start[:, :, frames]
        return start if self.continues else torch.where(mask < 1, known, start)

    def finished(self, known: Latent, mask: SamplingMask, sampled: Latent) -> Latent:
        """`sampled` with the footage in its place, bit for bit, where this is the last stage."""
        sampled = sampled.to(known)
        return torch.where(mask == 0, known, sampled) if self.ends_clean else sampled


def stage_of(
    latent: LatentDict,
    latent_image: Latent,
    denoise_mask: Tensor | None,
    noise: Latent,
    sigmas: Tensor,
) -> SigmaStage:
    """The stage that a sampler runs from `latent_image` over the canvas `latent` of its guider.

    The guider's latent supplies the footage. A latent without a noise mask has no footage: then the
    sampler's own mask, if any, holds the sampler's input.
    """
    known = latent_image
    if "noise_mask" in latent and latent["samples"].shape == latent_image.shape:
        known, denoise_mask = latent["samples"].to(latent_image), latent["noise_mask"]
    mask = known.new_ones(1, 1, *known.shape[2:])
    if denoise_mask is not None:
        mask = comfy.utils.reshape_mask(denoise_mask, known.shape)[:, :1]
    return stage_from(known, mask, latent_image, noise, sigmas)


def stage_from(
    known: Latent, mask: SamplingMask, latent_image: Latent, noise: Latent, sigmas: Tensor
) -> SigmaStage:
    """The stage of a sampler over footage `known`, held where `mask` is 0."""
    return SigmaStage(
        known=known,
        mask=mask.to(known),
        start=None if torch.equal(known, latent_image) else latent_image,
        continues=not bool(noise.any()),
        ends_clean=len(sigmas) == 0 or float(sigmas[-1]) == 0,
    )


def joint_stage(
    layout: SoundLayout,
    latent: LatentDict,
    latent_image: Any,  # noqa: ANN401 - the host's NestedTensor, as the noise and the mask are
    denoise_mask: Any,  # noqa: ANN401
    noise: Any,  # noqa: ANN401
    sigmas: Tensor,
    time: int,
    ring: bool,
) -> tuple[SigmaStage, Latent]:
    """The stage of a latent with sound, and its noise, both as joint latents of `layout`.

    `latent` supplies the footage if it has sound too, else the sampler's input does.
    """
    source = {"samples": latent_image, "noise_mask": denoise_mask}
    if "noise_mask" in latent and is_nested(latent["samples"]):
        source = latent
    known, masks = streams_from(source["samples"], source["noise_mask"], time, ring)
    joint, joint_noise, joint_known = (
        layout.joined(streams, range(layout.frames))
        for streams in (streams_of(latent_image), streams_of(noise), known)
    )
    mask = layout.joined_masks(*masks)
    return stage_from(joint_known, mask, joint, joint_noise, sigmas), joint_noise
