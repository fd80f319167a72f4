"""Errors for latents, conditioning and settings that a model cannot sample a canvas with."""

from collections.abc import Set

from ....sora_core.errors import ConfigError, SizeError
from ....sora_core.pipeline.temporal_plan import TemporalPlan
from ..conditioning import Conds
from ..latents import LatentDict, is_loop
from .conditioning_support import BaseModel, ConditioningSupport, conditioning_support
from .low_noise_expert import LowNoiseExpert
from .vace_context import check_user_context

IMAGE_KEYS = ("concat_latent_image", "noise_concat")
"""Keys of conditioning that fill a model's channels for footage."""


def check_latent(model: BaseModel, latent: LatentDict) -> None:
    """ConfigError or SizeError where `latent` does not fit `model`."""
    samples, wanted = latent["samples"], model.latent_format.latent_channels
    if samples.ndim != 5:
        raise SizeError("`latent` of Sora Guider has no time: encode a canvas for a video model")
    if samples.shape[1] != wanted:
        raise ConfigError(
            f"a latent of {samples.shape[1]} channels for a model of {wanted}: encode the canvas "
            "with the VAE of this model"
        )


def check_expert(support: ConditioningSupport, low: LowNoiseExpert | None) -> None:
    """ConfigError where `low` takes footage in another way than the first model, by `support`."""
    if low is not None and conditioning_support(low.patcher.model) != support:
        raise ConfigError(
            "model and model_low take footage in different ways: connect two models of one kind"
        )


def check_footage(
    model: BaseModel,
    support: ConditioningSupport,
    conds: dict[str, Conds],
    latent: LatentDict,
    footage_scale: float,
) -> None:
    """ConfigError where `footage_scale` has no effect, or where `conds` hold an image too."""
    placed, looped = "noise_mask" in latent, is_loop(latent)
    if placed and footage_scale != 1 and not support.accepts_footage:
        raise ConfigError(
            f"footage_scale {footage_scale:g}: {type(model).__name__} cannot be shown footage, "
            "only made to keep it; set footage_scale to 1"
        )
    if (placed or looped) and not keys_of(conds).isdisjoint(IMAGE_KEYS):
        raise ConfigError(
            "the conditioning already holds an image: place it on the canvas instead, and "
            "connect the conditioning without it"
        )
    if support.context:
        check_user_context(conds, latent["samples"].shape[2], placed)


def check_control(conds: dict[str, Conds], plan: TemporalPlan) -> None:
    """ConfigError where a ControlNet of `conds` would have to follow parts of a video."""
    if "control" in keys_of(conds) and plan.resumable:
        raise ConfigError(
            "a ControlNet does not follow a video in segments, windows or a loop: set `window` "
            "to the length of the canvas, or remove the ControlNet"
        )


def keys_of(conds: dict[str, Conds]) -> Set[str]:
    """All options of the conditionings `conds`."""
    return {key for entries in conds.values() for cond in entries for key in cond}
