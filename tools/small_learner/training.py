"""Training of the small learner within a budget of operations, its held-out loss and its clips."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.utils.flop_counter import FlopCounterMode

from .clips import DrawnClip, batch_of, draw_clip
from .losses import NO_PROMPT, Batch, Loss, flow, flow_error
from .model import Learner, LearnerConfig, patches, places_of, video_of

BATCH, RATE, WARMUP, COPY_DECAY = 8, 2e-3, 0.1, 0.98
HELD_OUT_CLIPS, HELD_OUT_LEVELS = 24, (0.3, 0.6, 0.9)
FIRST_TRAINED = 100_000  # clips with lower numbers are held out
SAMPLING_STEPS, GUIDANCE = 16, 2.0

Draw = Callable[[int], Sequence[DrawnClip]]
"""The clips of a step: of one size."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A share of the operations that is spent on one loss."""

    share: float
    loss: Loss


FLOW_ONLY = (Phase(1.0, flow),)


def square_clips(size: tuple[int, int]) -> Draw:
    """BATCH clips of `size` a step."""
    return lambda step: [draw_clip(FIRST_TRAINED + step * BATCH + i, size) for i in range(BATCH)]


def trained(
    config: LearnerConfig,
    phases: Sequence[Phase],
    draw: Draw,
    operations: float,
    seed: int,
) -> tuple[Learner, int]:
    """A learner after `operations` of forward and backward, as torch counts them, and its steps.

    Weights, clips and noise follow from `seed`. Each phase has its own warm-up and decay.
    """
    torch.manual_seed(seed)
    model = Learner(config)
    teacher = copy.deepcopy(model).requires_grad_(False)
    steps, first = 0, 1_000_000 * seed
    for phase in phases:
        cost = step_operations(model, teacher, phase.loss, batch_at(draw, 0))
        count = max(1, round(phase.share * operations / cost))
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95))
        warm = max(1, round(WARMUP * count))
        for step in range(count):
            done = (step - warm) / max(1, count - warm)
            rate = (step + 1) / warm if step < warm else 1 - done
            for group in optimizer.param_groups:
                group["lr"] = RATE * rate
            batch = batch_at(draw, first + steps)
            loss = phase.loss(model, teacher, batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            for average, weight in zip(teacher.parameters(), model.parameters(), strict=True):
                average.data.lerp_(weight.data, 1 - COPY_DECAY)
            steps += 1
    return model.eval().requires_grad_(False), steps


def batch_at(draw: Draw, step: int) -> Batch:
    """The clips of `step` and the generator of all that is random on them."""
    return Batch(*batch_of(draw(step)), Generator().manual_seed(7 * step + 1))


def step_operations(model: Learner, teacher: Learner, loss: Loss, batch: Batch) -> int:
    """The operations of one forward and backward of `loss`."""
    counter = FlopCounterMode(display=False)
    with counter:
        loss(model, teacher, batch).backward()
    model.zero_grad()
    return counter.get_total_flops()


@torch.no_grad()
def held_out(model: Learner, size: tuple[int, int]) -> float:
    """The flow loss on clips that no training uses, at fixed noise and three levels."""
    video, prompts = batch_of([draw_clip(i, size) for i in range(HELD_OUT_CLIPS)])
    clean, places = patches(video), places_of(video)
    noise = torch.randn(clean.shape, generator=Generator().manual_seed(1))
    losses = []
    for level in HELD_OUT_LEVELS:
        sigma = torch.full((len(video),), level)
        predicted = model(clean.lerp(noise, level), places, sigma, prompts)
        losses.append(float(flow_error(predicted, clean, sigma)))
    return sum(losses) / len(losses)


@torch.no_grad()
def generated(model: Learner, prompts: Sequence[int], size: tuple[int, int], seed: int) -> Tensor:
    """A clip for each prompt, [b 3 t y x] in [-1, 1], from noise of `seed`."""
    like = draw_clip(0, size).video.expand(len(prompts), -1, -1, -1, -1)
    places = places_of(like)
    x = torch.randn(patches(like).shape, generator=Generator().manual_seed(seed))
    asked, silent = torch.tensor(prompts), torch.full((len(prompts),), NO_PROMPT)
    sigmas = torch.linspace(1, 0, SAMPLING_STEPS + 1).tolist()
    for now, then in pairwise(sigmas):
        sigma = torch.full((len(prompts),), now)
        with_text, without = (model(x, places, sigma, p) for p in (asked, silent))
        clean = without + GUIDANCE * (with_text - without)
        x = clean + (x - clean) * (then / now)
    return video_of(x, *size).clamp(-1, 1)
