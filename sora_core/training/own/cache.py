"""The clips of a plan as latents and text states, cached on disk, and read for training.

Each clip is a file `latents/KEY.safetensors` with `latent` (f16 [c t y x]) and a file
`text/KEY.safetensors` with `words` (f16 [l e]). A key is the hash of the content, the part in use
and the weights of the encoder, so that no stale file is ever read. Files are written atomically,
and their values are checked against their hash on reading.

Axes: n clips, c channels, f maps, t latent frames, y rows, x columns, l words, e text width,
a numbers of an action.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...checkpoints.checkpoint import load_autoencoder, read_config
from ...checkpoints.text_file import load_text
from ...errors import MediaError, TrainingError
from ...models.autoencoder import Autoencoder
from ...models.chunked_codec import encode_chunks
from ...models.text_encoder import TextEncoder, encode
from ...models.tokenizer import Tokenizer
from ...resume.fingerprint import fingerprint
from ...resume.tensor_cache import read_cached, write_cached
from ...shapes import Frames
from ...video.frames import video_from_frames
from ..mixed_clips import Bucket
from ..truth_maps import MAPS
from .clip_reader import PlanFiles
from .folder import literal_prompt
from .plan import TRAIN, Dropped, Plan, PlannedClip

LATENTS_FOLDER, TEXTS_FOLDER = "latents", "text"
OnClip = Callable[[int, int], None]
"""Called with the number of clips that are ready and their total; may raise to stop."""


@dataclass(frozen=True, slots=True)
class ClipCache:
    """A folder of encoded clips, and the encoders that fill it. `open_cache` makes one."""

    folder: Path
    autoencoder: Autoencoder
    encoder: TextEncoder
    tokenizer: Tokenizer
    autoencoder_id: str
    encoder_id: str

    def latent_key(self, clip: PlannedClip) -> str:
        part = (clip.content, clip.width, clip.height, clip.frames, clip.fps, clip.start)
        return fingerprint(self.autoencoder_id, *part)

    def text_key(self, caption: str) -> str:
        return fingerprint(self.encoder_id, caption)

    def latent_path(self, clip: PlannedClip) -> Path:
        return self.folder / LATENTS_FOLDER / f"{self.latent_key(clip)}.safetensors"

    def text_path(self, caption: str) -> Path:
        return self.folder / TEXTS_FOLDER / f"{self.text_key(caption)}.safetensors"

    def latent(self, clip: PlannedClip) -> Tensor | None:
        """The cached latent of `clip`, f16 [c t y x]; None if it is missing or damaged."""
        tensors = read_cached(self.latent_path(clip), self.latent_key(clip))
        return None if tensors is None else tensors["latent"]

    def words(self, caption: str) -> Tensor | None:
        """The cached states of `caption`, f16 [l e]; None if they are missing or damaged."""
        tensors = read_cached(self.text_path(caption), self.text_key(caption))
        return None if tensors is None else tensors["words"]


def open_cache(folder: Path, model_file: Path) -> ClipCache:
    """The cache in `folder`, which may not exist yet, for the encoders of `model_file`."""
    autoencoder = load_autoencoder(model_file, read_config(model_file))
    encoder, tokenizer = load_text(model_file)
    return cache_for(folder, autoencoder, encoder, tokenizer)


def cache_for(
    folder: Path, autoencoder: Autoencoder, encoder: TextEncoder, tokenizer: Tokenizer
) -> ClipCache:
    """The cache in `folder` for encoders in memory."""
    latent_encoder = (autoencoder.encoder, autoencoder.mean, autoencoder.deviation)
    words = (encoder, tokenizer.vocabulary)
    return ClipCache(
        folder, autoencoder, encoder, tokenizer, fingerprint(*latent_encoder), fingerprint(*words)
    )


def encode_plan(
    plan: Plan,
    cache: ClipCache,
    on_clip: OnClip = lambda done, total: None,
) -> tuple[Dropped, ...]:
    """Encodes the clips of `plan` that `cache` lacks; returns the failed ones with reasons.

    A clip fails if its file has disappeared or changed since the plan; the others are still
    encoded. SoraError where writing fails; finished files stay, and the same call continues.
    `on_clip` may raise to stop.
    """
    lost: list[Dropped] = []
    files = PlanFiles(plan)
    for done, clip in enumerate(plan.clips, 1):
        if cache.latent(clip) is None:
            try:
                latent = encode_frames(cache.autoencoder, files.frames(clip))
            except MediaError as problem:
                lost.append(Dropped(clip.source, str(problem)))
                latent = None
            if latent is not None:
                write_cached(cache.latent_path(clip), cache.latent_key(clip), {"latent": latent})
        if cache.words(clip.caption) is None:
            _write_words(cache, clip.caption)
        on_clip(done, len(plan.clips))
    return tuple(dict.fromkeys(lost))


@torch.no_grad()
def encode_frames(autoencoder: Autoencoder, frames: Frames) -> Tensor:
    """The latent of `frames`, f16 [c t y x], encoded in chunks of bounded memory."""
    device = next(autoencoder.parameters()).device
    video = (video_from_frames(part)[None].to(device) for part in frames.split(17))
    with torch.autocast(device.type, torch.bfloat16):
        parts = [latent.float() for latent in encode_chunks(autoencoder, video)]
    return torch.cat(parts, dim=2)[0].half().cpu().contiguous()


@torch.no_grad()
def _write_words(cache: ClipCache, caption: str) -> None:
    text = encode(cache.encoder, cache.tokenizer, [literal_prompt(caption)])
    words = text.states[0][text.mask[0]].half().cpu().contiguous()
    write_cached(cache.text_path(caption), cache.text_key(caption), {"words": words})


def clips(plan: Plan, cache: ClipCache, split: str) -> list[Bucket]:
    """The clips of one `split` of `plan`, grouped by latent shape as in `read_buckets`.

    Maps are zero: real footage has no truth maps, so their loss must be off. Clips that failed in
    `encode_plan` are omitted. TrainingError where none remains.
    """
    groups: dict[tuple[int, ...], list[tuple[PlannedClip, Tensor, Tensor]]] = {}
    for clip in plan.of_split(split):
        latent, words = cache.latent(clip), cache.words(clip.caption)
        if latent is not None and words is not None:
            groups.setdefault(tuple(latent.shape[1:]), []).append((clip, latent, words))
    if not groups and plan.of_split(split):
        raise TrainingError(f"no clip of {split} is encoded: encode the plan first")
    width = max((len(clip.actions[0]) for clip in plan.clips if clip.actions), default=0)
    return [_own_bucket(groups[shape], width) for shape in sorted(groups)]


def _own_bucket(rows: Sequence[tuple[PlannedClip, Tensor, Tensor]], width: int) -> Bucket:
    latents = torch.stack([latent for _, latent, _ in rows])
    n, _, t, y, x = latents.shape
    lengths = torch.tensor([[len(words)] for _, _, words in rows])
    ends = lengths.flatten().cumsum(0).view_as(lengths)
    actions = None
    if width:
        actions = torch.zeros(n, t, width)
        for i, (clip, _, _) in enumerate(rows):
            if clip.actions:
                actions[i] = torch.tensor(clip.actions)
    return Bucket(
        latents=latents,
        maps=torch.zeros((), dtype=torch.uint8).expand(n, len(MAPS), t, y, x),
        fps=torch.tensor([clip.fps for clip, _, _ in rows]),
        words=torch.cat([words for _, _, words in rows]),
        lengths=lengths,
        starts=ends - lengths,
        captions=[[clip.caption] for clip, _, _ in rows],
        actions=actions,
    )


def check_encoded(lost: Sequence[Dropped], plan: Plan, cache: ClipCache) -> None:
    """TrainingError where `cache` has no training clip; its message has the first of `lost`."""
    training = plan.of_split(TRAIN)
    if not training:
        raise TrainingError("the plan has no clip to train on: plan again, or hold fewer out")
    if lost and all(cache.latent(clip) is None for clip in training):
        raise TrainingError(
            f"no clip is left to train on. {lost[0].source}: {lost[0].reason}"[:300]
        )
