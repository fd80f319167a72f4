"""One guided call of the host's model on a segment: its footage inputs, prompts and guidance.

Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import comfy.model_management as devices
import comfy.samplers
import torch
from torch import Tensor

from ....sora_core.errors import ConfigError
from ....sora_core.sampling.guidance import (
    GuidanceScale,
    any_guidance,
    combine,
    guidance_weights,
)
from ....sora_core.sampling.inpaint import SamplingMask, model_view
from ....sora_core.sampling.prompt_spans import blend_predictions, counting_prompts, weights_at
from ....sora_core.sampling.samplers import Sigma
from ....sora_core.shapes import Latent
from ..conditioning import Conds, by_span, merged_cond
from ..models.model import HostModel
from .conditioning_support import BaseModel, ConditioningSupport
from .footage_inputs import ConcatChannels
from .frame_patches import called_in_whole_tokens, frames_of_a_token
from .guide_frames import call_with_guides, guide_positions
from .low_noise_expert import ModelOptions
from .noise_scale import host_latent
from .reference_frame import call_with_reference
from .segment_context import GUIDING_FRAME, SegmentContext
from .sound_latent import SoundLayout
from .token_times import called_per_token, takes_token_times
from .vace_context import VaceContext

HostArguments = dict[str, Any]
"""Arguments of a host callback: the input of a model, or the predictions to combine."""

UNTIMED = ("time_dim_concat",)  # a clip of its own, appended to the latent


@dataclass(frozen=True, slots=True)
class WindowPositions:
    """The positions of a call's frames, with the attributes of the host's context windows."""

    index_list: list[int]
    dim: int = 2


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """The inputs of one model call beside its latent frames."""

    whole: int  # latent frames of the segment
    place: int  # position in time of the call's first latent frame
    sigma_ratio: SamplingMask | None  # noise level of each cell over the sampler's
    concat: ConcatChannels | None
    vace: VaceContext | None
    frames: Tensor  # indices of this call's latent frames within the segment
    start: int  # index of the segment's first latent frame on the canvas
    total: int  # latent frames of the whole canvas
    guided: bool  # whether the first latent frame is clean, as HunyuanVideo I2V expects it
    guides: tuple[Latent, Tensor] | None = None  # single frames of footage, and their positions
    reference: tuple[Latent, ConcatChannels] | None = None  # a frame before the latent
    layout: SoundLayout | None = None
    per_token: bool = False  # whether the network gets a timestep per token from us
    frames_of_a_token: int = 1

    @property
    def canvas_frames(self) -> list[int]:
        """The latent frames of this call, counted over the whole canvas."""
        return ((self.start + self.frames) % self.total).tolist()

    def wrap(self, options: ModelOptions) -> ModelOptions:
        """`options` with a model function that applies these inputs, then any earlier wrapper."""
        before = options.get("model_function_wrapper", call_model)

        def call(apply: Callable[..., Latent], arguments: HostArguments) -> Latent:
            inputs = self.apply(arguments)
            if self.per_token:
                apply = called_per_token(apply, inputs["c"].pop("denoise_mask", None))
            model_call = partial(before, apply)
            if self.frames_of_a_token > 1:
                model_call = called_in_whole_tokens(model_call, self.frames_of_a_token)
            if self.reference is not None:
                return call_with_reference(*self.reference, model_call, inputs)
            window = arguments["c"]["transformer_options"].get("context_window")  # of the host
            if self.guides is None or window is not None:
                return model_call(inputs)
            return call_with_guides(self.guides, self.layout, model_call, inputs)

        return options | {"model_function_wrapper": call}

    def apply(self, arguments: HostArguments) -> HostArguments:
        """A copy of `arguments`, a call of the host's model, with the inputs of these frames.

        Conditioning with a time axis is cut to the frames of the call; the footage inputs replace
        those of the same name, repeated over the batch. Within a context window of the host, only
        the footage inputs are cut, to the frames of the window.
        """
        x, conds = arguments["input"], dict(arguments["c"])
        window = conds["transformer_options"].get("context_window")  # of the host's own windows
        part = slice(None) if window is None else window_frames(window, x.shape[2])
        count = len(self.frames)
        if window is None:
            for name, cond in conds.items():
                if isinstance(cond, Tensor) and cond.ndim > 4 and name not in UNTIMED:
                    conds[name] = self.sliced(cond, count)
        if not self.guided:
            conds.pop(GUIDING_FRAME, None)
        if self.layout is not None:
            if window is not None:
                raise ConfigError(
                    "context windows and a latent with sound: remove the node and set `window` of "
                    "Sora Guider"
                )
            conds |= self.layout.conds(self.sigma_ratio, len(x), self.canvas_frames)
        beside = {
            "denoise_mask": self.sigma_ratio if self.layout is None else None,
            "c_concat": self.concat,
            "vace_context": self.vace,
        }
        for name, value in beside.items():
            if value is not None:
                rows = value[..., part, :, :]
                conds[name] = rows.repeat(len(x) // len(rows), *[1] * (rows.ndim - 1))
        if self.place and window is None:
            places = list(range(self.place, self.place + count))
            here = {"context_window": WindowPositions(places)}
            conds["transformer_options"] = conds["transformer_options"] | here
        return arguments | {"c": conds}

    def for_host(self, x: Latent) -> Tensor:
        """The latent frames of this call in the host's form: packed with their sound, if any."""
        return x if self.layout is None else self.layout.packed(x, self.canvas_frames)[0]

    def from_host(self, x: Tensor) -> Latent:
        """The host model's output for the latent frames of this call."""
        return x if self.layout is None else self.layout.unpacked(x, self.canvas_frames)

    def sliced(self, cond: Tensor, frames: int) -> Tensor:
        """`cond` at the latent frames of this call, where its axis -3 is time."""
        match cond.shape[-3]:
            case length if length == frames:
                return cond
            case self.total:
                return cond[..., (self.start + self.frames) % self.total, :, :]
            case self.whole:
                return cond[..., self.frames, :, :]
        return cond


def window_frames(window: Any, frames: int) -> list[int]:  # noqa: ANN401 - of any host's version
    """The latent frames of a context window of the host, which holds `frames` of them.

    Newer hosts put an anchor frame before the window, so that its first frame stands alone.
    """
    index, anchor = list(window.index_list), getattr(window, "causal_anchor_index", None)
    if anchor is not None and anchor >= 0 and frames == len(index) + 1:
        return [anchor, *index]
    return index


def call_model(apply: Callable[..., Latent], arguments: HostArguments) -> Latent:
    return apply(arguments["input"], arguments["timestep"], **arguments["c"])


@dataclass(frozen=True, slots=True)
class GuidedCall:
    """One call of the host's model at one noise level, on any of the latent's frames."""

    model: BaseModel
    support: ConditioningSupport
    conds: dict[str, Conds]
    guidance: GuidanceScale
    context: SegmentContext
    timestep: Tensor
    options: ModelOptions
    seed: int | None

    def __post_init__(self) -> None:
        if "sampler_calc_cond_batch_function" in self.options:
            raise ConfigError(
                "a patch of this MODEL predicts in a way of its own: leave `latent` of Sora Guider "
                "unconnected, or remove the patch"
            )

    @property
    def sigma(self) -> float:
        """The noise level of the sampler, in the units of the host's model."""
        return float(self.timestep.max())

    def predict(self, x: Latent, sigma: Sigma, frame: int, place: int) -> Latent:
        """The clean latent of frames from `frame` on, guided by text and by footage.

        `place` is their position in time for the model. Guidance happens inside the host's call,
        where patches of other nodes read both predictions; our own denoiser guides whole videos.
        """
        devices.throw_exception_if_processing_interrupted()  # a step may be many windows
        context, negative = self.context, self.conds["negative"]
        first = frame - context.start
        frames = (first + torch.arange(x.shape[2], device=x.device)) % context.known.shape[2]
        x_host, inputs, inputs_empty = self.model_inputs(x, sigma, frames, place)
        text, footage = self.guidance.scales_at(float(sigma))
        placed = context.model_mask, context.concat, context.vace, context.guides
        if all(each is None for each in placed):
            footage = 1.0  # nothing is placed
        share = context.share
        if isinstance(share, Tensor):
            share = share[:, :, frames.cpu()]
        weights = weights_at(context.prompts, frame, len(frames))

        def predictions(arguments: HostArguments) -> list[Latent]:
            positive, opposed = arguments["conds"]
            counting = counting_prompts(weights)
            spoken = [conds for i, conds in enumerate(by_span(positive)) if i in counting]
            ours = isinstance(self.model, HostModel)
            whole = merged_cond(spoken, weights[counting]) if ours else None
            if whole is not None:
                return self.batch([whole, opposed], x_host, inputs)
            *prompted, away = self.batch([*spoken, opposed], x_host, inputs)
            parts = [inputs.from_host(part) for part in prompted]
            return [inputs.for_host(blend_predictions(parts, weights[counting])), away]

        def combined(arguments: HostArguments) -> Latent:
            cond, uncond = arguments["cond_denoised"], arguments["uncond_denoised"]
            none = None
            if footage != 1:
                noisy = inputs.for_host(host_latent(self.model, x, None, self.sigma))
                none = self.batch([negative], noisy, inputs_empty)[0]
            rescale = self.guidance.rescale
            return arguments["input"] - combine(cond, uncond, none, text, footage, rescale, share)

        own = {
            "sampler_calc_cond_batch_function": predictions,
            "sampler_cfg_function": combined,
            "disable_cfg1_optimization": True,
        }
        guided = any_guidance(guidance_weights(text, footage, share)[0])
        always = bool(self.options.get("disable_cfg1_optimization"))  # patches that read both
        predicted = comfy.samplers.sampling_function(
            self.model,
            x_host,
            self.timestep,
            negative if guided or always else None,
            self.conds["positive"],
            text,
            model_options=inputs.wrap(self.options) | own,  # for hooks that call the model
            seed=self.seed,
        )
        return inputs.from_host(predicted)

    def model_inputs(
        self, x: Latent, sigma: Sigma, frames: Tensor, place: int
    ) -> tuple[Tensor, ModelInputs, ModelInputs]:
        """The host's latent for `x`, and the model's other inputs with footage and without."""
        context, level, levels, x_in = self.context, None, None, x
        guided = context.guiding and context.start + int(frames[0]) == 0
        if context.model_mask is not None and (guided or not context.guiding):
            known, clear = context.known[:, :, frames], context.model_mask[:, :, frames]
            x_in, levels = model_view(x, sigma, known, clear)
            level = levels / sigma if self.support.levels != "one" else None
        concat, concat_empty, vace, vace_empty = (
            None if part is None else part[..., frames, :, :]
            for part in (context.concat, context.concat_empty, context.vace, context.vace_empty)
        )
        empty = ModelInputs(
            whole=context.known.shape[2],
            place=place,
            sigma_ratio=None,
            concat=concat_empty,
            vace=vace_empty,
            frames=frames,
            start=context.start,
            total=context.prompts.shape[1],
            guided=False,
            layout=context.layout,
            frames_of_a_token=frames_of_a_token(self.model),
        )
        picture = context.reference_frame
        if picture is not None:
            at_level = picture.at(float(sigma))
            empty = replace(empty, reference=(at_level, picture.channels[:, :, :1]))
        per_token = level is not None and takes_token_times(self.model)
        inputs = replace(
            empty, sigma_ratio=level, concat=concat, vace=vace, guided=guided, per_token=per_token
        )
        if context.guides is not None:
            latents, places = context.guides.among(inputs.canvas_frames)
            if places:
                positions = guide_positions(self.model, latents, places)
                inputs = replace(inputs, guides=(latents, positions))
        return inputs.for_host(host_latent(self.model, x_in, levels, self.sigma)), inputs, empty

    def batch(self, conds: list[Any], x: Latent, view: ModelInputs) -> list[Latent]:
        """The predictions for several conditionings, side by side where that is faster."""
        return comfy.samplers.calc_cond_batch(
            self.model,
            conds,
            x,
            self.timestep,
            view.wrap(self.options),
        )
