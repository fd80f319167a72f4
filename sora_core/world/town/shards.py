"""Captioned clips of the town on disk for training: one size and length a shard, any rate.

`SceneShelf(size, clips, first_seed)` names a set of clips by their seeds; `write_scene_shards`
draws it into shards of SHARD_CLIPS clips, missing ones only; `read_scene_shard` reads
them. Latents and text states are the trainer's: it encodes `frames` and `captions` and weights
pixels by `things`. Axes: n clips, t frames, y rows, x columns.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float32, UInt8
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...errors import ConfigError
from ...files import replacing
from ...shapes import Size
from .captions import describe
from .facts import Fact
from .render import FIRST_THING, Clip, render
from .sample import ClipSpec, sample_clip_spec

SHARD_CLIPS = 64


@dataclass(frozen=True, slots=True)
class SceneShelf:
    """Clips of one size; clip i is that of seed `first_seed` + i."""

    size: Size
    clips: int
    first_seed: int
    held_out: bool = False
    captions: int = 3

    def __post_init__(self) -> None:
        if self.clips < 1 or self.captions < 1 or self.first_seed < 0:
            raise ConfigError(f"{self}: ask for at least one clip and caption, and a seed >= 0")

    def shards(self, folder: Path) -> list[Path]:
        """The files of the shelf, written or not."""
        count = (self.clips + SHARD_CLIPS - 1) // SHARD_CLIPS
        held_out = "-held-out" if self.held_out else ""
        name = f"town-{self.size.width}x{self.size.height}x{self.size.frames}"
        first = range(self.first_seed, self.first_seed + self.clips, SHARD_CLIPS)[:count]
        return [folder / f"{name}-{seed}{held_out}.safetensors" for seed in first]

    def spec(self, i: int) -> ClipSpec:
        """Clip `i` of the shelf: its scene and rate are those of its seed."""
        return sample_clip_spec(self.first_seed + i, self.held_out, sizes=(self.size,))


@dataclass(frozen=True, slots=True)
class Shard:
    """Clips in memory; `segments` as in `render.Clip`, a list of captions and of facts a clip."""

    frames: UInt8[Tensor, "n t y x 3"]
    segments: UInt8[Tensor, "n t y x"]
    fps: Float32[Tensor, "n"]
    captions: list[list[str]]
    facts: list[list[list[Fact]]]
    kinds: list[str]

    @property
    def things(self) -> Bool[Tensor, "n t y x"]:
        """Where a pixel shows a thing or a stroke: what a loss may weight."""
        return self.segments >= FIRST_THING - 1


def write_scene_shards(
    folder: Path,
    shelf: SceneShelf,
    threads: int = 1,
    on_shard: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """The shards of `shelf`, drawn where missing; drawing releases the interpreter lock."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = shelf.shards(folder)

    def write(number: int) -> None:
        if not paths[number].exists():
            stop = min(shelf.clips, (number + 1) * SHARD_CLIPS)
            _write_clips(paths[number], shelf, range(number * SHARD_CLIPS, stop))

    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(write, range(len(paths))), 1):
            on_shard(done, len(paths))
    return paths


def _write_clips(path: Path, shelf: SceneShelf, numbers: range) -> None:
    specs = [shelf.spec(i) for i in numbers]
    clips: list[Clip] = [render(spec.scene, spec.size, spec.fps) for spec in specs]
    texts_of = [
        [describe(s.scene, s.seed * shelf.captions + i, s.seconds) for i in range(shelf.captions)]
        for s in specs
    ]
    tensors = {
        "frames": torch.stack([clip.frames for clip in clips]),
        "segments": torch.stack([clip.segments for clip in clips]),
        "fps": torch.tensor([spec.fps for spec in specs], dtype=torch.float32),
    }
    metadata = {
        "captions": json.dumps([[c.text for c in texts] for texts in texts_of]),
        "facts": json.dumps([[[asdict(f) for f in c.facts] for c in texts] for texts in texts_of]),
        "kinds": json.dumps([spec.scene.kind for spec in specs]),
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata)


def read_scene_shard(path: Path) -> Shard:
    """The clips of one file that `write_scene_shards` wrote."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        facts = json.loads(metadata["facts"])
        return Shard(
            frames=file.get_tensor("frames"),
            segments=file.get_tensor("segments"),
            fps=file.get_tensor("fps"),
            captions=json.loads(metadata["captions"]),
            facts=[[[Fact(**fact) for fact in text] for text in clip] for clip in facts],
            kinds=json.loads(metadata["kinds"]),
        )
