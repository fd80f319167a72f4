"""What descriptive captions are worth: two transformers, alike but for the captions they learned,
paint the same expanded prompts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..models.reader import Reader
from ..pipeline import load
from ..prompts.expansion import Language, expand
from ..world.captions import describe
from ..world.scene import sample_scene
from .captions import read_back
from .fidelity import Settings, Wish, canvas_for, painted
from .reader import Reading, read, shares
from .report import Figure

FIRST_SEED = 990_000_000
STYLE = "sora-mini"


@dataclass(frozen=True, slots=True)
class Row:
    """How often one question is answered right, by each transformer."""

    question: str
    found: Mapping[str, float]

    def __str__(self) -> str:
        numbers = "  ".join(f"{arm} {share:.3f}" for arm, share in self.found.items())
        return f"{self.question:<8}{numbers}"

    @property
    def figures(self) -> list[Figure]:
        return [Figure(f"{arm}_{self.question}", share) for arm, share in self.found.items()]


def expanded_wishes(count: int, language: Language) -> list[Wish]:
    """`count` short captions of held-out scenes, expanded; what is asked is all these then say."""
    wanted = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        short = describe(sample_scene(seed, held_out=True), seed).short
        prompt = expand(short, language, style=STYLE, seed=seed).text
        wanted.append(Wish(prompt, read_back(prompt, language.world), seed))
    return wanted


def readings(model: Path, reader: Reader, wanted: Sequence[Wish]) -> Iterator[Reading]:
    """What the reader sees in what the model in the file at `model` paints of each wish."""
    pipeline = load(model)
    canvas = canvas_for(reader.config.size, pipeline.config.fps)
    for wish, frames in painted(pipeline, wanted, canvas, Settings()):
        yield Reading(wish.asked, read(reader, frames))


def rows(found: Mapping[str, Sequence[Reading]]) -> list[Row]:
    """A row for each question, and one for everything right and one for the mean of questions."""
    tables = {arm: {each.name: each.value for each in shares(all)} for arm, all in found.items()}
    questions = list(next(iter(tables.values())))
    made = [Row(name, {arm: table[name] for arm, table in tables.items()}) for name in questions]
    single = questions[:-1]
    means = {
        arm: sum(table[name] for name in single) / len(single) for arm, table in tables.items()
    }
    return [*made, Row("mean", means)]
