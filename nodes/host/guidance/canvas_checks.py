"""Errors for latents, conditioning and settings that a model cannot sample a canvas with."""

from collections.abc import Collection

import comfy.patcher_extension
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ....sora_core.errors import ConfigError, SizeError
from ....sora_core.pipeline.temporal_plan import TemporalPlan
from ..conditioning import Conds
from ..latents import LatentDict, is_loop
from .conditioning_support import BaseModel, ConditioningSupport, conditioning_support
from .guide_frames import GuideFrames
from .low_noise_expert import LowNoiseExpert
from .reference_frame import ReferenceFrame
from .sound_conditioning import SOUND_KEY
from .trained_length import class_names
from .vace_context import check_user_context

CONTROL_KEYS = ("control",)  # of a ControlNet
IMAGE_KEYS = ("concat_latent_image", "noise_concat", "time_dim_replace")
"""Keys of conditioning that fill a model's channels for footage."""

FITTED_IMAGES = ("WAN21", "HunyuanVideo15")
"""Classes whose images must have as many latent frames as the video."""

EASY_CACHE = "easycache"  # the host's key of the wrappers of EasyCache

TIMED_PATCHES = {
    "MultiTalkCrossAttnPatch": "the sound of InfiniteTalk",
    "WanUni3CCnetPatch": "the render video of Uni3C",
}
"""Classes of patches of the host that follow the whole video, and what of them does."""

VIDEO_AXES = 3  # time, height and width: an area has a size and a place in each

UNTIMED_KEYS = ("reference_latents", "ref_latent", "time_dim_concat", "context_latents", "mask")
"""Keys of conditioning with pictures or clips that count for the whole video, not along it."""


def check_latent(model: BaseModel, latent: LatentDict) -> None:
    """ConfigError or SizeError where `latent` does not fit `model`."""
    samples, wanted = latent["samples"], model.latent_format.latent_channels
    if samples.ndim != 5:
        raise SizeError("latent: a latent without time: encode a canvas for a video model")
    if samples.shape[1] != wanted:
        raise ConfigError(
            f"latent: a latent of {samples.shape[1]} channels for a model of {wanted}: encode the "
            "canvas with the VAE of this model"
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
            f"footage_scale {footage_scale:g}: {type(model).__name__} does not accept footage as "
            "conditioning, it only preserves it; set footage_scale to 1"
        )
    if (placed or looped) and (names := names_with(conds, IMAGE_KEYS)):
        raise ConfigError(
            f"{names}: the conditioning already holds an image: place it on the canvas instead, "
            "and connect the conditioning without it"
        )
    check_image_length(model, conds, latent["samples"].shape[2])
    if support.context:
        check_user_context(conds, latent["samples"].shape[2], placed)


def check_image_length(model: BaseModel, conds: dict[str, Conds], frames: int) -> None:
    """ConfigError where the images of `conds` cannot lie beside a canvas of `frames` latent frames.

    The host pads and cuts them for other models.
    """
    if set(FITTED_IMAGES).isdisjoint(class_names(model)):
        return
    for name, entries in conds.items():
        images = [cond.get("concat_latent_image") for cond in entries]
        timed = [image for image in images if isinstance(image, Tensor) and image.ndim > 4]
        lengths = {image.shape[-3] for image in timed} - {frames}
        if lengths:
            raise ConfigError(
                f"{name}: the image of the conditioning has {min(lengths)} latent frames, the "
                f"canvas {frames}: make both equally long, without a reference frame, or place it "
                "on the canvas instead"
            )


def check_control(conds: dict[str, Conds], plan: TemporalPlan) -> None:
    """ConfigError where a ControlNet of `conds` would have to follow parts of a video."""
    if plan.resumable and (names := names_with(conds, CONTROL_KEYS)):
        raise ConfigError(
            f"{names}: a ControlNet does not follow a video in segments, windows or a loop: set "
            "`window` to the length of the canvas, or remove the ControlNet"
        )


def check_area(support: ConditioningSupport, conds: dict[str, Conds], plan: TemporalPlan) -> None:
    """ConfigError where a prompt of `conds` is for an area that the host cannot cut out.

    It cuts the noisy latent, but not the footage inputs beside it, and knows no windows.
    """
    for name, entries in conds.items():
        areas = [cond["area"] for cond in entries if cond.get("area") is not None]
        flat = any(len(area) - (area[0] == "percentage") < 2 * VIDEO_AXES for area in areas)
        beside = support.accepts_footage or plan.resumable
        bounds = [cond for cond in entries if cond.get("set_area_to_bounds") and "mask" in cond]
        if flat or bounds or (areas and beside):
            raise ConfigError(
                f"{name}: a prompt for an area, which ComfyUI cannot cut out of this video: use "
                "Conditioning (Set Mask) with set_cond_area `default` instead"
            )


def check_timed(model: BaseModel, conds: dict[str, Conds], plan: TemporalPlan) -> None:
    """ConfigError where `conds` follow the whole video and cannot be cut as its parts are.

    Conditioning of the host's nodes that runs along time, such as poses or a camera, is cut where
    it has as many latent frames as the canvas. Sound and faces run at other rates, and a start
    image would begin every part.
    """
    if not plan.resumable:
        return
    options = [
        (name, *option)
        for name, entries in conds.items()
        for cond in entries
        for option in cond.items()
    ]
    for name, key, value in options:
        if key in UNTIMED_KEYS:
            continue
        parts = value if isinstance(value, list | tuple) else [value]
        timed = [part for part in parts if isinstance(part, Tensor) and part.ndim > 3]
        fitting = key != SOUND_KEY and all(
            part.ndim > 4 and part.shape[-3] == plan.whole.frames for part in timed
        )
        if not fitting and (timed or key == SOUND_KEY):
            raise ConfigError(
                f"{name}: `{key}` of the conditioning is for the whole video, which "
                f"{type(model).__name__} samples in segments, windows or a loop: remove it, or "
                "use a canvas without a loop and set `window` to its length"
            )


def check_patches(patcher: ModelPatcher, plan: TemporalPlan) -> None:
    """ConfigError where a patch of `patcher` follows the whole video, which is sampled in parts."""
    if not plan.resumable:
        return
    patches = patcher.model_options["transformer_options"].get("patches", {})
    for patch in (patch for kind in patches.values() for patch in kind):
        if (timed := TIMED_PATCHES.get(type(patch).__name__)) is not None:
            raise ConfigError(
                f"model: {timed} is for the whole video, which is sampled in segments, windows or "
                "a loop: remove its node, or use a canvas without a loop and set `window` to its "
                "length"
            )


def check_windows(
    patcher: ModelPatcher, guides: GuideFrames | None, reference: ReferenceFrame | None
) -> None:
    """ConfigError where context windows of the host would lose frames beside those of a canvas."""
    if patcher.model_options.get("context_handler") is None:
        return
    if reference is not None:
        raise ConfigError(
            "context windows and a reference frame, which they do not pass on: remove the node of "
            "context windows and set `window` of Sora Guider"
        )
    if guides is not None:
        raise ConfigError(
            "context windows and single frames on the canvas: this model takes such a frame beside "
            "its latent, which context windows do not pass on; remove the node of context windows "
            "and set `window` of Sora Guider"
        )


def check_step_cache(patcher: ModelPatcher, plan: TemporalPlan, footage_scale: float) -> None:
    """ConfigError where the host's EasyCache would reuse a call on other frames of the same step.

    It knows a call by its prompt. LazyCache reuses whole steps, and works.
    """
    joint = plan.resumable and not plan.segmented
    kind = comfy.patcher_extension.WrappersMP.CALC_COND_BATCH
    if (joint or footage_scale != 1) and patcher.get_wrappers(kind, EASY_CACHE):
        raise ConfigError(
            "EasyCache reuses the last call with the same prompt, and here a step is several such "
            "calls, on other frames or without the footage: use LazyCache, or remove it"
        )


def names_with(conds: dict[str, Conds], keys: Collection[str]) -> str:
    """The inputs, by the names in `conds`, whose conditioning has one of `keys`; empty for none."""
    return " and ".join(
        name
        for name, entries in conds.items()
        if any(key in cond for cond in entries for key in keys)
    )
