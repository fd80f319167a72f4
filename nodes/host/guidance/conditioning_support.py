"""Which footage conditioning a model of the host accepts, found by trial calls of its methods.

A model may accept a noise level for each token or each latent frame, and footage in channels beside
the latent. Any other model gets footage as noisy as the rest. Axes: b batch, c channels, t latent
frames, y rows, x columns.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import comfy.model_base
import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.errors import ConfigError
from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.shapes import Latent
from ..models.model import HostModel
from .token_times import takes_token_times
from .trained_length import class_names, takes_frame_rate, trained_latent_frames
from .vace_context import takes_vace_context

BaseModel = comfy.model_base.BaseModel

Levels = Literal["token", "frame", "one"]
"""The parts of a latent that may have separate noise levels."""

MASKED_FRAMES = 4  # frames of a latent frame, each with its own mask channel, as in Wan

IMAGES_ONLY = (  # though their latents have a time axis
    "Anima",
    "HunyuanImage21Refiner",
    "JoyImage",
    "Kandinsky5Image",
    "Krea2",
    "QwenImage",
)
OTHER_GRIDS = ("MiniMaxH3",)  # 17 k + 5 frames, with sound
TWO_TASKS = "CosmosPredict2"  # one class for text to image and for image to video
BY_BLOCKS = ("WAN21_CausalAR",)  # a cache of the blocks before replaces the whole video
RESTORERS = ("SeedVR2",)  # their conditioning is a whole video beside the latent

SUPPORT_BY_LEVEL = {
    "token": "The model receives footage clean, with a noise level for each token.",
    "frame": "One noise level for each latent frame: the model receives footage that fills a frame "
    "clean; other footage is preserved, but as noisy as the rest for the model.",
    "one": "One noise level: footage is preserved, but as noisy as the rest for the model, so "
    "joins may be rough, and footage_scale must be 1.",
}
SUPPORT_BY_CHANNELS = (
    "The model receives footage in channels of its own; footage of a firmness below 1 is not in "
    "them, and as noisy as the rest."
)
SUPPORT_BY_CONTEXT = (
    "The model receives footage in VACE's own context and mask; footage of a firmness below 1 is "
    "not in them, and as noisy as the rest."
)
SUPPORT_BY_MASK = (
    "The model receives footage that fills a latent frame clean; other footage is only preserved."
)


@dataclass(frozen=True, slots=True)
class ConditioningSupport:
    """The kinds of footage conditioning that a model accepts."""

    levels: Levels
    images: bool = False  # it has channels for the footage
    marks: bool = False  # it has a channel that says where footage is
    context: bool = False  # it has a separate network for the footage: VACE
    by_frame: bool = False  # its mask has a channel for each frame of a latent frame

    @property
    def accepts_footage(self) -> bool:
        """Whether the model can distinguish footage from what it generates."""
        return self.levels != "one" or self.images or self.marks or self.context

    @property
    def summary(self) -> str:
        """Which conditioning takes effect and which does not, for the user."""
        if self.context:
            return SUPPORT_BY_CONTEXT
        if self.images:
            return SUPPORT_BY_CHANNELS
        return (
            SUPPORT_BY_MASK
            if self.marks and self.levels == "one"
            else SUPPORT_BY_LEVEL[self.levels]
        )

    def model_mask(self, mask: SamplingMask) -> SamplingMask | None:
        """The noise levels of known tokens as input of the model, at least those of `mask`.

        None where all tokens enter at the sampler's level.
        """
        if self.levels == "token":
            return mask
        if self.levels == "one" and (self.images or not self.marks):
            return None
        frames = mask.amax((3, 4), keepdim=True)
        return (frames if self.levels == "frame" else frames.ceil()).expand_as(mask)


def conditioning_support(model: BaseModel) -> ConditioningSupport:
    """The footage conditioning of `model`; ConfigError where it cannot sample a canvas."""
    kind, latents = type(model).__name__, model.latent_format
    names = class_names(model)
    if not set(RESTORERS).isdisjoint(names):
        raise ConfigError(
            f"{kind} restores a video and generates none: leave `latent` of Sora Guider "
            "unconnected and use the nodes made for this model"
        )
    if not set(OTHER_GRIDS).isdisjoint(names):
        raise ConfigError(
            f"{kind} lays videos out in another grid than a canvas, whose first latent frame is "
            "one frame and whose others have equally many: leave `latent` of Sora Guider "
            "unconnected and use the nodes made for this model"
        )
    if not set(BY_BLOCKS).isdisjoint(names):
        raise ConfigError(
            f"{kind} generates a video block by block, with Sampler AR Video: leave `latent` of "
            "Sora Guider unconnected"
        )
    images = not set(IMAGES_ONLY).isdisjoint(names) or (
        TWO_TASKS in names and not getattr(model, "image_to_video", True)
    )
    if getattr(latents, "latent_dimensions", 2) != 3:
        raise ConfigError(
            f"the latents of {kind} have no time axis, so it does not generate videos on a canvas: "
            "connect a model such as Wan, HunyuanVideo or LTX, or leave `latent` of Sora Guider "
            "unconnected"
        )
    if images:
        raise ConfigError(
            f"{kind} does not generate videos: connect a video model, or leave `latent` of Sora "
            "Guider unconnected"
        )
    if not adds_noise(model):
        raise ConfigError(
            f"{kind} turns one video into another and generates none: leave `latent` of Sora "
            "Guider unconnected and use the nodes made for this model"
        )
    empty, anywhere = torch.zeros(1, latents.latent_channels, 2, 4, 4), torch.ones(1, 1, 2, 4, 4)
    unasked = model.concat_cond(noise=empty, device=empty.device, latent_image=empty)
    if unasked is None:
        support = ConditioningSupport(_sigma_levels(model), context=takes_vace_context(model))
        if not support.accepts_footage and not known_for_videos(model):
            raise ConfigError(
                f"{kind} takes no footage, and nothing says that it generates videos, though its "
                "latents have a time axis: connect a video model, or leave `latent` of Sora Guider "
                "unconnected"
            )
        return support
    nothing = concat_channels(model, empty, anywhere)
    most = latents.latent_channels + MASKED_FRAMES
    if nothing.shape != unasked.shape or nothing.shape[1] > most:
        raise ConfigError(
            f"the channels of {kind} are not for footage alone, but for a control video or a mask: "
            "leave `latent` of Sora Guider unconnected and use the nodes made for this model"
        )
    images = not torch.equal(nothing, concat_channels(model, empty + 1, anywhere))
    marks = not torch.equal(nothing, concat_channels(model, empty, 0 * anywhere))
    by_frame = images and marks and marks_single_frames(model, empty)
    return ConditioningSupport(_sigma_levels(model), images, marks, by_frame=by_frame)


def adds_noise(model: BaseModel) -> bool:
    """Whether the sampling of `model` begins with noise, not with a latent to be changed."""
    sampling: Any = getattr(model, "model_sampling", None)
    if sampling is None:
        return True
    noise, clean = torch.ones(1, 1, 1, 1, 1), torch.zeros(1, 1, 1, 1, 1)
    return bool(sampling.noise_scaling(torch.ones(1), noise, clean).any())


def known_for_videos(model: BaseModel) -> bool:
    """Whether the length or the frame rate of the videos that `model` was trained on is known."""
    return trained_latent_frames(model) is not None or takes_frame_rate(model)


def marks_single_frames(model: BaseModel, empty: Latent) -> bool:
    """Whether `model` distinguishes masks of different frames within one latent frame."""
    results = []
    for frame in (-1, -2):
        mask = torch.ones(1, MASKED_FRAMES, *empty.shape[2:])
        mask[:, frame] = 0
        results.append(concat_channels(model, empty, mask))
    first, second = results
    nothing = concat_channels(model, empty, torch.ones(1, 1, *empty.shape[2:]))
    return first.shape == nothing.shape and not torch.equal(first, second)


def concat_channels(
    model: BaseModel, footage: Latent, mask: Float[Tensor, "#b s #t #y #x"]
) -> Float[Tensor, "b c t y x"]:
    """The concat channels of `model`: `footage`, as its VAE encoded it, where `mask` is 0.

    The mask has one value per latent frame (s of 1), or one for each of its frames.
    """
    result: Any = model.concat_cond(
        noise=footage,
        device=footage.device,
        latent_image=footage,
        concat_latent_image=footage.clone(),  # some models scale it in place
        concat_mask=mask.expand(-1, -1, *footage.shape[2:]),
    )
    return result


def _sigma_levels(model: BaseModel) -> Levels:
    if isinstance(model, HostModel):
        return "token"
    if type(model).process_timestep is BaseModel.process_timestep:
        return "one"
    half = torch.ones(1, 1, 2, 4, 4)
    half[..., :2] = 0
    timesteps: Any = model.process_timestep(torch.ones(1), x=half, denoise_mask=half)
    if isinstance(timesteps, tuple):  # of the video, and of the sound of LTX-2
        timesteps = timesteps[0]
    levels = set(timesteps.flatten().tolist())
    if levels == {1.0}:
        return "one"
    return "token" if levels == {0.0, 1.0} or takes_token_times(model) else "frame"


def with_frame_levels(support: ConditioningSupport, model: BaseModel) -> ConditioningSupport:
    """`support` of weights that were trained with a noise level for each latent frame.

    ConfigError where the network does not accept them.
    """
    if support.levels != "one":
        return support
    if not takes_token_times(model):
        raise ConfigError(
            f"frame_levels: {type(model).__name__} takes one noise level for all frames; it is for "
            "Wan with Pusa or SkyReels-V2 DF weights: switch it off"
        )
    return replace(support, levels="frame")
