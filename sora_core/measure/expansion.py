"""Quality of prompt expansion: facts retained in held-out prompts, and what expansion gains.

The held-out prompts were written before any of them was expanded. The gain is the difference in
what the classifier reads in clips of terse prompts and of their expansions.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import thread_time

from ..models.attribute_classifier import AttributeClassifier
from ..pipeline.generate import Pipeline
from ..prompts.expansion import EXPANSION_LEVELS, EXPANSION_STYLES, Expansion, Language, expand
from .classifier import ClassifierResult, Labels, classify, right_shares
from .fidelity import ClipRequest, SampleSettings, canvas_of_size, generated_clips
from .prompt_facts import Faults, PromptCase, general_faults, read_cases, world_faults
from .report import Figure

HELD_OUT_FOLDER = Path(__file__).parent / "held_out"


@dataclass(frozen=True, slots=True)
class ExpansionTrial:
    """One expansion of a prompt, its faults, and its processor time.

    `settled`: expanding the result again changes nothing.
    """

    case: PromptCase
    style: str
    expansion: Expansion
    faults: Faults
    settled: bool
    milliseconds: float

    @property
    def wrong(self) -> bool:
        """Whether it contradicts the prompt, loses a fact or is not settled."""
        return bool(self.faults.against or self.faults.lost or not self.settled)

    def __str__(self) -> str:
        again = "" if self.settled else "; changed when expanded again"
        faults = f"against {self.faults.against}, lost {self.faults.lost}{again}"
        return f"{self.style}: {self.case.prompt!r} as {self.expansion.text!r}: {faults}"


def expansion_trials(
    language: Language, folder: Path = HELD_OUT_FOLDER, seeds: Sequence[int] = range(2)
) -> Iterator[ExpansionTrial]:
    """Trials of every held-out prompt: in each of its styles, at each level, with each seed."""
    for style in EXPANSION_STYLES:
        small = style == "sora-mini"
        for case in read_cases(folder / ("world.txt" if small else "general.txt")):
            for level, seed in product(EXPANSION_LEVELS, seeds):
                if level == "off":
                    continue
                start = thread_time()
                expansion = expand(case.prompt, language, style=style, level=level, seed=seed)
                spent = 1000 * (thread_time() - start)
                again = expand(expansion.text, language, style=style, level=level, seed=seed)
                faults = world_faults(case, expansion) if small else general_faults(case, expansion)
                settled = (again.text, again.added) == (expansion.text, ())
                yield ExpansionTrial(case, style, expansion, faults, settled, spent)


def expansion_figures(tried: Sequence[ExpansionTrial]) -> list[Figure]:
    """How many prompts are contradicted, lose a fact or change again in any trial, and the times.

    A prompt's time is the processor time of its fastest trial: other programs delay the others.
    """
    prompts = {trial.case.prompt for trial in tried}
    against = {trial.case.prompt for trial in tried if trial.faults.against}
    lost = {trial.case.prompt for trial in tried if trial.faults.lost}
    changed = {trial.case.prompt for trial in tried if not trial.settled}
    rewritten = [not trial.expansion.note for trial in tried if trial.style == "sora-mini"]
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
        Figure("said_anew", sum(rewritten) / len(rewritten)),
        Figure("median", sorted(times.values())[len(times) // 2], "ms"),
        Figure("slowest", max(times.values()), "ms"),
    ]


FIRST_NOISE = 975_000_000


@dataclass(frozen=True, slots=True)
class GainPair:
    """The classifier's answers for the clip of a prompt, and for that of its expansion."""

    prompt: str
    expanded: str
    before: ClassifierResult
    after: ClassifierResult


def stated_answers(case: PromptCase, answers: dict[str, Sequence[str]]) -> Labels:
    """The facts that `case` states about its first thing and its place, by question."""
    return {
        question: value
        for value in case.things[0]
        for question, known in answers.items()
        if value in known
    }


def gain_pairs(
    pipeline: Pipeline,
    reader: AttributeClassifier,
    cases: Sequence[PromptCase],
    language: Language,
    settings: SampleSettings,
    seed: int,
    on_progress: Callable[[str], None],
) -> list[GainPair]:
    """The results for each of `cases`, with and without expansion; `on_progress` gets texts."""
    canvas = canvas_of_size(reader.config.size, pipeline.config.fps)
    wanted = []
    for i, case in enumerate(cases, FIRST_NOISE + seed):
        labels = stated_answers(case, dict(reader.words))
        expansion = expand(case.prompt, language, seed=i)
        wanted += [ClipRequest(text, labels, i) for text in (case.prompt, expansion.text)]
    readings = []
    for wish, frames in generated_clips(pipeline, wanted, canvas, settings):
        readings.append(ClassifierResult(wish.asked, classify(reader, frames)))
        on_progress(f"generated {len(readings)} of {len(wanted)}")
    return [
        GainPair(plain.prompt, full.prompt, *readings)
        for plain, full, *readings in zip(
            wanted[::2], wanted[1::2], readings[::2], readings[1::2], strict=True
        )
    ]


def gain_figures(measured: Sequence[GainPair]) -> list[Figure]:
    """Shares of stated facts in the clips, before and after, and the gain in percentage points."""
    before = right_shares([pair.before for pair in measured], "terse_")
    after = right_shares([pair.after for pair in measured], "expanded_")
    return [*before, *after, Figure("gain", 100 * (after[-1].value - before[-1].value), "points")]
