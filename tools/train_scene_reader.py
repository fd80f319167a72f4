"""Trains the scene reader on true clips of the town; a stopped run continues.

python -m tools.train_scene_reader --out models/scene-reader.safetensors
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from sora_core.training.distributed import Ranks
from sora_core.training.scene_reader import (
    SceneReaderTask,
    new_scene_reader,
    save_scene_reader,
    scene_reader_training,
)
from sora_core.training.trainer import Progress, train


def main() -> None:
    """Writes the reader to `--out`; prints its shares of right answers for held-out clips."""
    parser = argparse.ArgumentParser(prog="python -m tools.train_scene_reader", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("models/scene-reader.safetensors"))
    parser.add_argument("--folder", type=Path, default=Path("runs/scene_reader"))
    parser.add_argument("--steps", type=int)
    args = parser.parse_args()
    config = scene_reader_training()
    if args.steps:
        config = replace(config, steps=args.steps)
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    args.folder.mkdir(parents=True, exist_ok=True)
    task = SceneReaderTask(new_scene_reader(), config.batch, config.seed)
    reader = train(task, config, args.folder, Ranks(), resume=True, on_progress=report)
    save_scene_reader(reader, args.out)
    for name, share in task.show(reader, config.steps, args.folder).items():
        print(f"{name} {share:.3f}")


def report(progress: Progress) -> None:
    print(f"{progress.step} of {progress.steps}: {progress.loss:.3f}", flush=True)


if __name__ == "__main__":
    main()
