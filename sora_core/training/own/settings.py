"""The settings of a training run on a user's clips."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from ...errors import ConfigError, TrainingError, check_range
from ...models.dit import DiTConfig
from ...models.precision import PRODUCT_PRECISIONS
from ...sampling.noise import MAX_SEED
from ..parallel import DDP, FSDP, PARALLEL

TRANSFORMER_PART, AUTOENCODER_PART, DECODER_PART = "transformer", "autoencoder", "decoder"
CAPTIONER_PART, TEXT_PART = "captioner", "text"
TRAINABLE = (TRANSFORMER_PART, AUTOENCODER_PART, DECODER_PART, CAPTIONER_PART, TEXT_PART)
MUON, ADAMW = "muon", "adamw"
MAX_SNAPSHOTS = 100
MAX_ALPHA = 65504.0  # the largest float16: alpha is stored as one

FREE_TO_CHANGE = (
    "steps", "until", "device", "precision", "compiled", "checkpointing", "accumulate", "parallel",
    "validate_every", "save_every", "sheet_clips", "sheet_steps", "guidance", "start",
)  # fmt: skip
"""Settings that a resumed run may change: its length, device, speed, reports, and the path of its
start file, whose content `run_file.check_run` compares."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnSettings:
    """The trained part, the initial weights, the length and the device of a run.

    `lora_rank` None trains all weights. `rate` None is 1e-3, for LoRA 2e-3; for the text encoder
    1e-4 and 1e-3. `start` None is the released model; `fresh` is the width and the depth of a new
    transformer in place of its own. `batch` counts clips per step over all processes. The rates
    fall to zero over the last `decay` of `steps`. `averages` are the decays of the averages of the
    weights, from which the validation chooses; `snapshots` of two others are saved for `post_hoc`,
    which computes more of them after the run. `until` pauses the run at a step. ConfigError for
    values out of range.
    """

    what: str = TRANSFORMER_PART
    lora_rank: int | None = None
    lora_alpha: float | None = None
    start: str | None = None
    steps: int = 1000
    until: int | None = None
    batch: int = 4
    rate: float | None = None
    warmup: int = 20
    decay: float = 0.3
    weight_decay: float = 0.01
    clip: float = 1.0
    optimizer: str = MUON
    averages: tuple[float, ...] = (0.98, 0.995, 0.999)
    known: float = 0.5  # share of clips with known footage
    no_text: float = 0.1  # share of clips without their caption
    seed: int = 0
    device: str = "auto"
    precision: str = "bfloat16"
    compiled: bool = False
    checkpointing: bool = False
    accumulate: int = 1
    parallel: str = DDP
    validate_every: int = 100
    save_every: int = 100
    sheet_clips: int = 4
    sheet_steps: int = 12
    guidance: float = 3.0
    fresh: tuple[int, int] | None = None
    snapshots: int = 8

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("what", self.what, TRAINABLE),
            ("optimizer", self.optimizer, (MUON, ADAMW)),
            ("precision", self.precision, PRODUCT_PRECISIONS),
            ("parallel", self.parallel, PARALLEL),
        ):
            if value not in choices:
                raise ConfigError(f"{name} {value[:30]!a:.32}: choose {' or '.join(choices)}")
        for name in ("steps", "batch", "accumulate", "validate_every", "save_every", "sheet_steps"):
            check_range(name, getattr(self, name), 1)
        for name in ("warmup", "sheet_clips"):
            check_range(name, getattr(self, name), 0)
        check_range("snapshots", self.snapshots, 0, MAX_SNAPSHOTS)
        check_range("seed", self.seed, 0, MAX_SEED)
        if self.lora_rank is not None:
            check_range("lora_rank", self.lora_rank, 1, 1024)
        if self.lora_alpha is not None and not 0 < self.lora_alpha <= MAX_ALPHA:
            raise ConfigError(
                f"lora_alpha {self.lora_alpha:g}: choose above 0 and at most {MAX_ALPHA:g}"
            )
        if self.fresh is not None:
            width, depth = self.fresh
            DiTConfig(width=width, depth=depth)  # its limits
            if self.lora_rank is not None or self.what != TRANSFORMER_PART:
                raise ConfigError(f"fresh {self.fresh}: for all weights of the transformer only")
        if self.rate is not None and not 0 < self.rate <= 1:
            raise ConfigError(f"rate {self.rate:g}: choose above 0 and at most 1")
        if not self.averages or not all(0 <= decay < 1 for decay in self.averages):
            raise ConfigError(f"averages {self.averages}: each must be at least 0 and below 1")
        if self.until is not None:
            check_range("until", self.until, 1)
        for name in ("decay", "known", "no_text"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("compiled", "checkpointing"):
            if getattr(self, name) and self.what != TRANSFORMER_PART:
                raise ConfigError(
                    f"{name} for the {self.what}: only the transformer has it; leave it out"
                )
        if self.what != TRANSFORMER_PART and self.parallel == FSDP:
            raise ConfigError(f"parallel {FSDP} for the {self.what}: it is small; choose {DDP}")

    @property
    def learning_rate(self) -> float:
        if self.rate is not None:
            return self.rate
        if self.what == TEXT_PART:
            return 1e-4 if self.lora_rank is None else 1e-3
        return 1e-3 if self.lora_rank is None else 2e-3

    @property
    def alpha(self) -> float:
        """The scale of a LoRA is `alpha / lora_rank`."""
        return float(self.lora_rank or 1) if self.lora_alpha is None else self.lora_alpha

    def check_ranks(self, ranks: int) -> None:
        """ConfigError unless the batch splits evenly over processes and parts."""
        parts = ranks * self.accumulate
        if self.batch % parts:
            raise ConfigError(
                f"batch {self.batch} over {ranks} processes and {self.accumulate} parts each: "
                f"choose a multiple of {parts}"
            )


def chosen_device(name: str) -> torch.device:
    """The device called `name`; `auto` is CUDA, else MPS, else the CPU. ConfigError if missing."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as problem:
        raise ConfigError(f"device {name[:30]!a:.32}: choose auto, cpu, cuda or mps") from problem
    there = {"cpu": True, "cuda": torch.cuda.is_available()}
    there["mps"] = torch.backends.mps.is_available()
    if not there.get(device.type, False):
        raise ConfigError(f"device {name[:30]!a:.32}: this machine has none; choose auto or cpu")
    return device


def half_precision(settings: OwnSettings, device: torch.device) -> bool:
    """Whether the model runs in bfloat16; the weights stay float32."""
    if settings.precision == "float32":
        return False
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type != "mps" or torch.backends.mps.is_macos_or_newer(14, 0)


def refuse_changes(saved: dict[str, Any], settings: OwnSettings, folder: Path) -> None:
    """TrainingError that names the first setting in which a resumed run differs from `saved`."""
    now = as_values(settings)
    for field in fields(OwnSettings):
        name = field.name
        if name in FREE_TO_CHANGE or name not in saved or saved[name] == now[name]:
            continue
        raise TrainingError(
            f"{name} was {saved[name]!a:.60} in {folder.name[:40]!a:.42} and is now "
            f"{now[name]!a:.60}: choose the same to resume, or another folder"
        )
    if saved["steps"] > settings.steps:
        raise TrainingError(
            f"steps was {saved['steps']} in {folder.name[:40]!a:.42} and is now "
            f"{settings.steps}: it may only grow; use until to pause earlier"
        )


def as_values(settings: OwnSettings) -> dict[str, Any]:
    """`settings` as JSON values."""
    lists = {"averages": list(settings.averages), "fresh": settings.fresh and list(settings.fresh)}
    return asdict(settings) | lists
