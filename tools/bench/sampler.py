"""Sampling with guidance: ours and the loop of diffusers, on the same weights and evaluations."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from sora_core.measure.report import Figure
from sora_core.sampling.guidance import guide
from sora_core.sampling.samplers import Sigma, euler
from sora_core.sampling.schedules import shifted_sigmas
from sora_core.shapes import Latent

from .peers import DEPTH, TEXT_TOKENS, TEXT_WIDTH, wan_transformer
from .race import Candidate, race, same
from .wan_dit import WanDiT

TIMESTEPS = 1000.0
SHIFT, SCALE = 3.0, 5.0


@torch.inference_mode()
def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    """The error against diffusers, and the races with guidance in all and in half of the steps."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    depth, side, steps = (2, 10, 2) if smoke else (DEPTH, 20, 8)  # 125 and 500 tokens
    peer = wan_transformer(depth)
    ours = WanDiT(peer.state_dict()).eval()
    scheduler = FlowMatchEulerDiscreteScheduler(shift=SHIFT)
    noise = torch.randn(1, 16, 5, side, side)
    towards, away = torch.randn(2, 1, TEXT_TOKENS, TEXT_WIDTH)
    sigmas = shifted_sigmas(steps, SHIFT)

    def run_peer() -> Latent:
        x = noise
        scheduler.set_timesteps(sigmas=[1 - i / steps for i in range(steps)])
        for timestep in scheduler.timesteps:
            velocity = peer(x, timestep[None], towards, return_dict=False)[0]
            other = peer(x, timestep[None], away, return_dict=False)[0]
            velocity = other + SCALE * (velocity - other)
            x = scheduler.step(velocity, timestep, x, return_dict=False)[0]
        return x

    def denoise(x: Latent, sigma: Sigma, text: Tensor) -> Latent:
        return x - sigma * ours(x, torch.tensor([sigma * TIMESTEPS]), text)

    def run_ours(lowest: float = 0.0) -> Latent:
        models = (partial(denoise, text=text) for text in (towards, away))
        return euler(guide(*models, SCALE, interval=(lowest, 1.0)), noise, sigmas)

    yield same("sampler", run_ours(), run_peer(), limit=1e-4)  # errors add up over the steps
    candidates = {
        "diffusers": Candidate(run_peer),
        "ours": Candidate(run_ours),
        "ours_half": Candidate(lambda: run_ours(sigmas[steps // 2 - 1])),  # the first half
    }
    done = race("sampler", candidates, rounds)
    yield from done.figures()
    yield from done.verdict("sampler/vs_diffusers", "ours")
    yield from done.verdict("sampler/interval_vs_diffusers", "ours_half")
