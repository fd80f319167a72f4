"""Training of the text encoder: batches of texts, and distillation of MiniLM's states.

Axes: b texts, n tokens, d width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from ..models.text_encoder import TextConfig, TextEncoder
from ..models.tokenizer import CLS, SEP, Tokenizer
from .distributed import Ranks
from .sentences import Amounts, Sentences, shuffled
from .thinning import thin_out
from .trainer import Progress, TrainingConfig, train


@dataclass(frozen=True, slots=True)
class Texts:
    """Token ids of texts in order of length, so that neighbours have equal lengths."""

    ids: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Tokenizer, seed: int) -> "Texts":
        """The ids of `texts`; texts of equal length are shuffled by `seed`."""
        rows = [tokenizer.tokenize(text).ids for text in shuffled(texts, seed)]
        return cls(tuple(sorted(rows, key=len)))

    def batch(self, tokens: int, generator: torch.Generator) -> Int[Tensor, "b n"]:
        """Texts of the same length as a randomly chosen one, with about `tokens` in total."""
        at = int(torch.randint(len(self.ids), (), generator=generator))
        length = len(self.ids[at])
        count = max(1, tokens // length)
        start = max(0, min(at, len(self.ids) - count))
        rows = [row for row in self.ids[start : start + count] if len(row) == length]
        return torch.tensor(rows or [self.ids[at]])


def calibration_texts(parts: Sequence[Texts], tokens: int, seed: int) -> list[Tensor]:
    """Batches of all `parts` in turn, with at least `tokens` in total."""
    generator, batches, found = torch.Generator().manual_seed(seed), [], 0
    while found < tokens:
        batches.append(parts[len(batches) % len(parts)].batch(512, generator))
        found += batches[-1].numel()
    return batches


PLAIN_SHARE = 0.6  # share of training batches in plain English
COSINE_WEIGHT = 4.0
BLOCK_WEIGHT = 0.25  # for the mean error of all blocks but the last
EMPTY_WEIGHT = 0.05  # for the empty prompt, which guidance uses in every step
DEAD = 0.1  # lower bound of a component's spread, relative to the median
TESTED = 100  # held-out texts of each kind


@dataclass(frozen=True, kw_only=True, slots=True)
class TextRecipe:
    """The sizes of the encoder and its training texts."""

    config: TextConfig
    amounts: Amounts
    calibration: int = 24_000  # tokens for the fit of the initial weights


def text_recipe() -> TextRecipe:
    """The recipe of the shipped encoder."""
    return TextRecipe(
        config=TextConfig(), amounts=Amounts(scenes=40_000, prompts=80_000, plain=None)
    )


def smoke_text() -> TextRecipe:
    """The recipe of a tiny encoder, which needs no WordNet."""
    thin = TextConfig(
        words=((10000, 8), (20522, 4)), depth=6, qkv_rank=8, out_rank=8, up_rank=8, down_rank=8
    )
    return TextRecipe(
        config=thin, amounts=Amounts(scenes=40, prompts=80, plain=0), calibration=1000
    )


def text_training() -> TrainingConfig:
    """Settings for half an hour on one free core.

    A step has 16 * `batch` tokens, in texts of equal length.
    """
    return TrainingConfig(
        steps=4000,
        batch=64,
        matrix_rate=1e-3,
        rate=1e-3,
        weight_decay=0.0,
        warmup=50,
        decay=0.9,
        average=0.995,
        save_every=100,
        show_every=500,
    )


def train_text(
    teacher: TextEncoder,
    tokenizer: Tokenizer,
    recipe: TextRecipe,
    sentences: Sentences,
    test: Sentences,
    config: TrainingConfig,
    folder: Path,
    ranks: Ranks,
    *,
    resume: bool,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> TextEncoder:
    """An encoder distilled from `teacher`; `folder` holds its cosines on `test`."""
    torch.manual_seed(config.seed)
    plain = Texts.of(sentences.plain, tokenizer, config.seed)
    displayed = Texts.of(sentences.captions + sentences.prompts, tokenizer, config.seed)
    student = TextEncoder(recipe.config)
    parts = [part for part in (plain, displayed) if part.ids]
    calibration = calibration_texts(parts, recipe.calibration, config.seed)
    if not (resume and (folder / "checkpoint.safetensors").exists()):
        thin_out(student, teacher, calibration)
    scale = spreads(teacher, calibration)
    task = TextTask(student, teacher, tokenizer, plain, displayed, test, scale, config)
    return train(task, config, folder, ranks, resume=resume, on_progress=on_progress)


@torch.no_grad()
def spreads(teacher: TextEncoder, texts: Sequence[Tensor]) -> Float[Tensor, "block d"]:
    """The standard deviation of each component of the states after each block, bounded below.

    Errors are divided by it: a few components are many times as large as the others and would
    dominate. One of the last block is always 0, hence the lower bound.
    """
    states = zip(*(all_states(teacher, ids) for ids in texts), strict=True)
    found = torch.stack([torch.cat([s.flatten(0, 1) for s in of]).std(0) for of in states])
    return found.maximum(DEAD * found.median(dim=1, keepdim=True).values)


def all_states(encoder: TextEncoder, ids: Int[Tensor, "b n"]) -> list[Float[Tensor, "b n d"]]:
    """The states after each block, for texts of equal length."""
    x, found = encoder.embed(ids), []
    for block in encoder.blocks:
        x = block(x, None)
        found.append(x)
    return found


class TextTask:
    """Task: match the teacher's states on random texts."""

    def __init__(
        self,
        model: TextEncoder,
        teacher: TextEncoder,
        tokenizer: Tokenizer,
        plain: Texts,
        displayed: Texts,
        test: Sentences,
        scale: Float[Tensor, "block d"],
        config: TrainingConfig,
    ) -> None:
        self.model, self.teacher, self.tokenizer = model, teacher, tokenizer
        self.plain, self.preview_clips, self.scale = plain, displayed, scale
        self.tokens, self.seed = 16 * config.batch, config.seed
        self.test = {
            "captions": [tokenizer.tokenize(text).ids for text in test.captions[:TESTED]],
            "prompts": [tokenizer.tokenize(text).ids for text in test.prompts[:TESTED]],
            "plain": [tokenizer.tokenize(text).ids for text in shuffled(test.plain, 0)[:TESTED]],
        }

    def matrices(self) -> set[str]:
        return {
            name
            for name, parameter in self.model.named_parameters()
            if parameter.ndim == 2 and name.startswith("blocks.")
        }

    def draw(self, step: int, ranks: Ranks) -> Int[Tensor, "b n"]:
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + ranks.rank)
        plain = bool(torch.rand((), generator=generator) < PLAIN_SHARE) and bool(self.plain.ids)
        return (self.plain if plain else self.preview_clips).batch(
            self.tokens // ranks.count, generator
        )

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        block, final = self.errors(self.draw(step, ranks))
        _, empty = self.errors(torch.tensor([[CLS, SEP]]))
        return BLOCK_WEIGHT * block + final + EMPTY_WEIGHT * empty, {"blocks": block, "last": final}

    def errors(self, ids: Int[Tensor, "b n"]) -> tuple[Tensor, Tensor]:
        """The mean error after the inner blocks, and the error after the last one."""
        with torch.no_grad():
            wanted = [state.float() for state in all_states(self.teacher, ids)]
        errors, found = [], [state.float() for state in all_states(self.model, ids)]
        for ours, theirs, scale in zip(found, wanted, self.scale, strict=True):
            errors.append(((ours - theirs) / scale).square().mean())
        away = 1 - cosine_similarity(found[-1], wanted[-1], dim=-1).mean()
        return torch.stack(errors[:-1]).mean(), errors[-1] + COSINE_WEIGHT * away

    @torch.inference_mode()
    def show(self, average: nn.Module, step: int, folder: Path) -> Mapping[str, float]:
        """The mean cosine to the teacher's token states on held-out texts, by source."""
        return {
            f"test/{name}_cosine": mean_cosine(average, self.teacher, rows)
            for name, rows in self.test.items()
            if rows
        }


def mean_cosine(student: nn.Module, teacher: nn.Module, texts: Sequence[Sequence[int]]) -> float:
    """The cosine between the states of both encoders, averaged over all tokens of `texts`."""
    cosines = []
    for row in texts:
        ids = torch.tensor([row])
        cosines.append(cosine_similarity(student(ids), teacher(ids), dim=-1).flatten())
    return float(torch.cat(cosines).mean())
