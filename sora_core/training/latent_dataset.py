"""Training data of the transformer: latents of clips, token states of captions, and object masks.

Axes: n clips, c channels, t latent frames, y rows, x columns of tokens, k objects, m captions,
l words of all captions, e text width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from einops import reduce
from jaxtyping import Float, Float16, Int, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..checkpoints.text_file import load_text
from ..files import replacing
from ..models.autoencoder import Autoencoder
from ..models.patchify import LATENT_PATCH
from ..models.text_encoder import TextEncoder, encode
from ..models.tokenizer import Tokenizer
from ..shapes import COMPRESSION
from ..video.frames import video_from_frames
from ..world.scene import COLOURS, SHAPES
from .conditioning_masks import KnownSpan
from .dataset import FIRST_OBJECT, ClipShard, read_shard

OBJECTS = 2


@dataclass(frozen=True, slots=True)
class LatentShard:
    """Clips of one size.

    `coverage`: the share of each token that shows object k, in 255ths. `kinds`: indices of its
    shape and colour, -1 for no object. `words`: the concatenated token states of all captions, with
    `starts` and `lengths`. `span`: the latent frames to generate, if the others are always known.
    """

    latents: Float16[Tensor, "n c t y2 x2"]
    coverage: UInt8[Tensor, "n k t y x"]
    kinds: Int[Tensor, "n k 2"]
    words: Float16[Tensor, "l e"]
    lengths: Int[Tensor, "n m"]
    starts: Int[Tensor, "n m"]
    span: KnownSpan | None = None

    def text(self, clip: int, caption: int) -> Float[Tensor, "l e"]:
        """The token states of one caption of a clip."""
        start = int(self.starts[clip, caption])
        return self.words[start : start + int(self.lengths[clip, caption])]


def coverage_of(segments: UInt8[Tensor, "n t y x"]) -> UInt8[Tensor, "n k t y x"]:
    """The share of each token that shows object k, in 255ths."""
    time, side = COMPRESSION.time, COMPRESSION.rows * LATENT_PATCH
    grouped = torch.cat([segments[:, :1].expand(-1, time - 1, -1, -1), segments], dim=1)
    shares = [
        reduce(
            (grouped == FIRST_OBJECT + k).float(),
            "n (t f) (y i) (x j) -> n t y x",
            "mean",
            f=time,
            i=side,
            j=side,
        )
        for k in range(OBJECTS)
    ]
    return (torch.stack(shares, dim=1) * 255).round().to(torch.uint8)


def kinds_of(clips: ClipShard) -> Int[Tensor, "n k 2"]:
    """The indices of shape and colour of each object, -1 where there is none."""
    kinds = torch.full((len(clips.things), OBJECTS, 2), -1)
    for i, things in enumerate(clips.things):
        for k, (shape, colour) in enumerate(things):
            kinds[i, k] = torch.tensor([SHAPES.index(shape), COLOURS.index(colour)])
    return kinds


@torch.no_grad()
def encode_shard(
    clips: ClipShard, autoencoder: Autoencoder, encoder: TextEncoder, tokenizer: Tokenizer
) -> dict[str, Tensor]:
    """The tensors of a latent shard: the fields of LatentShard without `starts` and `span`."""
    latents = []
    with torch.autocast("cpu", torch.bfloat16):
        for frames in clips.frames.split(16):
            video = torch.stack([video_from_frames(clip) for clip in frames])
            latents.append(autoencoder.encode(video).half())
    captions = [caption for texts in clips.captions for caption in texts]
    states = encode(encoder, tokenizer, captions, torch.bfloat16)
    lengths = states.mask.sum(1)
    return {
        "latents": torch.cat(latents).contiguous(),
        "coverage": coverage_of(clips.segments),
        "kinds": kinds_of(clips),
        "words": states.states[states.mask].half(),
        "lengths": lengths.view(len(clips.captions), -1),
    }


def encode_shards(
    paths: Sequence[Path],
    folder: Path,
    autoencoder: Autoencoder,
    on_shard: Callable[[int, int], None] = lambda done, total: None,
    *,
    read: Callable[[Path], ClipShard] = read_shard,
) -> list[Path]:
    """The latent shards of `paths` in `folder`; missing ones are encoded from `read(path)`."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder, tokenizer = load_text()
    written = [folder / path.name for path in paths]
    for done, (path, target) in enumerate(zip(paths, written, strict=True), 1):
        if not target.exists():
            tensors = encode_shard(read(path), autoencoder, encoder, tokenizer)
            with replacing(target) as temporary:
                save_file(tensors, temporary)
        on_shard(done, len(paths))
    return written


def read_latents(paths: Sequence[Path], span: KnownSpan | None = None) -> LatentShard:
    """All clips of the latent shards at `paths`, which must have one size, joined."""
    parts = [load_file(path) for path in paths]
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    lengths = joined["lengths"]
    ends = lengths.flatten().cumsum(0).view_as(lengths)
    return LatentShard(**joined, starts=ends - lengths, span=span)
