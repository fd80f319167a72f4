"""What a model of the host sees of a latent that is being painted, and beside it.

Axes: b batch, c channels, t latent frames, y rows, x columns; p prompts.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ...sora_core.canvas import Canvas
from ...sora_core.errors import ConfigError, SizeError
from ...sora_core.sampling.anchor import Statistics
from ...sora_core.sampling.guidance import Share
from ...sora_core.sampling.hold import Mask
from ...sora_core.shapes import Latent
from .adapters import Model
from .sampling import Latents

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
    prompts: Float[Tensor, "p t"]  # how much each counts in each frame of the canvas
    start: int = 0  # the first of its frames that is painted now
    like: Statistics | None = None  # what an earlier part was like
    anchored: float = 0.0  # and how far this one is brought back to it
    share: Share = 1.0  # of what the text pushes, for each frame; said on the CPU


@dataclass(frozen=True, slots=True)
class Places:
    """Where the frames of a call stand, as the windows of each host's version say it to a model."""

    index_list: list[int]
    dim: int = 2


@dataclass(frozen=True, slots=True)
class View:
    """What the model sees beside the latent frames that it is called on."""

    whole: int  # latent frames that are painted together
    place: int  # of the first, as the model is to take it
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
        if self.place and window is None:
            places = list(range(self.place, self.place + x.shape[2]))
            here = {"context_window": Places(places)}
            conds["transformer_options"] = conds["transformer_options"] | here
        return given | {"c": conds}


def plainly(apply: Callable[..., Latent], given: Given) -> Latent:
    return apply(given["input"], given["timestep"], **given["c"])


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


def moved(painting: Painting, device: torch.device) -> Painting:
    """`painting` on `device`."""
    on_device = {
        field.name: part.to(device)
        for field in fields(painting)
        if isinstance(part := getattr(painting, field.name), Tensor)
    }
    return replace(painting, **on_device)
