"""One call of the host's model on a painting: what it sees, is told, and is led by.

Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.model_management as devices
import comfy.samplers
import torch
from torch import Tensor

from ...sora_core.errors import ConfigError
from ...sora_core.sampling.guidance import guide_both, pushes, pushes_any
from ...sora_core.sampling.hold import reveal_view
from ...sora_core.sampling.spans import blend, weights_at
from ...sora_core.sampling.step import Denoise, Sigma
from ...sora_core.shapes import Latent
from .adapters import Adapter, Model
from .model import HostModel
from .seen import Given, Options, Painting, View
from .told import Conds, by_span, in_one


@dataclass(frozen=True, slots=True)
class Lead:
    """How strictly a model follows text and footage, and within which interval of noise."""

    text: float
    footage: float
    rescale: float
    interval: tuple[float, float]

    def at(self, sigma: float) -> tuple[float, float]:
        """The scales of text and of footage at a noise level."""
        low, high = self.interval
        return (self.text, self.footage) if low <= sigma <= high else (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the host's model at one noise level, on any of the latent's frames."""

    model: Model
    adapter: Adapter
    conds: dict[str, Conds]
    lead: Lead
    painting: Painting
    timestep: Tensor
    scale: float  # of what the host has, over rectified flow
    options: Options
    seed: int | None

    def __post_init__(self) -> None:
        if "sampler_calc_cond_batch_function" in self.options:
            raise ConfigError(
                "a patch of this MODEL predicts in a way of its own: leave `latent` of Sora Guider "
                "unconnected, or remove the patch"
            )

    def at(self, first: int, place: int) -> Denoise:
        """The denoiser of frames from `first` on, which the model takes to be at `place`."""
        return partial(self.predict, first=first, place=place)

    def predict(self, x: Latent, sigma: Sigma, *, first: int, place: int) -> Latent:
        """The clean latent, led by text and by footage."""
        devices.throw_exception_if_processing_interrupted()  # a step may be many windows
        painting, negative = self.painting, self.conds["negative"]
        frames = (first + torch.arange(x.shape[2], device=x.device)) % painting.known.shape[2]
        seen, shown, unshown = self.views(x, sigma, frames, place)
        text, footage = self.lead.at(float(sigma))
        if painting.clear is None and painting.beside is None:
            footage = 1.0  # nothing is placed
        share = painting.share
        if isinstance(share, Tensor):
            share = share[:, :, frames.cpu()]
        weights = weights_at(painting.prompts, painting.start + first, len(frames))

        def predictions(given: Given) -> list[Latent]:
            positive, opposed = given["conds"]
            counting = [i for i, row in enumerate(weights) if bool(row.any())]
            spoken = [conds for i, conds in enumerate(by_span(positive)) if i in counting]
            ours = isinstance(self.model, HostModel)
            whole = in_one(spoken, weights[counting]) if ours else None
            if whole is not None:
                return self.batch([whole, opposed], seen, shown)
            *told, away = self.batch([*spoken, opposed], seen, shown)
            prompts = [lambda *_, one=one: one for one in told]
            return [blend(prompts, weights[counting])(0)(x, sigma), away]

        def combine(given: Given) -> Latent:
            towards, away = given["cond_denoised"], given["uncond_denoised"]

            def without(x: Latent, sigma: Sigma) -> Latent:
                return self.batch([negative], x, unshown)[0]

            guided = guide_both(
                lambda *_: towards,
                lambda *_: away,
                without,
                text,
                footage,
                self.lead.rescale,
                share=share,
            )
            return given["input"] - guided(x, 1.0)

        own = {
            "sampler_calc_cond_batch_function": predictions,
            "sampler_cfg_function": combine,
            "disable_cfg1_optimization": True,
        }
        return comfy.samplers.sampling_function(
            self.model,
            seen * self.scale,
            self.timestep,
            negative if pushes_any(pushes(text, footage, share)[0]) else None,
            self.conds["positive"],
            text,
            model_options=self.options | own,
            seed=self.seed,
        )

    def views(
        self, x: Latent, sigma: Sigma, frames: Tensor, place: int
    ) -> tuple[Latent, View, View]:
        """What the model sees of `x`, and beside it: with footage, and as if there were none."""
        painting, level, seen = self.painting, None, x
        if painting.clear is not None:
            known, clear = painting.known[:, :, frames], painting.clear[:, :, frames]
            seen, levels = reveal_view(x, sigma, known, clear)
            level = levels / sigma if self.adapter.levels != "one" else None
        beside, nothing = (
            None if part is None else part[:, :, frames]
            for part in (painting.beside, painting.nothing)
        )
        whole = painting.known.shape[2]
        return seen, View(whole, place, level, beside), View(whole, place, None, nothing)

    def batch(self, conds: list[Any], x: Latent, view: View) -> list[Latent]:
        """The predictions for several conditionings, side by side where that is faster."""
        return comfy.samplers.calc_cond_batch(
            self.model,
            conds,
            x * self.scale,
            self.timestep,
            view.through(self.options),
        )
