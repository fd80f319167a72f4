"""Sentences for the training of the text encoder: captions, video prompts, storyboards and English.

Axes: none; everything here is text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from numpy.random import PCG64, Generator

from ..errors import TrainingError
from ..world.captions import describe
from ..world.scene import sample_scene
from .phrasing import prompt, read_phrases

WORDNET = Path("/usr/share/wordnet")
WRITTEN = Path(__file__).resolve().parents[1] / "measure" / "held_out"
DATA = ("data.noun", "data.verb", "data.adj", "data.adv")
ONE_HELD_OUT_IN = 50  # one sentence in so many is never trained on
SENTENCE_SEED = 500_000_000  # scenes that no other recipe draws


@dataclass(frozen=True, slots=True)
class Sentences:
    """Texts by source: captions of the toy world, prompts of a wide grammar, plain English."""

    captions: tuple[str, ...]
    prompts: tuple[str, ...]
    plain: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Amounts:
    """How many texts of each source a recipe takes; `plain` is None for all of WordNet."""

    scenes: int
    prompts: int
    plain: int | None


def gather(amounts: Amounts) -> tuple[Sentences, Sentences]:
    """Texts to learn and held-out ones, without duplicates, in an order that never changes.

    TrainingError where WordNet's files are not installed and `amounts.plain` is not 0.
    """
    captions = list(world_captions(amounts.scenes))
    phrases = read_phrases()
    prompts = [prompt(seed, phrases) for seed in range(amounts.prompts)] + list(written_prompts())
    plain = [] if amounts.plain == 0 else list(wordnet_sentences())[: amounts.plain]
    sides = [_sides(texts) for texts in (captions, prompts, plain)]
    return Sentences(*(side[0] for side in sides)), Sentences(*(side[1] for side in sides))


def is_held_out_text(text: str) -> bool:
    """Whether `text` belongs to the held-out side: decided by its hash, so alike on every run."""
    return sha256(text.lower().encode("utf-8", "replace")).digest()[0] % ONE_HELD_OUT_IN == 0


def world_captions(scenes: int) -> Iterator[str]:
    """The short and the long caption of each scene, moving and still."""
    for seed in range(SENTENCE_SEED, SENTENCE_SEED + scenes):
        both = describe(sample_scene(seed), seed, still=seed % 8 == 0)
        yield both.short
        yield both.long


def written_prompts() -> Iterator[str]:
    """The prompts that other measurements were written with; no answers are read."""
    for path in sorted(WRITTEN.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if text := line.split("=>")[0].strip().lstrip("#").strip():
                yield text


def wordnet_sentences(folder: Path = WORDNET) -> Iterator[str]:
    """Every gloss and every example of WordNet 3.0, and each tenth word on its own.

    Their brackets are escaped, for in a prompt brackets weigh words.
    TrainingError where the files of Debian's `wordnet-base` are missing.
    """
    for name in DATA:
        path = folder / name
        if not path.exists():
            raise TrainingError(f"{path} is missing: apt-get install wordnet-base")
        for number, line in enumerate(path.read_text(encoding="latin-1").splitlines()):
            if line.startswith("  ") or "|" not in line:  # the licence, at the head of each file
                continue
            entry, gloss = line.split("|", 1)
            if number % 10 == 0:
                yield entry.split()[4].replace("_", " ")
            yield from _gloss_parts(gloss)


def _gloss_parts(gloss: str) -> Iterator[str]:
    """The definition, and each quoted example."""
    for example in re.findall(r'"([^"]+)"', gloss):
        yield escaped(example.strip())
    if definition := re.sub(r'"[^"]*"', "", gloss).strip(" ;,-"):
        yield escaped(definition)


def escaped(text: str) -> str:
    """`text` with brackets that weigh nothing."""
    return re.sub(r"([()\\])", r"\\\1", text)


def _sides(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    sides: tuple[list[str], list[str]] = [], []
    for text in dict.fromkeys(texts):
        sides[is_held_out_text(text)].append(text)
    return tuple(sides[0]), tuple(sides[1])


def shuffled(texts: Sequence[str], seed: int) -> list[str]:
    """`texts` in another order, the same for the same seed."""
    order = Generator(PCG64(seed)).permutation(len(texts))
    return [texts[int(i)] for i in order]


def labelled_captions(scenes: int, first: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Long captions of scenes with what each states, for linear probes."""
    for seed in range(first, first + scenes):
        scene = sample_scene(seed)
        yield describe(scene, seed).long, scene.labels
