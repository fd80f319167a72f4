"""Clips of the toy town in shards: rendered, encoded and captioned once for all runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from numpy.random import PCG64, Generator
from safetensors import safe_open
from safetensors.torch import save_file

from ..files import replacing
from ..models.autoencoder import Autoencoder
from ..models.text_encoder import TextEncoder
from ..models.tokenizer import Tokenizer
from ..shapes import Size
from ..world.town.captions import describe_town
from ..world.town.render import render_town
from ..world.town.sample import RATE_WEIGHTS, RATES, sample_town
from .dataset import CAPTIONS, ClipShard
from .mixed_clips import MixedClip, text_path, write_latents, write_text_states

SHARD_CLIPS = 64
STILL_SECONDS = 0.25  # duration of the scene of a single frame

OnTownShard = Callable[[int, int], None]
"""Called with the number of finished shards and their total."""


@dataclass(frozen=True, slots=True)
class TownShelf:
    """Clips of one size, with seeds that no other shelf uses; each has its own frame rate."""

    size: Size
    clips: int
    first_seed: int
    held_out: bool = False

    def shards(self, folder: Path, share: float = 1.0) -> list[Path]:
        """The files of the first `share` of the clips, at least one."""
        count = max(1, round(share * self.clips / SHARD_CLIPS))
        name = f"{self.size.width}x{self.size.height}x{self.size.frames}"
        return [
            folder / f"{name}-{self.first_seed + i * SHARD_CLIPS}.safetensors" for i in range(count)
        ]

    def seeds(self, shard: int) -> range:
        first = shard * SHARD_CLIPS
        return range(
            self.first_seed + first,
            self.first_seed + max(first + 1, min(self.clips, first + SHARD_CLIPS)),
        )


def town_clip(seed: int, size: Size, held_out: bool = False) -> MixedClip:
    """The clip of `seed`: its scene lasts the frames of `size` at the frame rate of the seed."""
    rng = Generator(PCG64([seed, 6]))
    fps = RATES[int(rng.choice(len(RATES), p=RATE_WEIGHTS))]
    still = size.frames == 1
    seconds = STILL_SECONDS if still else size.frames / fps
    scene = sample_town(seed, seconds, held_out)
    clip = render_town(scene, size, fps)
    captions = tuple(
        describe_town(scene, seed * CAPTIONS + i, 0.0 if still else seconds).text
        for i in range(CAPTIONS)
    )
    return MixedClip(clip.frames, clip.segments, clip.depth, fps, captions)


def write_pictures(folder: Path, shelf: TownShelf, share: float = 1.0) -> list[Path]:
    """Writes missing files of pixels and segments for the autoencoder; returns their paths.

    They hold the first `share` of the clips of `shelf`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = shelf.shards(folder, share)
    for i, path in enumerate(paths):
        if path.exists():
            continue
        clips = [town_clip(seed, shelf.size, shelf.held_out) for seed in shelf.seeds(i)]
        tensors = {
            "frames": torch.stack([clip.frames for clip in clips]),
            "segments": torch.stack([clip.segments for clip in clips]),
        }
        with replacing(path) as temporary:
            save_file(tensors, temporary)
    return paths


def read_pictures(path: Path) -> ClipShard:
    """The clips in a file of `write_pictures`, without labels and captions."""
    with safe_open(path, "pt") as file:
        frames, segments = file.get_tensor("frames"), file.get_tensor("segments")
    empty = [[] for _ in frames]
    return ClipShard(frames, segments, [{} for _ in frames], empty, empty)


def write_town_shelf(
    folder: Path,
    shelf: TownShelf,
    autoencoder: Autoencoder,
    encoder: TextEncoder,
    tokenizer: Tokenizer,
    share: float = 1.0,
    on_shard: OnTownShard = lambda done, total: None,
) -> list[Path]:
    """Writes missing shards, two files each, of the first `share` of `shelf`; returns all paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = shelf.shards(folder, share)
    for i, path in enumerate(paths):
        if not path.exists():
            clips = [town_clip(seed, shelf.size, shelf.held_out) for seed in shelf.seeds(i)]
            write_latents(path, clips, autoencoder)
        if not text_path(path).exists():
            with torch.inference_mode():
                write_text_states(path, encoder, tokenizer)
        on_shard(i + 1, len(paths))
    return paths
