"""World clips on disk, in shards that are rendered once for all runs.

Axes: n clips, t frames, y rows, x columns, k objects.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..files import replacing
from ..shapes import Size
from ..world.captions import describe
from ..world.render import render
from ..world.scene import sample_scene

DATASET_FPS = 8.0
SHARD = 128  # clips
CAPTIONS = 2  # wordings of each clip, each once short and once long
FIRST_OBJECT = 3  # segments: floor, sky, wall, then the objects


@dataclass(frozen=True, slots=True)
class Shelf:
    """A set of clips of one size, identified by its first seed."""

    size: Size
    clips: int
    first_seed: int
    held_out: bool = False

    def shards(self, folder: Path) -> list[Path]:
        """The paths of its shards in `folder`."""
        count = (self.clips + SHARD - 1) // SHARD
        name = f"{self.size.width}x{self.size.height}x{self.size.frames}-{self.first_seed}"
        return [folder / f"{name}-{i:04d}.safetensors" for i in range(count)]


@dataclass(frozen=True, slots=True)
class ClipShard:
    """One shard in memory; `things` are (shape, colour) pairs, `captions` alternate in length."""

    frames: UInt8[Tensor, "n t y x 3"]
    segments: UInt8[Tensor, "n t y x"]
    labels: list[dict[str, str]]
    things: list[list[tuple[str, str]]]
    captions: list[list[str]]

    @property
    def objects(self) -> Float[Tensor, "n t y x"]:
        """1 where a pixel shows an object."""
        return (self.segments >= FIRST_OBJECT).float()


def write_shard(path: Path, shelf: Shelf, seeds: Sequence[int], captions: int) -> None:
    """Renders the scenes of `seeds` to the file at `path`, with `captions` short and long ones."""
    scenes = [sample_scene(seed, held_out=shelf.held_out) for seed in seeds]
    clips = [render(scene, shelf.size, DATASET_FPS) for scene in scenes]
    still = shelf.size.frames == 1
    texts = []
    for seed, scene in zip(seeds, scenes, strict=True):
        variants = [describe(scene, seed * captions + i, still=still) for i in range(captions)]
        texts.append([text for variant in variants for text in (variant.short, variant.long)])
    tensors = {
        "frames": torch.stack([clip.frames for clip in clips]),
        "segments": torch.stack([clip.segments for clip in clips]),
    }
    metadata = {
        "labels": json.dumps([scene.labels for scene in scenes]),
        "things": json.dumps([[(t.shape, t.colour) for t in scene.things] for scene in scenes]),
        "captions": json.dumps(texts),
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata)


def render_shelf(
    folder: Path,
    shelf: Shelf,
    captions: int = 2,
    threads: int = 1,
    on_shard: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """The shards of `shelf` in `folder`; missing ones are rendered in `threads`.

    The renderer releases the interpreter's lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = shelf.shards(folder)

    def write(i: int) -> None:
        if not paths[i].exists():
            stop = min(shelf.clips, (i + 1) * SHARD)
            seeds = range(shelf.first_seed + i * SHARD, shelf.first_seed + stop)
            write_shard(paths[i], shelf, seeds, captions)

    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(write, range(len(paths))), 1):
            on_shard(done, len(paths))
    return paths


def read_shard(path: Path) -> ClipShard:
    """The shard in the file at `path`."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        return ClipShard(
            file.get_tensor("frames"),
            file.get_tensor("segments"),
            json.loads(metadata["labels"]),
            json.loads(metadata["things"]),
            json.loads(metadata["captions"]),
        )


def read_shards(paths: Sequence[Path]) -> Iterator[ClipShard]:
    """The shards at `paths`, read one at a time."""
    return (read_shard(path) for path in paths)
