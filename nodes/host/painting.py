"""Painting a canvas with any video model of the host, by the same functions as the core's pipeline.

Axes: b batch, c channels, t latent frames, y rows, x columns.

Some of the host's models count noise from 0 to far above 1: `x = clean + sigma * noise`. Here it is
brought to rectified flow on the way in, and back on the way out.
"""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import comfy.model_patcher
import comfy.model_sampling
import comfy.samplers
import comfy.utils
import torch
from jaxtyping import Float
from torch import Tensor

from ...sora_core.canvas import Canvas
from ...sora_core.digest import digest
from ...sora_core.errors import ConfigError, SizeError
from ...sora_core.kept import Tensors
from ...sora_core.pipeline import CHAIN
from ...sora_core.predictions import Predictions
from ...sora_core.sampling.anchor import Reading, anchor
from ...sora_core.sampling.chain import Link
from ...sora_core.sampling.guidance import eased, guide_both
from ...sora_core.sampling.hold import keep
from ...sora_core.sampling.spans import SPAN
from ...sora_core.shapes import Latent
from .adapters import adapter, channels
from .call import Call, Lead
from .identity import conds_identity, model_identity, pack_identity, sampler_identity
from .keeping import Making, job_of, part_of
from .long import Long
from .model import FRAME_RATE, HostModel
from .sampling import Callback, Conditioning, Guider, Latents, no_model
from .seen import Options, Painting, check_latent, moved, open_space, ring_of
from .sight import Sight
from .telling import Telling
from .told import prompt_weights

PLACED = ("concat_latent_image", "noise_concat")
"""Keys of conditioning that fill a model's channels for footage."""

SINGLE = 4  # bytes of a value, as the host samples


class PaintingGuider(Guider):
    """A GUIDER that keeps footage, closes loops and follows prompts over time, on any model.

    A video longer than the model sees at a time is painted in a chain of links, if the model can be
    shown what is there already; else, and where it is a loop, in windows.
    """

    painting: Painting
    predictions: Predictions | None
    reading: Reading

    def set_painting(
        self, latent: Latents, footage_scale: float, window: float, resume: bool
    ) -> None:
        model = self.model_patcher.model
        self.latent, self.footage_scale, self.resume = latent, footage_scale, resume
        self.adapter = adapter(model)
        guide_both(no_model, no_model, no_model, self.scale, footage_scale)
        check_latent(model, latent)
        placed, looped = "noise_mask" in latent, ring_of(latent)
        if placed and footage_scale != 1 and not self.adapter.shows:
            raise ConfigError(
                f"footage_scale {footage_scale:g}: {type(model).__name__} cannot be shown footage, "
                "only made to keep it; set footage_scale to 1"
            )
        given = {name for conds in self.original_conds.values() for cond in conds for name in cond}
        if (placed or looped) and not given.isdisjoint(PLACED):
            raise ConfigError(
                "the conditioning already holds an image: place it on the canvas instead, and "
                "connect the conditioning without it"
            )
        self.sight = Sight.of(self.model_patcher, self.adapter, latent, window)
        canvas: Canvas | None = latent.get("sora_canvas")
        if canvas is not None and isinstance(model, HostModel) and model.metric:
            self.original_conds = {
                name: [{FRAME_RATE: canvas.fps, **cond} for cond in conds]
                for name, conds in self.original_conds.items()
            }

    @property
    def lead(self) -> Lead:
        return Lead(self.scale, self.footage_scale, self.rescale, self.interval)

    @property
    def says(self) -> str:
        """What this model honours of the canvas, for the user."""
        parts = [self.adapter.says] if "noise_mask" in self.latent else []
        parts += self.sight.says
        if self.resume and self.sight.lasting and not self.sight.linked:
            size = prod(self.latent["samples"].shape) * SINGLE / 1e6
            parts.append(f"Each prediction, {size:.1f} MB, is kept for a restart until it is done.")
        return " ".join(parts)

    def sample(
        self,
        noise: Latent,
        latent_image: Latent,
        sampler: comfy.samplers.Sampler,
        sigmas: Tensor,
        denoise_mask: Tensor | None = None,
        callback: Callback | None = None,
        disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Latent:
        """`latent_image`, painted; bit for bit itself where the mask is 0."""
        if latent_image.shape[2:] != self.latent["samples"].shape[2:]:
            raise SizeError("Sora Guider has another latent than the sampler: connect the same one")
        mask = latent_image.new_ones(1, 1, *latent_image.shape[2:])
        if denoise_mask is not None:
            mask = comfy.utils.reshape_mask(denoise_mask, latent_image.shape)[:, :1]
        mask = mask.to(latent_image)

        sigmas = self.sight.sigmas(sigmas)
        weights = prompt_weights(self.original_conds["positive"], self.latent)
        steps = super().sample

        def paint(
            link: Link,
            fresh: int | None,
            told: Callable[..., None],
            predictions: Predictions | None,
        ) -> Tensors:
            self.painting = self.begun(link, weights)
            self.predictions, self.reading = predictions, Reading()
            painted = steps(
                noise[:, :, link.frames],
                link.known,
                sampler,
                sigmas,
                callback=told,
                disable_pbar=disable_pbar,
                seed=fresh,
            )
            latent = torch.where(link.mask == 0, link.known, painted.to(link.known))
            return part_of(latent, self.reading.like)

        positive = self.original_conds["positive"]
        making = Making(latent_image, mask, noise, seed, positive, weights)
        long = Long(self.model_patcher.model, making, CHAIN, self.sight.link)
        job, unkept = None, ""
        if self.resume and self.sight.lasting:
            try:
                job = job_of(self.shared(sampler, sigmas), making, self.latent, long.total)
            except ConfigError as problem:
                unkept = f"A restart begins anew: {problem}."
        whole, said = long.painted(paint, job, Telling(callback, len(sigmas) - 1))
        self.report = f"{said} {unkept}".strip()
        return whole

    def shared(self, sampler: comfy.samplers.Sampler, sigmas: Tensor) -> str:
        """What makes every link of a painting; ConfigError where a restart could not know it."""
        return digest(
            pack_identity(),
            model_identity(self.model_patcher),
            sampler_identity(sampler),
            sigmas,
            self.lead,
            conds_identity(self.original_conds["negative"]),
            self.latent.get("sora_open"),
            self.sight.windows,
            self.sight.ring,
            CHAIN,
            self.model_patcher.load_device,
        )

    def begun(self, link: Link, weights: Float[Tensor, "p t"]) -> Painting:
        model, latent, mask = self.model_patcher.model, link.known, link.mask
        placed, looped = bool((mask < 1).any()), self.sight.ring
        clear = self.adapter.clear(mask)
        beside = nothing = None
        if (self.adapter.images or self.adapter.marks) and (placed or looped):
            empty = open_space(self.latent, latent)
            closed = (mask if clear is None else clear).gt(0)
            beside = channels(model, torch.where(closed, empty, latent), closed.to(latent))
            nothing = channels(model, empty, torch.ones_like(mask))
        painting = Painting(
            known=model.process_latent_in(latent),
            mask=mask,
            clear=clear if placed else None,
            beside=beside,
            nothing=nothing,
            prompts=weights,
            start=link.start,
            like=link.like and link.like.through(model.process_latent_in),
            anchored=CHAIN.anchor * link.share,
        )
        easing = model.easing if isinstance(model, HostModel) else 0
        share = eased(mask, easing, looped)
        return replace(moved(painting, self.model_patcher.load_device), share=share)

    def predict_noise(
        self,
        x: Latent,
        timestep: Tensor,
        model_options: Options | None = None,
        seed: int | None = None,
    ) -> Latent:
        painting, sigma = self.painting, timestep.max().item()
        counts_flow = isinstance(self.inner_model.model_sampling, comfy.model_sampling.CONST)
        far = 0.0 if counts_flow else sigma
        call = Call(
            self.inner_model,
            self.adapter,
            self.conds,
            self.lead,
            painting,
            timestep,
            1 + far,
            model_options or {},
            seed,
        )
        denoise = self.sight.over(call.at, painting.start)
        if self.predictions is not None:
            denoise = self.predictions.over(denoise)
        if painting.like is not None and painting.anchored > 0:
            denoise = anchor(denoise, painting.like, painting.anchored, self.reading)
        denoise = keep(denoise, painting.known, painting.mask)
        return denoise(x / (1 + far), sigma / (1 + far))


def guider(
    model: comfy.model_patcher.ModelPatcher,
    positive: Conditioning,
    negative: Conditioning,
    scale: float,
    rescale: float,
    interval: tuple[float, float],
    latent: Latents | None,
    footage_scale: float,
    window: float,
    resume: bool,
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
        made.set_painting(latent, footage_scale, window, resume)
    return made
