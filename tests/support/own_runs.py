"""A small folder of clips, its plan, and settings of a run of seconds on a tiny model."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from sora_core.training.distributed import Ranks
from sora_core.training.own.plan import Plan
from sora_core.training.own.run import OwnResult, train_own
from sora_core.training.own.settings import OwnSettings
from tests.support.clips import captioned_clip
from tests.support.plans import planned
from tests.support.tiny import write_tiny


def small_plan(folder: Path) -> Plan:
    """Five clips of two shapes below `folder`, two of them held out."""
    clips = folder / "clips"
    clips.mkdir(parents=True)
    for i in range(3):
        captioned_clip(clips, f"square{i}.mp4", seed=i, frames=5, width=32, height=32)
    for i in range(3, 5):
        captioned_clip(clips, f"wide{i}.mp4", seed=i, frames=9, width=48, height=32)
    return planned(clips, area=48 * 32, frames=9, held_out=0.4)


def small_settings(folder: Path, **changed) -> OwnSettings:
    """Float32 on a CPU, four clips a step, from the tiny model that is written to `folder`."""
    start = folder / "tiny.safetensors"
    if not start.exists():
        write_tiny(folder)
    usual = {
        "start": str(start),
        "steps": 6,
        "device": "cpu",
        "precision": "float32",
        "averages": (0.5, 0.9),
        "validate_every": 3,
        "save_every": 2,
        "sheet_clips": 1,
        "sheet_steps": 2,
        "warmup": 2,
    }
    return OwnSettings(**usual | changed)


def without_sheets(folder: Path, **changed) -> OwnSettings:
    """`small_settings` without generated clips, which change no weight and no loss."""
    return small_settings(folder, sheet_clips=0, **changed)


def losses(run: Path) -> dict[int, float]:
    """The training loss at each reported step of a run."""
    lines = map(json.loads, (run / "history.jsonl").read_text().splitlines())
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


@dataclass
class GroupRuns:
    """Runs of several settings in each process of a group, one after the other."""

    plan: Plan
    cache: Path
    runs: dict[Path, OwnSettings]

    def __call__(self, ranks: Ranks) -> None:
        for folder, settings in self.runs.items():
            self.one(folder, settings, ranks)

    def one(self, folder: Path, settings: OwnSettings, ranks: Ranks, **more) -> OwnResult:
        device = torch.device("cpu")
        return train_own(
            self.plan, settings, folder, cache_folder=self.cache, ranks=ranks, device=device, **more
        )
