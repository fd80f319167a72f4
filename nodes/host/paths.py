"""Files and folders of the host."""

import json
import secrets
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Protocol

import comfy.model_management as devices
import folder_paths
import torch
from comfy.cli_args import args
from torch import Tensor

from ...sora_core.checkpoints.safetensors_io import mapped_tensor
from ...sora_core.errors import ConfigError
from ...sora_core.paths import inside
from ...sora_core.pipeline.generate import MODELS
from .validation import checked_choice

MODEL_SUFFIX = ".safetensors"
MODELS_FOLDER = "diffusion_models"
JOBS_FOLDER = "sora-jobs"


class HiddenInputs(Protocol):
    """The hidden inputs of a node: the graph as prompt and as workflow."""

    prompt: Any
    extra_pnginfo: Any


def model_names() -> list[str]:
    """The names of the pack's models, then those of the host's."""
    shipped = shipped_names()
    hosted = folder_paths.get_filename_list(MODELS_FOLDER)
    return shipped + [
        name for name in hosted if name.endswith(MODEL_SUFFIX) and name not in shipped
    ]


def model_path(name: str) -> Path:
    """The file of one of `model_names()`; ConfigError for any other name."""
    name = checked_choice("model", name, model_names())
    if name in shipped_names():
        return inside(MODELS, name)
    path = folder_paths.get_full_path(MODELS_FOLDER, name)
    if path is None:  # a link whose file is gone is listed too
        raise ConfigError(
            f"model {name[:60]!a:.62} is listed, but its file is gone: choose another"
        )
    return Path(path)


def shipped_names() -> list[str]:
    return sorted(file.name for file in MODELS.glob(f"sora-*{MODEL_SUFFIX}"))


def jobs_folder() -> Path:
    """The folder of long jobs, in the host's output folder."""
    return Path(folder_paths.get_output_directory()) / JOBS_FOLDER


def workflow_notes(hidden: HiddenInputs | None) -> dict[str, str]:
    """The metadata from which ComfyUI restores the graph; empty if the host has it disabled.

    Scripts at the API choose the names: characters that a file cannot hold are replaced.
    """
    if args.disable_metadata or hidden is None:
        return {}
    notes = dict(hidden.extra_pnginfo) if isinstance(hidden.extra_pnginfo, Mapping) else {}
    if hidden.prompt is not None:
        notes["prompt"] = hidden.prompt
    return {metadata_name(name): json.dumps(note) for name, note in notes.items()}


def metadata_name(name: object) -> str:
    """`name` as text that a file can hold: no lone surrogates, no NUL."""
    return str(name).encode("utf-8", "replace").decode().replace("\0", "?")


def free_memory() -> int:
    """The free main memory, in bytes."""
    free: Any = devices.get_free_memory(torch.device("cpu"))
    return int(free)


LARGE_BYTES = 256 * 2**20  # bytes


def zeros_on_disk(shape: tuple[int, ...]) -> Tensor:
    """Zeros of `shape`: in memory, or in a mapped temporary file above `LARGE_BYTES`."""
    if 4 * prod(shape) <= LARGE_BYTES:
        return torch.zeros(shape)
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return mapped_tensor(
        folder / f"sora_{secrets.token_hex(8)}.safetensors", "latent_tensor", shape
    )
