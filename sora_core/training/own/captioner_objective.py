"""Training of the captioner on a user's clips and captions.

It begins with the shipped captioner, whose vocabulary grows by the words of the captions. The first
sentence of a caption is what it learns as the short one, all of it as the long one.

Axes: c channels, t latent frames, y rows, x columns, b clips.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from ...errors import TrainingError
from ...models.autoencoder import Autoencoder
from ...models.captioner import MAX_CAPTION_WORDS, WINDOW, Captioner
from ...models.vocabulary import (
    END_SIGN,
    LONG_SIGN,
    SHORT_SIGN,
    UNCLEAR_SIGN,
    Vocabulary,
    split,
)
from ...video.frames import frames_from_video
from ...world.sheet import contact_sheet
from ..captioner import LATENT_SIGMA, STRANGE
from ..distributed import Ranks
from ..lora import add_lora_to, merged_state
from .samples import OwnClip, OwnClips, clip_at, generator_of
from .settings import MUON, OwnSettings
from .task import SHEET, OwnTask

MAX_LEARNED_WORDS = MAX_CAPTION_WORDS - 2  # words of a caption that are learned


@dataclass(frozen=True, slots=True)
class Lesson:
    """A latent, and the words of both captions with an end sign; `<unclear>` alone for noise."""

    latent: Float[Tensor, "1 c t y x"]
    short: list[int]
    long: list[int]


def extended(captioner: Captioner, captions: Sequence[str]) -> Captioner:
    """A copy of `captioner` that knows the words of `captions` too, at random states."""
    known = captioner.vocabulary.words
    new = sorted({word for text in captions for word in split(text)} - set(known))
    grown = Captioner(captioner.config, Vocabulary((*known, *new)))
    weights = captioner.state_dict()
    rows = grown.words.weight.detach().clone()
    rows[: len(known)] = weights["words.weight"]
    grown.load_state_dict(weights | {"words.weight": rows})
    return grown


def readable(clips: OwnClips) -> OwnClips:
    """The clips whose captions have words; TrainingError where none for training has any."""

    def of(split_clips: Sequence[OwnClip]) -> list[OwnClip]:
        return [clip for clip in split_clips if split(clip.caption)]

    found = OwnClips(of(clips.training), of(clips.held_out), clips.empty)
    if not found.training:
        raise TrainingError(
            "no training clip has a caption with words of the letters a to z, which are all that "
            "the captioner writes: add captions in English"
        )
    return found


def caption_lesson(clip: OwnClip, vocabulary: Vocabulary, generator: Generator | None) -> Lesson:
    """`clip` as a lesson; with a `generator` noisy, at a random place, and rarely not a clip."""
    words = vocabulary.numbers(clip.caption)[:MAX_LEARNED_WORDS]
    first = vocabulary.numbers(re.split(r"(?<=\.)\s", clip.caption)[0])[:MAX_LEARNED_WORDS] or words
    short, long = [*first, END_SIGN], [*words, END_SIGN]
    if generator is None:
        return Lesson(clip.latent[None, :, :WINDOW].float(), short, long)
    start = int(torch.randint(max(1, clip.grid.frames - WINDOW + 1), (), generator=generator))
    latent = clip.latent[None, :, start : start + WINDOW].float()
    level, strange = torch.rand(2, generator=generator).tolist()
    noise = torch.randn(latent.shape, generator=generator)
    if strange < STRANGE:
        return Lesson(noise, [UNCLEAR_SIGN], [UNCLEAR_SIGN])
    return Lesson(latent + LATENT_SIGMA * level * noise, short, long)


class CaptionObjective(nn.Module):
    """The captioner; a call with lessons returns the loss of each."""

    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        self.captioner: Captioner = captioner

    def forward(self, lessons: Sequence[Lesson]) -> Float[Tensor, " b"]:
        """The cross-entropy a word of both captions of each lesson."""
        losses = []
        for one in lessons:
            features = self.captioner.encode_video(one.latent)
            both = []
            for kind, caption in ((SHORT_SIGN, one.short), (LONG_SIGN, one.long)):
                words = torch.tensor([kind, *caption], device=one.latent.device)
                logits = self.captioner.next_words(words[None, :-1], features)[0].float()
                both.append(cross_entropy(logits, words[1:]))
            losses.append(torch.stack(both).mean())
        return torch.stack(losses)


def trained_captioner(captioner: Captioner, settings: OwnSettings) -> CaptionObjective:
    """The objective of training `captioner`, or a LoRA of it and its words, some of them new."""
    objective = CaptionObjective(captioner.train().requires_grad_(True))
    if settings.lora_rank is not None:
        add_lora_to(objective, settings.lora_rank, settings.alpha, settings.seed)
        captioner.words.requires_grad_(True)
    return objective


def merged_captioner(captioner: Captioner) -> Captioner:
    """A copy of `captioner` with its LoRA, if it has one, added to the weights."""
    plain = Captioner(captioner.config, captioner.vocabulary)
    plain.load_state_dict(merged_state(captioner))
    return plain


@dataclass(eq=False)
class OwnCaptionerTask(OwnTask[CaptionObjective]):
    """Task: caption the user's clips; evaluation is on the clips held out."""

    autoencoder: Autoencoder
    clips: OwnClips

    def matrices(self) -> set[str]:
        """The hidden matrices, for Muon; none for AdamW, and none of a LoRA's."""
        if self.settings.optimizer != MUON or self.settings.lora_rank is not None:
            return set()
        return {n for n, p in self.model.named_parameters() if p.ndim == 2 and "_blocks." in n}

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The mean loss of this part of the batch, a scalar to differentiate."""
        drawn = [
            (clip_at(self.clips.training, self.settings, step, i), i)
            for i in range(ranks.rank, self.settings.batch, ranks.count)
        ]
        lessons = [self.on_device(clip, generator_of(self.settings, step, i)) for clip, i in drawn]
        words = self.module(lessons).mean()
        return words, {"words": self.ranks.mean(words.detach())}

    def on_device(self, clip: OwnClip, generator: Generator | None = None) -> Lesson:
        lesson = caption_lesson(clip, self.model.captioner.vocabulary, generator)
        return replace(lesson, latent=lesson.latent.to(self.device))

    @torch.no_grad()
    def held_out_loss(self, model: CaptionObjective) -> float | None:
        self.check_stop()
        lessons = [self.on_device(clip) for clip in self.clips.held_out]
        return float(model(lessons).mean()) if lessons else None

    @torch.no_grad()
    def show(self, average: CaptionObjective, step: int, folder: Path) -> Mapping[str, float]:
        """The loss of every average on held-out clips, and a sheet of clips with its captions."""
        losses = [self.held_out_loss(model) for model in self.averages.models]
        best, values = self.best_average([loss for loss in losses if loss is not None])
        chosen = [*self.clips.held_out, *self.clips.training][: self.settings.sheet_clips]
        if self.ranks.first and chosen:
            captioner = self.averages.models[best].captioner
            frames, texts = [], []
            for clip in chosen:
                self.check_stop()
                latent = self.on_device(clip).latent
                frames.append(frames_from_video(self.autoencoder.decode(latent)[0].float()).cpu())
                (written,) = captioner.generate(latent, LONG_SIGN)
                texts.append(written.text)
            contact_sheet(frames, texts, folder / SHEET.format(step), scale=1)
        self.on_validation(step, values, best)
        return values
