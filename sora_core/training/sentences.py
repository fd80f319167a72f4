"""Training texts of the text encoder: captions, video prompts, storyboards and plain English."""

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
HELD_OUT_DIVISOR = 50  # one value of a hash byte in this many marks a held-out sentence
FIRST_CAPTION_SEED = 500_000_000  # no other recipe uses these scenes


@dataclass(frozen=True, slots=True)
class Sentences:
    """Texts by source: captions of the toy world, prompts of a wide grammar, plain English."""

    captions: tuple[str, ...]
    prompts: tuple[str, ...]
    plain: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Amounts:
    """The number of texts from each source; `plain` is None for all of WordNet."""

    scenes: int
    prompts: int
    plain: int | None


def gather(amounts: Amounts) -> tuple[Sentences, Sentences]:
    """Training texts and held-out ones, without duplicates, in a fixed order.

    TrainingError if WordNet's files are not installed and `amounts.plain` is not 0.
    """
    captions = list(world_captions(amounts.scenes))
    phrases = read_phrases()
    prompts = [prompt(seed, phrases) for seed in range(amounts.prompts)] + list(written_prompts())
    plain = [] if amounts.plain == 0 else list(wordnet_sentences())[: amounts.plain]
    sides = [_sides(texts) for texts in (captions, prompts, plain)]
    return Sentences(*(side[0] for side in sides)), Sentences(*(side[1] for side in sides))


def is_held_out_text(text: str) -> bool:
    """Whether `text` is held out, decided by its hash and so the same in every run."""
    return sha256(text.lower().encode("utf-8", "replace")).digest()[0] % HELD_OUT_DIVISOR == 0


def world_captions(scenes: int) -> Iterator[str]:
    """The short and the long caption of each scene, one scene in eight as a still."""
    for seed in range(FIRST_CAPTION_SEED, FIRST_CAPTION_SEED + scenes):
        both = describe(sample_scene(seed), seed, still=seed % 8 == 0)
        yield both.short
        yield both.long


def written_prompts() -> Iterator[str]:
    """The prompts of other measurements' test files, without their annotations."""
    for path in sorted(WRITTEN.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if text := line.split("=>")[0].strip().lstrip("#").strip():
                yield text


def wordnet_sentences(folder: Path = WORDNET) -> Iterator[str]:
    """Every gloss and every example of WordNet 3.0, and every tenth word by itself.

    Brackets are escaped, since prompts use them for weights. TrainingError if the files of Debian's
    `wordnet-base` are missing.
    """
    for name in DATA:
        path = folder / name
        if not path.exists():
            raise TrainingError(f"{path} is missing: apt-get install wordnet-base")
        for number, line in enumerate(path.read_text(encoding="latin-1").splitlines()):
            if line.startswith("  ") or "|" not in line:  # lines of the licence begin each file
                continue
            entry, gloss = line.split("|", 1)
            if number % 10 == 0:
                yield entry.split()[4].replace("_", " ")
            yield from _gloss_parts(gloss)


def _gloss_parts(gloss: str) -> Iterator[str]:
    """Each quoted example of a gloss, and its definition."""
    for example in re.findall(r'"([^"]+)"', gloss):
        yield escaped(example.strip())
    if definition := re.sub(r'"[^"]*"', "", gloss).strip(" ;,-"):
        yield escaped(definition)


def escaped(text: str) -> str:
    """`text` with escaped brackets, which set no prompt weights."""
    return re.sub(r"([()\\])", r"\\\1", text)


def _sides(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    sides: tuple[list[str], list[str]] = [], []
    for text in dict.fromkeys(texts):
        sides[is_held_out_text(text)].append(text)
    return tuple(sides[0]), tuple(sides[1])


def shuffled(texts: Sequence[str], seed: int) -> list[str]:
    """`texts` in a random order, the same for the same `seed`."""
    order = Generator(PCG64(seed)).permutation(len(texts))
    return [texts[int(i)] for i in order]


def labelled_captions(scenes: int, first: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Long captions of scenes with their labels, for linear probes."""
    for seed in range(first, first + scenes):
        scene = sample_scene(seed)
        yield describe(scene, seed).long, scene.labels
