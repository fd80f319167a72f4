"""Drift of sora-mini's segments for each kind of anchoring, and how well it is estimated.

python -m tools.anchoring --seconds 2 --steps 10

Kinds: none, a fixed strength as in ComfyUI, or one that follows the drift of each prediction. The
model is the released one, or modified to drift from the second segment on. Each segment is also
generated without anchoring, from the same history, to check the estimate of Sora Sample.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from sora_core.canvas.canvas import Canvas
from sora_core.models.dit import DiT
from sora_core.pipeline.denoiser import GuidedDenoiser
from sora_core.pipeline.generate import (
    SEGMENT_SETTINGS,
    Pipeline,
    load,
    sampler_named,
)
from sora_core.pipeline.script import read_script
from sora_core.pipeline.temporal_plan import OVERLAP, TemporalPlan
from sora_core.sampling.drift import (
    COLOUR,
    CONTRAST,
    SegmentDrift,
    Statistics,
    StatisticsProbe,
)
from sora_core.sampling.guidance import GuidanceScale
from sora_core.sampling.inpaint import keep_known
from sora_core.sampling.noise import seeded_noise
from sora_core.sampling.samplers import Denoise, Sigma
from sora_core.sampling.schedules import clip_shift, shifted_sigmas
from sora_core.sampling.segments import Segment, generate_segments
from sora_core.sampling.windows import Windows
from sora_core.seams.anchoring import anchor
from sora_core.shapes import Latent

SHOTS = ("a red ball rolls to the right on grass by day", "a blue cube slides to the left on sand")
DRIFTS = {"as shipped": (1.0, 0.0), "brighter": (1.0, 0.12), "flatter": (0.9, 0.0)}

Hold = Callable[[Denoise, Statistics, StatisticsProbe], Denoise]


class Drifting(nn.Module):
    """A transformer whose predictions are scaled and shifted, except in clips at the start."""

    def __init__(self, network: DiT, gain: float, bias: float) -> None:
        super().__init__()
        self.network, self.gain, self.bias = network, gain, bias
        self.config = network.config

    def forward(
        self, x: Latent, level: Tensor, *texts: Tensor | None, start: int, fps: float
    ) -> Latent:
        clean = self.network(x, level, *texts, start=start, fps=fps)
        return clean * self.gain + self.bias if start else clean


@dataclass(frozen=True, slots=True)
class Found:
    """Distance of each segment from the first: anchored, not anchored, and as estimated."""

    generated_frames: list[SegmentDrift]
    free: list[SegmentDrift]
    read: list[SegmentDrift]


def main() -> None:
    """Prints the largest drift of any segment, for each drift of the model and kind of anchoring.

    Also prints the drift without anchoring and its estimate, from the runs of fixed strength.
    """
    options = parse()
    pipeline = load()
    colours = torch.tensor(pipeline.config.colours.factors)
    holds = {"not held": unheld, "fixed": fixed, "following": following(colours)}
    print(f"far is more than {COLOUR:g} of 255 or {CONTRAST:.0%}; the most of any link")
    for drift in DRIFTS:
        for name, hold in holds.items():
            found = Found([], [], [])
            for seed, shot in enumerate(SHOTS):
                generate_long(pipeline, drift, hold, shot, seed, options, colours, found)
            print(f"{drift:11} {name:10} {most(found.generated_frames)}", flush=True)
            if hold is fixed:
                print(f"{drift:11} by itself  {most(found.free)}; read {most(found.read)}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.anchoring", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--steps", type=int, default=10)
    return parser.parse_args()


def unheld(denoise: Denoise, like: Statistics, reading: StatisticsProbe) -> Denoise:
    return anchor(denoise, like, 0.0, reading)


def fixed(denoise: Denoise, like: Statistics, reading: StatisticsProbe) -> Denoise:
    return anchor(denoise, like, SEGMENT_SETTINGS.anchor, reading)


def following(colours: Tensor) -> Hold:
    """Anchors more strongly the further a prediction has drifted."""

    def hold(denoise: Denoise, like: Statistics, reading: StatisticsProbe) -> Denoise:
        def held(x: Latent, sigma: Sigma) -> Latent:
            clean = denoise(x, sigma)
            apart = SegmentDrift.between(0, Statistics.from_latent(clean), like, colours)
            strength = min(1.0, max(apart.colour / COLOUR, abs(apart.contrast) / CONTRAST))
            return anchor(lambda x, sigma: clean, like, strength, reading)(x, sigma)

        return held

    return hold


@torch.inference_mode()
def generate_long(
    pipeline: Pipeline,
    drift: str,
    hold: Hold,
    shot: str,
    seed: int,
    options: argparse.Namespace,
    colours: Tensor,
    found: Found,
) -> None:
    """Generates a long video of one shot and adds the figures of its segments to `found`."""
    canvas = Canvas(width=64, height=64, seconds=options.seconds, fps=24.0)
    settings = pipeline.config.sampling
    grid, length = canvas.grid(), settings.window
    network = cast(DiT, Drifting(pipeline.transformer, *DRIFTS[drift]))
    plan = TemporalPlan(grid, Windows(length, OVERLAP), False, True, True)
    scale = GuidanceScale(settings.guidance, interval=(settings.guided_to, 1.0))
    script = read_script(pipeline.encoder, pipeline.tokenizer, shot, "", canvas)
    guided = GuidedDenoiser(network, script, scale, plan, settings.easing)
    sigmas = shifted_sigmas(options.steps, clip_shift(replace(grid, frames=length)))
    noise = seeded_noise(seed, (1, pipeline.config.transformer.latent_channels, *grid.shape))

    def generated(link: Segment, hold: Hold) -> tuple[Statistics, Latent, StatisticsProbe]:
        denoise, reading = guided.denoiser((link.known, link.mask), link.start), StatisticsProbe()
        if link.reference is not None:
            denoise = hold(denoise, link.reference, reading)
        denoise = keep_known(denoise, link.known, link.mask)
        part = noise[:, :, link.frames]
        latent = sampler_named("euler", seed + link.index, part)(denoise, part, sigmas)
        return Statistics.from_latent(latent), latent, reading

    def sample(link: Segment) -> Latent:
        own, latent, reading = generated(link, hold)
        if link.reference is not None:
            found.generated_frames.append(
                SegmentDrift.between(link.index, own, link.reference, colours)
            )
            if hold is fixed and reading.statistics is not None:
                free = generated(link, unheld)[0]
                found.free.append(SegmentDrift.between(link.index, free, link.reference, colours))
                found.read.append(
                    SegmentDrift.between(link.index, reading.statistics, link.reference, colours)
                )
        return latent

    known, mask = torch.zeros_like(noise), torch.ones(1, 1, *grid.shape)
    generate_segments(sample, known, mask, length, SEGMENT_SETTINGS)


def most(parts: Sequence[SegmentDrift]) -> str:
    colour = max(part.colour for part in parts)
    contrast = max((part.contrast for part in parts), key=abs)
    far = sum(part.far for part in parts)
    return f"colour {colour:.1f} of 255, contrast {contrast:+.1%}, {far} of {len(parts)} far"


if __name__ == "__main__":
    main()
