"""The expected cost of training on a plan, from arithmetic and a short timing of this machine."""

import shutil
import time
from pathlib import Path

import torch

from ...models.dit import DiT, DiTConfig
from ...models.patchify import LATENT_PATCH
from .plan import TRAIN, Estimates, Plan

REACHED = 0.5  # share of the speed of matrix products alone; measured at 320 tokens: 0.6
TIMED_SIDE = 768  # of the matrices that are timed
TIMED_SECONDS = 0.1
STATE_BYTES = 4 * 9  # a weight, its gradient, two moments and five averages, each of 4 bytes
TOKEN_COPIES = 34  # activations of a token and a block that the backward pass needs, in widths
FIXED_BYTES = 700_000_000  # libraries, autoencoder and text encoder


def estimate(plan: Plan, config: DiTConfig, cache: Path, *, batch: int, lora: bool) -> Estimates:
    """The cost of steps of `batch` clips of `plan` with a transformer of `config`."""
    clips = plan.of_split(TRAIN) or plan.clips
    patch = LATENT_PATCH**2 / config.patch**2  # tokens of this model for each of the plan
    tokens = round(batch * patch * sum(clip.tokens for clip in clips) / len(clips))
    mean = tokens / batch
    weights = parameter_count(config)
    attention = 4 * mean * config.width * config.depth * tokens  # two products of [n n d]
    work = 2 * weights * tokens + attention
    passes = 2.0 if lora else 3.0  # forward, gradients of activations, gradients of weights
    state = 4 * weights if lora else STATE_BYTES * weights
    activations = tokens * config.width * config.depth * TOKEN_COPIES * 2
    return Estimates(
        batch=batch,
        step_tokens=tokens,
        step_seconds=passes * work / (REACHED * matrix_flops()),
        memory_bytes=FIXED_BYTES + state + activations,
        free_bytes=free_bytes(cache),
    )


def parameter_count(config: DiTConfig) -> int:
    """The number of weights of a transformer of `config`, computed without allocation."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in DiT(config).parameters())


def matrix_flops() -> float:
    """Operations a second of bfloat16 matrix products on this machine, the best in 0.1 s."""
    a = torch.ones(TIMED_SIDE, TIMED_SIDE, dtype=torch.bfloat16)
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < TIMED_SECONDS:
        start = time.perf_counter()
        torch.mm(a, a)
        best = min(best, time.perf_counter() - start)
    return 2 * TIMED_SIDE**3 / best


def free_bytes(folder: Path) -> int:
    """The free bytes on the disk of `folder`, or of its nearest existing parent."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
