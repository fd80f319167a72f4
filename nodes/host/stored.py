"""Latents too large for memory, in files of the host's temporary folder that go when they do."""

import secrets
from math import prod
from pathlib import Path

import folder_paths
import torch
from torch import Tensor

from ...sora_core.weights import mapped

LARGE = 256 * 2**20  # bytes


def room(shape: tuple[int, ...]) -> Tensor:
    """Zeros of `shape`: in memory, or on the disk where they take more than `LARGE`."""
    if 4 * prod(shape) <= LARGE:
        return torch.zeros(shape)
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return mapped(folder / f"sora_{secrets.token_hex(8)}.safetensors", "latent_tensor", shape)
