"""Foreign values of what a sampler takes: latents, conditionings, sigmas, noise and models."""

from collections.abc import Callable, Mapping
from math import inf, nan
from types import MappingProxyType
from typing import Any

import comfy.sd
import torch
from torch import Tensor

from tests.hostile.foreign_images import SIDE, Catalogue, spoiled

Good = Mapping[str, Any]
"""A valid value for each socket type."""


class ForeignNoise:
    """A NOISE of another pack."""

    def __init__(self, make: Callable[[Tensor], object], seed: object = 1) -> None:
        self.make, self.seed = make, seed

    def generate_noise(self, latent: dict[str, Any]) -> object:
        return self.make(latent["samples"])


def latents(good: Good) -> Catalogue:
    """LATENTs derived from a valid one, which a canvas made."""
    latent = good["LATENT"]
    samples: Tensor = latent["samples"]
    plain = {"samples": samples}

    def other(**changes: object) -> Callable[[], object]:
        return lambda: latent | changes

    def alone(make: Callable[[Tensor], object]) -> Callable[[], object]:
        return lambda: {"samples": make(samples.clone())}

    def masked(mask: object) -> Callable[[], object]:
        return lambda: plain | {"noise_mask": mask}

    return {
        "samples None": other(samples=None),
        "samples as a list": lambda: {"samples": samples.tolist()},
        "no samples": lambda: {"noise_mask": torch.ones(1, 1, 4, 4)},
        "latent read-only": lambda: MappingProxyType(plain),
        "latent without a canvas": alone(lambda x: x),
        "latent of 4 axes": alone(lambda x: x[:, :, 0]),
        "latent of 4 axes, 4 channels": lambda: {"samples": torch.zeros(1, 4, 4, 4)},
        "latent of 4 channels": alone(lambda x: x[:, :4]),
        "latent of 3 axes": alone(lambda x: x[:, :, 0, 0]),
        "latent of 6 axes": alone(lambda x: x[None]),
        "nan latent": alone(lambda x: spoiled(x, nan)),
        "nan latent of the canvas": other(samples=spoiled(samples, nan)),
        "infinite latent": alone(lambda x: spoiled(x, inf)),
        "huge latent": alone(lambda x: x * 1e30),
        "half latent": alone(lambda x: x.half()),
        "bfloat16 latent": alone(lambda x: x.bfloat16()),
        "float64 latent": alone(lambda x: x.double()),
        "int latent": alone(lambda x: x.long()),
        "bool latent": alone(lambda x: x > 0),
        "no latents": alone(lambda x: x[:0]),
        "two latents": alone(lambda x: torch.cat([x, x])),
        "two latents of the canvas": other(samples=torch.cat([samples, samples])),
        "no latent frames": alone(lambda x: x[:, :, :0]),
        "one latent frame": alone(lambda x: x[:, :, :1]),
        "one cell": alone(lambda x: x[:, :, :1, :1, :1]),
        "latent of odd sides": lambda: {"samples": torch.zeros(1, samples.shape[1], 2, 3, 5)},
        "latent as a view": alone(lambda x: x.transpose(3, 4)),
        "expanded latent": alone(lambda x: x[:, :, :1].expand(-1, -1, 3, -1, -1)),
        "latent with gradient": alone(torch.nn.Parameter),
        "meta latent": alone(lambda x: x.to("meta")),
        "sparse latent": alone(lambda x: x.to_sparse()),
        "mask of 2 axes in a latent": masked(torch.ones(SIDE, SIDE)),
        "mask of 3 axes in a latent": masked(torch.ones(1, SIDE, SIDE)),
        "mask of 4 axes in a latent": masked(torch.ones(1, 1, SIDE, SIDE)),
        "mask of other sides in a latent": masked(torch.ones(1, 1, 1, 7, 9)),
        "mask of a batch in a latent": masked(torch.ones(3, 1, 1, 4, 4)),
        "nan mask in a latent": masked(torch.full((1, 1, 1, 4, 4), nan)),
        "infinite mask in a latent": masked(torch.full((1, 1, 1, 4, 4), inf)),
        "mask above 1 in a latent": masked(torch.full((1, 1, 1, 4, 4), 7.0)),
        "bool mask in a latent": masked(torch.ones(1, 1, 1, 4, 4, dtype=torch.bool)),
        "int mask in a latent": masked(torch.ones(1, 1, 1, 4, 4, dtype=torch.int64)),
        "half mask in a latent": masked(torch.ones(1, 1, 1, 4, 4).half()),
        "empty mask in a latent": masked(torch.ones(0)),
        "text as the mask of a latent": masked("white"),
        "mask None in a latent": masked(None),
        "text as the canvas of a latent": other(sora_canvas_latent="canvas"),
        "batch_index as text": lambda: plain | {"batch_index": "x"},
        "latent of sound": lambda: {"samples": torch.zeros(1, 64, 100), "type": "audio"},
    }


def conditionings(good: Good) -> Catalogue:
    """CONDITIONINGs derived from a valid one."""
    states, options = good["CONDITIONING"][0]

    def pair(first: object, **more: object) -> Callable[[], object]:
        return lambda: [[first, options | more]]

    return {
        "pair without options": lambda: [[states]],
        "pair with None": lambda: [[states, None]],
        "pair with a list": lambda: [[states, []]],
        "conditioning without states": pair(None),
        "states as text": pair("a red ball"),
        "options alone": lambda: [dict(options)],
        "pairs as tuples": lambda: ((states, options),),
        "two pairs": lambda: [[states, dict(options)], [states, dict(options)]],
        "three pairs, one None": lambda: [[states, dict(options)], None],
        "width of CLIP-L": pair(torch.zeros(1, 77, 768)),
        "width of T5": pair(torch.zeros(1, 128, 4096)),
        "states of 2 axes": pair(states[0]),
        "states of 4 axes": pair(states[None]),
        "states of a batch": pair(states.expand(2, -1, -1)),
        "no tokens": pair(states[:, :0]),
        "nan states": pair(spoiled(states, nan)),
        "infinite states": pair(spoiled(states, inf)),
        "huge states": pair(states * 1e30),
        "half states": pair(states.half()),
        "float64 states": pair(states.double()),
        "int states": pair(states.long()),
        "meta states": pair(states.to("meta")),
        "pooled as text": pair(states, pooled_output="x"),
        "pooled None": pair(states, pooled_output=None),
        "pooled nan": pair(states, pooled_output=torch.full((1, 768), nan)),
        "pooled of SDXL": pair(states, pooled_output=torch.zeros(1, 1280)),
        "strength as text": pair(states, strength="strong"),
        "strength nan": pair(states, strength=nan),
        "area as text": pair(states, area="left"),
        "area of 2 numbers": pair(states, area=(4, 4)),
        "area of an image": pair(states, area=(4, 4, 0, 0)),
        "mask as text": pair(states, mask="white", mask_strength=1.0),
        "mask of nan": pair(states, mask=torch.full((1, 4, 4), nan), mask_strength=1.0),
        "mask of an area": pair(states, mask=torch.ones(1, SIDE, SIDE), mask_strength=1.0),
        "percent as text": pair(states, start_percent="x", end_percent=1.0),
        "percent over a half": pair(states, start_percent=0.0, end_percent=0.5),
        "attention mask of another length": pair(states, attention_mask=torch.ones(1, 3).long()),
        "control None": pair(states, control=None),
        "hooks as text": pair(states, hooks="x"),
        "span as text": pair(states, sora_span="0-1"),
    }


def schedules() -> Catalogue:
    """SIGMAS."""
    sigmas = torch.tensor([1.0, 0.5, 0.0])
    return {
        "sigmas": sigmas.clone,
        "no sigmas": lambda: sigmas[:0],
        "one sigma": lambda: sigmas[:1],
        "nan sigmas": lambda: spoiled(sigmas, nan),
        "infinite sigmas": lambda: spoiled(sigmas, inf),
        "huge sigmas": lambda: sigmas * 1e30,
        "negative sigmas": lambda: sigmas - 2,
        "rising sigmas": lambda: sigmas.flip(0),
        "sigmas that rise a little above 0": lambda: torch.tensor([1e-4, 0.5, 1.0]),
        "sigmas that rise and fall": lambda: torch.tensor([0.5, 1.0, 0.0]),
        "sigmas 0": lambda: sigmas * 0,
        "equal sigmas": lambda: torch.ones(3),
        "sigmas of 2 axes": lambda: sigmas[None],
        "half sigmas": lambda: sigmas.half(),
        "float64 sigmas": lambda: sigmas.double(),
        "int sigmas": lambda: torch.tensor([2, 1, 0]),
        "sigmas far above 1": lambda: sigmas * 14.6,
        "tiny sigmas": lambda: sigmas * 1e-40,
    }


def services(good: Good) -> Catalogue:
    """NOISE, GUIDER, MODEL, CLIP, VAE, canvas: real ones at the wrong input, and broken ones."""

    kinds = ("MODEL", "CLIP", "VAE", "NOISE", "GUIDER", "SORA_CANVAS")
    real: Catalogue = {f"a real {kind}": lambda kind=kind: good[kind] for kind in kinds}
    return real | {
        "noise that raises": lambda: ForeignNoise(lambda x: 1 / 0),
        "noise of another shape": lambda: ForeignNoise(lambda x: torch.zeros(1, 2, 3)),
        "noise of nan": lambda: ForeignNoise(lambda x: x * nan),
        "noise None": lambda: ForeignNoise(lambda x: None),
        "noise of zeros": lambda: ForeignNoise(torch.zeros_like),
        "half noise": lambda: ForeignNoise(lambda x: torch.zeros_like(x).half()),
        "noise without a seed": lambda: ForeignNoise(torch.zeros_like, None),
        "noise of seed text": lambda: ForeignNoise(torch.zeros_like, "x"),
        "noise of a seed of 10**40": lambda: ForeignNoise(torch.zeros_like, 10**40),
        "noise of seed -1": lambda: ForeignNoise(torch.zeros_like, -1),
        "VAE without weights": lambda: comfy.sd.VAE(sd={}),
    }
