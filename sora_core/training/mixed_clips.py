"""Training clips of many sizes, lengths and rates, in buckets of one latent shape.

A shard is two files: `NAME.safetensors` has latents, maps and rates; `NAME.text.safetensors` has
the states of the captions, the only part that depends on the text encoder.

Axes: n clips, c channels, f maps, t latent frames, y rows, x columns, m captions of a clip, l words
of all captions, e text width, a numbers of an action.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float16, Int, UInt8
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import TrainingError
from ..files import replacing
from ..models.autoencoder import Autoencoder
from ..models.text_encoder import TextEncoder, encode
from ..models.tokenizer import Tokenizer
from ..shapes import Frames, Grid
from ..video.frames import video_from_frames
from .truth_maps import maps_of

TOGETHER = 8  # clips that are encoded in one batch
TEXT_SUFFIX = ".text.safetensors"


@dataclass(frozen=True, slots=True)
class MixedClip:
    """A clip of 1 + 4k frames, its truth maps, and its captions."""

    frames: Frames
    segments: UInt8[Tensor, "t y x"]
    depth: Float[Tensor, "t y x"]
    fps: float
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Clips of one latent shape.

    `words`: the concatenated token states of all captions, with `starts` and `lengths`. `actions`:
    a vector for each latent frame, if the clips have any.
    """

    latents: Float16[Tensor, "n c t y x"]
    maps: UInt8[Tensor, "n f t y x"]
    fps: Float[Tensor, " n"]
    words: Float16[Tensor, "l e"]
    lengths: Int[Tensor, "n m"]
    starts: Int[Tensor, "n m"]
    captions: list[list[str]]
    actions: Float[Tensor, "n t a"] | None = None

    @property
    def grid(self) -> Grid:
        return Grid(*self.latents.shape[2:])

    def text(self, clip: int, caption: int) -> Float[Tensor, "l e"]:
        start = int(self.starts[clip, caption])
        return self.words[start : start + int(self.lengths[clip, caption])].float()


@torch.no_grad()
def write_latents(path: Path, clips: Sequence[MixedClip], autoencoder: Autoencoder) -> None:
    """Writes the latents, maps, rates and captions of `clips`, which have one size, to `path`."""
    latents = []
    with torch.autocast("cpu", torch.bfloat16):
        for i in range(0, len(clips), TOGETHER):
            part = [video_from_frames(clip.frames) for clip in clips[i : i + TOGETHER]]
            latents.append(autoencoder.encode(torch.stack(part)))
    tensors = {
        "latents": torch.cat([latent.float() for latent in latents]).half().contiguous(),
        "maps": torch.stack([maps_of(clip.segments, clip.depth) for clip in clips]),
        "fps": torch.tensor([clip.fps for clip in clips]),
    }
    with replacing(path) as temporary:
        captions = json.dumps([list(clip.captions) for clip in clips])
        save_file(tensors, temporary, {"captions": captions})


def write_text_states(path: Path, encoder: TextEncoder, tokenizer: Tokenizer) -> None:
    """Writes the token states of the captions of the shard at `path` beside it."""
    captions = captions_of(path)
    flat = [caption for each in captions for caption in each]
    parts = [
        encode(encoder, tokenizer, flat[i : i + 128], torch.bfloat16)
        for i in range(0, len(flat), 128)
    ]
    tensors = {
        "words": torch.cat([part.states[part.mask].half() for part in parts]),
        "lengths": torch.cat([part.mask.sum(1) for part in parts]).view(len(captions), -1),
    }
    with replacing(text_path(path)) as temporary:
        save_file(tensors, temporary)


def text_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".safetensors") + TEXT_SUFFIX)


def captions_of(path: Path) -> list[list[str]]:
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["captions"])


def _read_tensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def read_buckets(paths: Iterable[Path]) -> list[Bucket]:
    """The shards at `paths`, grouped by latent shape, in the order of their shapes.

    TrainingError where there is none.
    """
    groups: dict[tuple[int, ...], list[tuple[dict[str, Tensor], list[list[str]]]]] = {}
    for path in paths:
        tensors = _read_tensors(path) | _read_tensors(text_path(path))
        groups.setdefault(tuple(tensors["latents"].shape[2:]), []).append(
            (tensors, captions_of(path))
        )
    if not groups:
        raise TrainingError("no shards of clips: render some first")
    return [_bucket(groups[shape]) for shape in sorted(groups)]


def _bucket(parts: Sequence[tuple[dict[str, Tensor], list[list[str]]]]) -> Bucket:
    joined = {name: torch.cat([tensors[name] for tensors, _ in parts]) for name in parts[0][0]}
    lengths = joined["lengths"]
    ends = lengths.flatten().cumsum(0).view_as(lengths)
    captions = [each for _, texts in parts for each in texts]
    return Bucket(**joined, starts=ends - lengths, captions=captions)
