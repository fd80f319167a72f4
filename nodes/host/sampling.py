"""Our noise and samplers as the host's NOISE and SAMPLER, and sampling by any GUIDER."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import isfinite
from numbers import Integral
from typing import Any

import comfy.model_base
import comfy.model_management as devices
import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
from torch import Tensor

from ...sora_core.errors import ConfigError, SizeError
from ...sora_core.pipeline.generate import sampler_named
from ...sora_core.sampling.noise import seeded_noise
from ...sora_core.sampling.samplers import Sigma, Step
from ...sora_core.shapes import Latent
from .flow_sigma import counts_flow
from .latents import LatentDict, is_nested, streams_of, with_matched
from .sockets.foreign import foreign_code
from .sockets.tensors import (
    checked_numbers,
    checked_tensor,
    extremes,
    shape_text,
    type_name,
)

Conditioning = list[Any]
"""The host's CONDITIONING."""

Callback = Callable[[int, Latent, Latent, int], None]
"""The host's callback: step, clean latent, noisy latent, total steps."""


class Noise:
    """A NOISE set by its seed alone: equal on all devices, with one composition at all sizes."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def generate_noise(self, latent: LatentDict) -> Tensor:
        """Unit Gaussian noise of the shape of `latent`, in float32 on the CPU.

        Video has the same noise with sound as without. SizeError unless the samples are `b c y x`
        or `b c t y x`, or a nested latent of these.
        """
        if is_nested(latent["samples"]):
            parts = [
                Noise((self.seed + i) % 2**64).generate_noise({"samples": stream})
                for i, stream in enumerate(streams_of(latent["samples"]))
            ]
            return type(latent["samples"])(parts)
        batch, channels, *sides = latent["samples"].shape
        if len(sides) not in (2, 3):
            raise SizeError(
                "Sora Noise is for pictures and videos, this latent is neither: use RandomNoise"
            )
        frames = sides[0] if len(sides) == 3 else 1
        noise = seeded_noise(self.seed, (batch, channels, frames, *sides[-2:]))
        return noise.reshape(batch, channels, *sides)


FLOW_SAMPLERS = ("dpmpp_2m", "sde")
"""Samplers whose steps depend on signal over noise: they need sigma from 1 to 0."""


def sampler(name: str) -> comfy.samplers.KSAMPLER:
    """A SAMPLER that runs one of ours on any MODEL of the host."""

    def run(
        model: Callable[..., Latent],
        x: Latent,
        sigmas: Tensor,
        extra_args: dict[str, Any] | None = None,
        callback: Callable[[dict[str, Any]], None] | None = None,
        disable: bool | None = None,
    ) -> Latent:
        inputs = extra_args or {}
        rows = x.new_ones(len(x))

        def denoise(x: Latent, sigma: Sigma) -> Latent:
            return model(x, sigma * rows, **inputs)

        def on_step(step: Step) -> None:
            if callback is not None:
                callback({"i": step.index, "denoised": step.clean, "x": step.clean})

        method = sampler_named(name, inputs.get("seed") or 0, x)
        levels = sigmas.tolist()
        guider: Any = getattr(model, "inner_model", None)  # of the host's KSamplerX0Inpaint
        patcher: Any = guider and guider.model_patcher
        if (
            name not in FLOW_SAMPLERS
            or patcher is None
            or counts_flow(patcher.get_model_object("model_sampling"))
        ):
            return method(denoise, x, levels, on_step)

        def flow_denoise(x: Latent, level: Sigma) -> Latent:
            return denoise(x / (1 - level), level / (1 - level))

        flow_levels = [sigma / (1 + sigma) for sigma in levels]
        return method(flow_denoise, x / (1 + levels[0]), flow_levels, on_step) * (1 + levels[-1])

    return comfy.samplers.KSAMPLER(run)


def sample(
    noise: Noise, guider: comfy.samplers.CFGGuider, sigmas: Tensor, latent: LatentDict, name: str
) -> LatentDict:
    """`latent` sampled along `sigmas`, with progress and previews; raises when cancelled."""
    start = comfy.sample.fix_empty_latent_channels(guider.model_patcher, latent["samples"])
    wanted = guider.model_patcher.get_model_object("latent_format").latent_channels
    if start.shape[1] != wanted:
        raise SizeError(
            f"latent: a latent of {start.shape[1]} channels for a model of {wanted}: encode it "
            "with the VAE of this model"
        )
    latent = latent | {"samples": start}
    if len(sigmas) < 2:  # no step: a schedule that was split at its end
        return latent
    callback = moving(latent_preview.prepare_callback(guider.model_patcher, len(sigmas) - 1))
    with matching_text():
        sampled = guider.sample(
            noise_for(noise, latent),
            start,
            sampler(name),
            sigmas,
            denoise_mask=latent.get("noise_mask"),
            callback=callback,
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=seed_of(noise),
        )
    for stream in streams_of(sampled):
        low, high = extremes(stream)
        if not (isfinite(low) and isfinite(high)):
            raise ConfigError(
                f"sigmas: sampling from {float(sigmas[0]):.3g} to {float(sigmas[-1]):.3g} ends in "
                "NaN or infinite numbers: let the schedule fall to 0, or check model and precision"
            )
    latent = latent | {"samples": sampled.to(devices.intermediate_device())}
    matched = getattr(guider, "matched", False) is True  # only our guider has one
    return with_matched(latent, matched)


def noise_for(noise: Noise, latent: LatentDict) -> Tensor:
    """The noise of any pack's NOISE for `latent`; ConfigError unless it has the same shape."""
    with foreign_code("noise", "NOISE"):
        drawn = noise.generate_noise(latent)
    samples = latent["samples"]
    if is_nested(samples) and is_nested(drawn):
        return drawn
    drawn = checked_tensor("noise", drawn, "a NOISE")
    if drawn.shape != samples.shape:
        raise ConfigError(
            f"noise: numbers of {shape_text(drawn)} for a latent of {shape_text(samples)}: connect "
            "Sora Noise"
        )
    return checked_numbers("noise", drawn, "a NOISE")


def seed_of(noise: Noise) -> int | None:
    """The seed of `noise`, in 64 bits; None if it has none."""
    seed: object = getattr(noise, "seed", None)
    if seed is None:
        return None
    if not isinstance(seed, Integral):
        raise ConfigError(f"noise: {type_name(seed)} as its seed: connect Sora Noise")
    return int(seed) % 2**64


@contextmanager
def matching_text() -> Iterator[None]:
    """Replaces torch's error by a ConfigError where text states do not fit the model."""
    try:
        yield
    except RuntimeError as error:
        sides = re.search(r"shapes cannot be multiplied \((\w+ and \w+)\)", str(error))
        if sides is None:
            raise
        raise ConfigError(
            f"guider: the prompts do not fit the model ({sides[1]}): encode them with the CLIP of "
            "this model"
        ) from error


def moving(callback: Callback) -> Callback:
    """`callback` with the next frame of the video at each step: the host previews the first one."""

    def show(step: int, clean: Latent, x: Latent, steps: int) -> None:
        clean = streams_of(clean)[0]
        frame = step % clean.shape[2] if clean.ndim == 5 else None
        callback(step, clean if frame is None else clean[:, :, frame : frame + 1], x, steps)

    return show


def progress(total: int) -> Callable[[int], None]:
    """A function that reports how many of `total` are done; it raises after a cancel."""
    bar = comfy.utils.ProgressBar(total)

    def show(done: int) -> None:
        devices.throw_exception_if_processing_interrupted()
        bar.update_absolute(done)

    return show


def counted(total: int, axis: int) -> Callable[[Iterable[Tensor]], Iterator[Tensor]]:
    """A function that passes the chunks of a video through and reports progress.

    `total` counts frames along `axis`, over all passes if the video is read more than once.
    """
    show, done = progress(total), 0

    def through(parts: Iterable[Tensor]) -> Iterator[Tensor]:
        nonlocal done
        for part in parts:
            yield part
            done += part.shape[axis]
            show(done)

    return through
