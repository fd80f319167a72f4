"""Painting a canvas with any video model of the host, by the same functions as the core's pipeline.

Axes: b batch, c channels, t latent frames, y rows, x columns; p prompts, n latent frames at hand.

Some of the host's models count noise from 0 to far above 1: `x = clean + sigma * noise`. Here it is
brought to rectified flow on the way in, and back on the way out.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import comfy.model_patcher
import comfy.model_sampling
import comfy.samplers
import comfy.utils
import torch
from jaxtyping import Float
from torch import Tensor

from ...sora_core.canvas import Canvas
from ...sora_core.errors import ConfigError, SizeError
from ...sora_core.sampling.guidance import guide_both, pushes
from ...sora_core.sampling.hold import Mask, keep, reveal_view
from ...sora_core.sampling.ring import ring_at
from ...sora_core.sampling.spans import SPAN, blend, span_weights, spans_of, weights_at
from ...sora_core.sampling.step import Denoise, Sigma
from ...sora_core.shapes import Latent
from .adapters import Model, adapter, channels
from .model import HostModel
from .sampling import Conditioning, Guider, Latents

RING_CUTS = 2  # for large models: a loop costs as many calls a step
PLACED = ("concat_latent_image", "noise_concat")
"""Keys of conditioning that fill a model's channels for footage."""

Options = dict[str, Any]
"""What the host calls model options."""

Given = dict[str, Any]
"""What the host hands on: the input of a model, or the predictions to be combined."""

Channels = Float[Tensor, "1 c2 t y x"]


@dataclass(frozen=True, slots=True)
class Painting:
    """What is known of a latent that is being painted, on the device that paints it."""

    known: Latent  # as the model has it, not as the VAE gave it
    mask: Mask
    clear: Mask | None  # at which levels the model may see held tokens
    beside: Channels | None  # what it sees in its channels for footage
    nothing: Channels | None  # and there, were nothing known
    prompts: Float[Tensor, "p t"]  # how much each counts in each frame


@dataclass(frozen=True, slots=True)
class Line:
    """What the model sees beside the latent frames that it is called on."""

    whole: int  # latent frames of all the canvas
    level: Mask | None  # of what it sees, over the sampler's
    beside: Channels | None

    def through(self, options: Options) -> Options:
        """`options` with the model called so, and by whatever called it before."""
        before = options.get("model_function_wrapper", plainly)

        def call(apply: Callable[..., Latent], given: Given) -> Latent:
            return before(apply, self.added(given))

        return options | {"model_function_wrapper": call}

    def added(self, given: Given) -> Given:
        x, conds = given["input"], dict(given["c"])
        window = conds["transformer_options"].get("context_window")  # of the host's own windows
        part = slice(None) if window is None else window.index_list
        if window is None and x.shape[2] != self.whole:
            for name, cond in conds.items():
                timed = isinstance(cond, Tensor) and cond.ndim > 4 and cond.shape[-3] == self.whole
                if timed and name != "c_concat":
                    raise ConfigError(f"{name} lies along time: it cannot be led around a loop")
        for name, shown in (("denoise_mask", self.level), ("c_concat", self.beside)):
            if shown is not None:
                conds[name] = shown[:, :, part].repeat(len(x) // len(shown), 1, 1, 1, 1)
        return given | {"c": conds}


def plainly(apply: Callable[..., Latent], given: Given) -> Latent:
    return apply(given["input"], given["timestep"], **given["c"])


class PaintingGuider(Guider):
    """A GUIDER that keeps footage, closes loops and follows prompts over time, on any model."""

    def set_painting(self, latent: Latents, footage_scale: float) -> None:
        model = self.model_patcher.model
        self.latent, self.footage_scale = latent, footage_scale
        self.adapter = adapter(model)
        guide_both(no_model, no_model, no_model, self.scale, footage_scale)
        check_latent(model, latent)
        placed, looped = "noise_mask" in latent, ring_of(latent)
        if placed and footage_scale != 1 and not self.adapter.shows:
            raise ConfigError(
                f"footage_scale {footage_scale:g}: {type(model).__name__} cannot be shown footage, "
                "only made to keep it; set footage_scale to 1"
            )
        given = [name for conds in self.original_conds.values() for cond in conds for name in cond]
        if (placed or looped) and any(name in given for name in PLACED):
            raise ConfigError(
                "the conditioning already holds an image: place it on the canvas instead, and "
                "connect the conditioning without it"
            )

    @property
    def says(self) -> str:
        """What this model honours of the canvas, for the user."""
        parts = [self.adapter.says] if "noise_mask" in self.latent else []
        if ring_of(self.latent):
            cuts = self.cuts(self.latent["samples"].shape[2])
            parts.append(f"Each step of a loop calls the model {cuts} times.")
        return " ".join(parts)

    def cuts(self, period: int) -> int:
        """At how many places to cut a loop open; our model, as the core does, at each frame."""
        ours = isinstance(self.model_patcher.model, HostModel)
        return period if ours else min(RING_CUTS, period)

    def sample(
        self,
        noise: Latent,
        latent_image: Latent,
        sampler: comfy.samplers.Sampler,
        sigmas: Tensor,
        denoise_mask: Tensor | None = None,
        callback: Callable[..., None] | None = None,
        disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Latent:
        """`latent_image`, painted; bit for bit itself where the mask is 0."""
        if latent_image.shape[2:] != self.latent["samples"].shape[2:]:
            raise SizeError("Sora Guider has another latent than the sampler: connect the same one")
        mask = latent_image.new_ones(1, 1, *latent_image.shape[2:])
        if denoise_mask is not None:
            mask = comfy.utils.reshape_mask(denoise_mask, latent_image.shape)[:, :1]
        self.painting = self.begun(latent_image, mask.to(latent_image))
        painted = super().sample(
            noise, latent_image, sampler, sigmas, None, callback, disable_pbar, seed
        )
        return torch.where(mask.to(painted) == 0, latent_image.to(painted), painted)

    def begun(self, latent: Latent, mask: Mask) -> Painting:
        model, device = self.model_patcher.model, self.model_patcher.load_device
        beside = nothing = None
        placed, looped = bool((mask < 1).any()), ring_of(self.latent)
        if (self.adapter.images or self.adapter.marks) and (placed or looped):
            empty = open_space(self.latent, latent)
            clear = self.adapter.clear(mask)
            closed = mask.gt(0) if clear is None else clear.gt(0)
            beside = channels(model, torch.where(closed, empty, latent), closed.to(latent))
            nothing = channels(model, empty, torch.ones_like(mask))
        painting = Painting(
            known=model.process_latent_in(latent),
            mask=mask,
            clear=self.adapter.clear(mask) if placed else None,
            beside=beside,
            nothing=nothing,
            prompts=prompt_weights(self.original_conds["positive"], self.latent),
        )
        return moved(painting, device)

    def predict_noise(
        self,
        x: Latent,
        timestep: Tensor,
        model_options: Options | None = None,
        seed: int | None = None,
    ) -> Latent:
        painting, sigma = self.painting, timestep.max().item()
        model_sampling = self.inner_model.model_sampling
        far = 0.0 if isinstance(model_sampling, comfy.model_sampling.CONST) else sigma
        predict = partial(
            self.predict, timestep=timestep, scale=1 + far, options=model_options or {}, seed=seed
        )

        def at(start: int) -> Denoise:
            return partial(predict, start=start)

        period = x.shape[2]
        looped = ring_at(at, period, self.cuts(period)) if ring_of(self.latent) else at(0)
        held = keep(looped, painting.known, painting.mask)
        return held(x / (1 + far), sigma / (1 + far))

    def predict(
        self,
        x: Latent,
        sigma: Sigma,
        *,
        start: int,
        timestep: Tensor,
        scale: float,
        options: Options,
        seed: int | None,
    ) -> Latent:
        """The clean latent of the frames from `start` on, led by text and by footage."""
        painting = self.painting
        frames = (start + torch.arange(x.shape[2], device=x.device)) % painting.known.shape[2]
        level, seen = None, x
        if painting.clear is not None:
            known, clear = painting.known[:, :, frames], painting.clear[:, :, frames]
            seen, levels = reveal_view(x, sigma, known, clear)
            level = levels / sigma if self.adapter.levels != "one" else None
        beside, nothing = (
            None if part is None else part[:, :, frames]
            for part in (painting.beside, painting.nothing)
        )
        line = Line(painting.known.shape[2], level, beside)
        unshown = Line(painting.known.shape[2], None, nothing)
        low, high = self.interval
        within = low <= float(sigma) <= high
        text, footage = (self.scale, self.footage_scale) if within else (1.0, 1.0)
        if not self.adapter.shows or "noise_mask" not in self.latent:
            footage = 1.0

        def batch(conds: list[Any], x: Latent, line: Line) -> list[Latent]:
            given = line.through(options)
            return comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, given)

        def predictions(given: Given) -> list[Latent]:
            positive, negative = given["conds"]
            spoken = by_span(positive)
            here = weights_at(painting.prompts, start, len(frames))
            counting = [i for i, row in enumerate(here) if bool(row.any())]
            *told, away = batch([*(spoken[i] for i in counting), negative], seen * scale, line)
            prompts = [lambda *_, one=one: one for one in told]
            return [blend(prompts, here[counting])(0)(x, sigma), away]

        def combine(given: Given) -> Latent:
            towards, away = given["cond_denoised"], given["uncond_denoised"]

            def without(x: Latent, sigma: Sigma) -> Latent:
                return batch([self.conds["negative"]], x * scale, unshown)[0]

            guided = guide_both(
                lambda *_: towards, lambda *_: away, without, text, footage, self.rescale
            )
            return given["input"] - guided(x, 1.0)

        if "sampler_calc_cond_batch_function" in options:
            raise ConfigError(
                "a patch of this MODEL predicts in a way of its own: leave `latent` of Sora Guider "
                "unconnected, or remove the patch"
            )
        own = {
            "sampler_calc_cond_batch_function": predictions,
            "sampler_cfg_function": combine,
            "disable_cfg1_optimization": True,
        }
        return comfy.samplers.sampling_function(
            self.inner_model,
            seen * scale,
            timestep,
            self.conds["negative"] if pushes(text, footage)[0] else None,
            self.conds["positive"],
            text,
            model_options=options | own,
            seed=seed,
        )


def no_model(x: Latent, sigma: Sigma) -> Latent:
    return x


def check_latent(model: Model, latent: Latents) -> None:
    """ConfigError or SizeError where `model` would not see what `latent` holds."""
    samples, wanted = latent["samples"], model.latent_format.latent_channels
    if samples.ndim != 5:
        raise SizeError("`latent` of Sora Guider has no time: encode a canvas for a video model")
    if samples.shape[1] != wanted:
        raise ConfigError(
            f"a latent of {samples.shape[1]} channels for a model of {wanted}: encode the canvas "
            "with the VAE of this model"
        )


def ring_of(latent: Latents) -> bool:
    canvas: Canvas | None = latent.get("sora_canvas")
    return canvas is not None and canvas.ring


def open_space(latent: Latents, like: Latent) -> Latent:
    """What a model that has channels for footage is used to see where there is none."""
    grey: Latent | None = latent.get("sora_open")
    if grey is None or grey.shape[3:] != like.shape[3:]:
        return torch.zeros_like(like)
    first = grey.shape[2] - 1 if ring_of(latent) else 0
    return grey[:, :, (first + torch.arange(like.shape[2])).clamp(max=grey.shape[2] - 1)].to(like)


def by_span(conds: list[Given]) -> list[list[Given]]:
    """`conds`, those of each span together."""
    spans, which = spans_of(conds)
    return [
        [cond for cond, own in zip(conds, which, strict=True) if own == i]
        for i in range(len(spans))
    ]


def prompt_weights(conds: list[Given], latent: Latents) -> Float[Tensor, "p t"]:
    """How much the prompts of each span count in each frame of `latent`."""
    spans, _ = spans_of(conds)
    frames = latent["samples"].shape[2]
    if len(spans) < 2:
        return torch.ones(1, frames)
    canvas: Canvas | None = latent.get("sora_canvas")
    if canvas is None:
        raise ConfigError(
            "prompts over spans of time, and a latent that no canvas made: use Sora Encode Canvas"
        )
    ranges = [canvas.frames_of(i, latent["sora_compression"]) for i in range(frames)]
    seconds = [(shown.start / canvas.fps, shown.stop / canvas.fps) for shown in ranges]
    timed = [span for span in spans if span is not None]
    return span_weights(timed, seconds, ring=canvas.ring, main=None in spans)


def moved(painting: Painting, device: torch.device) -> Painting:
    """`painting` on `device`."""
    on_device = {
        field.name: part.to(device)
        for field in fields(painting)
        if (part := getattr(painting, field.name)) is not None
    }
    return replace(painting, **on_device)


def guider(
    model: comfy.model_patcher.ModelPatcher,
    positive: Conditioning,
    negative: Conditioning,
    scale: float,
    rescale: float,
    interval: tuple[float, float],
    latent: Latents | None,
    footage_scale: float,
) -> Guider:
    """A GUIDER of `model`, which paints the canvas of `latent` where there is one."""
    if latent is None:
        if any(SPAN in options for _, options in positive):
            raise ConfigError("prompts over spans of time: connect `latent` of Sora Guider too")
        if footage_scale != 1:
            raise ConfigError("footage_scale needs footage: connect `latent` of Sora Guider too")
    made = Guider(model) if latent is None else PaintingGuider(model)
    made.set_conds(positive, negative)
    made.set_guidance(scale, rescale, interval)
    if isinstance(made, PaintingGuider) and latent is not None:
        made.set_painting(latent, footage_scale)
    return made
