"""Whether expansions keep what prompts state that were written before any was expanded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import perf_counter

from ..prompts.expansion import LEVELS, STYLES, Expansion, Language, expand
from .facts import Case, Faults, cases, general_faults, world_faults
from .report import Figure

HELD_OUT = Path(__file__).parent / "held_out"


@dataclass(frozen=True, slots=True)
class Trial:
    """One expansion of a prompt: what is wrong with it, and what it took."""

    case: Case
    style: str
    told: Expansion
    faults: Faults
    settled: bool
    milliseconds: float

    @property
    def wrong(self) -> bool:
        return bool(self.faults.against or self.faults.lost or not self.settled)

    def __str__(self) -> str:
        again = "" if self.settled else "; changed when expanded again"
        faults = f"against {self.faults.against}, lost {self.faults.lost}{again}"
        return f"{self.style}: {self.case.prompt!r} as {self.told.text!r}: {faults}"


def trials(
    language: Language, folder: Path = HELD_OUT, seeds: Sequence[int] = range(2)
) -> Iterator[Trial]:
    """Every prompt in the style it was written for, or in all of them, at each level by seeds."""
    for style in STYLES:
        small = style == "sora-mini"
        for case in cases(folder / ("world.txt" if small else "general.txt")):
            for level, seed in product(LEVELS, seeds):
                if level == "off":
                    continue
                start = perf_counter()
                told = expand(case.prompt, language, style=style, level=level, seed=seed)
                spent = 1000 * (perf_counter() - start)
                again = expand(told.text, language, style=style, level=level, seed=seed)
                faults = world_faults(case, told) if small else general_faults(case, told)
                settled = (again.text, again.added) == (told.text, ())
                yield Trial(case, style, told, faults, settled, spent)


def figures(tried: Sequence[Trial]) -> list[Figure]:
    """How many prompts are contradicted, lose a fact or change again in any trial, and the time.

    A prompt takes as long as in its quickest trial: the others waited for other programs.
    """
    prompts = {trial.case.prompt for trial in tried}
    against = {trial.case.prompt for trial in tried if trial.faults.against}
    lost = {trial.case.prompt for trial in tried if trial.faults.lost}
    changed = {trial.case.prompt for trial in tried if not trial.settled}
    anew = [not trial.told.note for trial in tried if trial.style == "sora-mini"]
    times = {
        prompt: min(trial.milliseconds for trial in tried if trial.case.prompt == prompt)
        for prompt in prompts
    }
    return [
        Figure("prompts", len(prompts), "prompts"),
        Figure("expansions", len(tried), "texts"),
        Figure("contradicted", len(against), "prompts"),
        Figure("facts_lost", len(lost), "prompts"),
        Figure("changed_again", len(changed), "prompts"),
        Figure("said_anew", sum(anew) / len(anew)),
        Figure("median", sorted(times.values())[len(times) // 2], "ms"),
        Figure("slowest", max(times.values()), "ms"),
    ]
