"""Training data of the generated decoder: true clips, noised and denoised by the transformer.

Axes: n clips, c channels, t latent frames, y rows, x columns, l words of a text, e its width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Float16
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..checkpoints.text_file import load_text
from ..files import replacing
from ..models.autoencoder import Autoencoder
from ..models.dit import DiT
from ..models.packing import pad_texts
from ..models.text_encoder import TextEncoder, encode
from ..models.tokenizer import Tokenizer
from ..sampling.guidance import guide
from ..sampling.inpaint import hold_known
from ..sampling.samplers import Sigma, euler
from ..sampling.schedules import shifted_sigmas
from ..shapes import COMPRESSION, Latent, Video
from ..video.frames import video_from_frames
from .dataset import ClipShard, read_shard

CLIPS_TOGETHER = 16  # clips in a batch; all have the same known frames
ENDS = ((0, 0), (1, 0), (3, 0), (0, 2), (0, 4), (1, 1), (2, 2))
"""Numbers of known latent frames at the beginning and at the end of a clip, of five."""
NOISE_LEVELS = (0.25, 0.85)  # range of the first level; above it, the result has a different motion
GUIDANCES = (1.0, 2.5, 4.0)
STEPS = 7  # from noise; fewer from lower levels


@dataclass(frozen=True, slots=True)
class DecoderSamples:
    """Generated latents, and which of their frames were known."""

    latents: Float16[Tensor, "n c t y x"]
    known: Bool[Tensor, "n t"]


def conditioning_latent(
    autoencoder: Autoencoder, video: Video, clean: Latent, ends: tuple[int, int]
) -> Latent:
    """`clean` with its last known frames encoded as on a canvas: without the frames before them.

    `ends` are the numbers of known latent frames at the beginning and at the end.
    """
    frames, last = clean.shape[2], ends[1]
    if last == 0:
        return clean
    first = COMPRESSION.pixel_frames(frames - last)
    part = torch.cat([video[:, :, first : first + 1], video[:, :, first:]], dim=2)
    return torch.cat([clean[:, :, :-last], autoencoder.encode(part)[:, :, 1:]], dim=2)


def regenerate(
    transformer: DiT,
    known: Latent,
    clean: Latent,
    mask: Float[Tensor, "1 1 t 1 1"],
    texts: Sequence[Float[Tensor, "l e"]],
    generator: torch.Generator,
) -> Latent:
    """`clean`, noised and denoised where `mask` is 1, and `known` where it is 0.

    `texts` has one text for each clip, then the empty one. Meng et al. 2022 (SDEdit).
    """
    texts_of, nothing = pad_texts(texts[:-1]), texts[-1][None].expand(len(clean), -1, -1)

    def denoise(x: Latent, sigma: Sigma, text: Tensor, words: Tensor | None) -> Latent:
        return transformer(x, torch.as_tensor(sigma).view(1, 1, -1, 1, 1), text, words)

    low, high = NOISE_LEVELS
    level = low + (high - low) * float(torch.rand((), generator=generator))
    scale = GUIDANCES[int(torch.randint(len(GUIDANCES), (), generator=generator))]
    noise = torch.randn(clean.shape, generator=generator)
    guided = guide(
        partial(denoise, text=texts_of[0], words=texts_of[1]),
        partial(denoise, text=nothing, words=None),
        scale,
    )
    sigmas = [level, *(sigma for sigma in shifted_sigmas(STEPS, 1.5) if sigma < level)]
    return euler(hold_known(guided, known, mask), clean.lerp(noise, level), sigmas)


@torch.inference_mode()
def generate_shard(
    clips: ClipShard,
    transformer: DiT,
    autoencoder: Autoencoder,
    encoder: TextEncoder,
    tokenizer: Tokenizer,
    seed: int,
) -> dict[str, Tensor]:
    """The fields of `DecoderSamples`; each batch of clips has its own known frames and level."""
    generator = torch.Generator().manual_seed(seed)
    latents, known = [], []
    for i in range(0, len(clips.frames), CLIPS_TOGETHER):
        video = torch.stack(
            [video_from_frames(clip) for clip in clips.frames[i : i + CLIPS_TOGETHER]]
        )
        ends = ENDS[int(torch.randint(len(ENDS), (), generator=generator))]
        clean = autoencoder.encode(video)
        frames = clean.shape[2]
        place = torch.arange(frames)
        is_known = (place < ends[0]) | (place >= frames - ends[1])
        words = encode(
            encoder, tokenizer, [*(c[1] for c in clips.captions[i : i + CLIPS_TOGETHER]), ""]
        )
        texts = [row[there] for row, there in zip(words.states, words.mask, strict=True)]
        mask = (~is_known).float().view(1, 1, -1, 1, 1)
        footage = conditioning_latent(autoencoder, video, clean, ends)
        latents.append(regenerate(transformer, footage, clean, mask, texts, generator))
        known.append(is_known.expand(len(video), -1))
    return {"latents": torch.cat(latents).half().contiguous(), "known": torch.cat(known)}


def generate_shards(
    paths: Sequence[Path],
    folder: Path,
    transformer: DiT,
    autoencoder: Autoencoder,
    on_shard: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Writes missing samples of rendered shards to files of the same names in `folder`."""
    encoder, tokenizer = load_text()
    for done, path in enumerate(paths, 1):
        if not (folder / path.name).exists():
            tensors = generate_shard(
                read_shard(path), transformer, autoencoder, encoder, tokenizer, seed=done
            )
            with replacing(folder / path.name) as temporary:
                save_file(tensors, temporary)
        on_shard(done, len(paths))


def read_samples(paths: Sequence[Path]) -> list[DecoderSamples]:
    """The samples in the files at `paths`."""
    return [DecoderSamples(**load_file(path)) for path in paths]
