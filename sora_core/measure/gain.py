"""What expansion is worth: terse prompts, painted from the same noise with it and without."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..models.reader import Reader
from ..pipeline import Pipeline
from ..prompts.expansion import Language, expand
from .facts import Case
from .fidelity import Settings, Wish, canvas_for, painted
from .reader import Labels, Reading, read, shares
from .report import Figure

FIRST_NOISE = 975_000_000


@dataclass(frozen=True, slots=True)
class Pair:
    """What is read in the clip of a prompt as it stands, and in that of its expansion."""

    prompt: str
    expanded: str
    before: Reading
    after: Reading


def asked(case: Case, answers: dict[str, Sequence[str]]) -> Labels:
    """What `case` states of its thing and place, each under the question it answers."""
    return {
        question: value
        for value in case.things[0]
        for question, known in answers.items()
        if value in known
    }


def pairs(
    pipeline: Pipeline,
    reader: Reader,
    cases: Sequence[Case],
    language: Language,
    settings: Settings,
    seed: int,
    say: Callable[[str], None],
) -> list[Pair]:
    """Both clips of each of `cases`, read; `say` hears how far it is."""
    canvas = canvas_for(reader.config.size, pipeline.config.fps)
    wanted = []
    for i, case in enumerate(cases, FIRST_NOISE + seed):
        labels = asked(case, dict(reader.words))
        told = expand(case.prompt, language, seed=i)
        wanted += [Wish(text, labels, i) for text in (case.prompt, told.text)]
    seen = []
    for wish, frames in painted(pipeline, wanted, canvas, settings):
        seen.append(Reading(wish.asked, read(reader, frames)))
        say(f"painted {len(seen)} of {len(wanted)}")
    return [
        Pair(plain.prompt, full.prompt, *readings)
        for plain, full, *readings in zip(
            wanted[::2], wanted[1::2], seen[::2], seen[1::2], strict=True
        )
    ]


def figures(measured: Sequence[Pair]) -> list[Figure]:
    """Shares of what was asked that is read in the clips, and what expansion adds to all of it."""
    before = shares([pair.before for pair in measured], "terse_")
    after = shares([pair.after for pair in measured], "expanded_")
    return [*before, *after, Figure("gain", 100 * (after[-1].value - before[-1].value), "points")]
