"""Runs every edit on every held-out clip with one model, several clips at a time.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ..models.attribute_classifier import AttributeClassifier
from ..pipeline.generate import Pipeline
from ..shapes import Frames
from .classifier import classify
from .edit_cases import OPERATIONS, Edit, recolour_case, run_chain, run_edit
from .heldout_clips import TUNING_SEED, HeldOutClip, heldout_clips

FIRMNESSES = (0.15, 0.3, 0.45, 0.6)
NEW_COLOUR, SAME_MOTION = 0.7, 0.8  # shares

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class EditRunner:
    """A model, the classifier that judges its clips, the clips, and how to sample them."""

    pipeline: Pipeline
    reader: AttributeClassifier
    clips: Sequence[HeldOutClip]
    steps: int | None = None
    threads: int = 1
    on_progress: Callable[[str], None] = lambda progress: None

    def each(
        self, what: str, make: Callable[[Item], Result], items: Iterable[Item]
    ) -> list[Result]:
        """The results of `make` for all items in order, `threads` at a time."""
        results = []
        with ThreadPoolExecutor(self.threads) as pool:
            for result in pool.map(make, items):
                results.append(result)
                self.on_progress(f"{what}: {len(results)} clips")
        return results

    def edits(self, name: str) -> list[Edit]:
        """The edit called `name` of every clip; the second clip of an edit is the next one."""
        pairs = zip(self.clips, (*self.clips[1:], self.clips[0]), strict=True)
        operation = OPERATIONS[name]
        return self.each(
            name, lambda pair: run_edit(self.pipeline, operation(*pair), self.steps), pairs
        )

    def recoloured(self, clips: Sequence[HeldOutClip], firmness: float) -> list[Edit]:
        """Video to video of each clip, with another colour in its caption."""
        operation = recolour_case(firmness)
        return self.each(
            f"colour {firmness:g}",
            lambda take: run_edit(self.pipeline, operation(take, take), self.steps),
            clips,
        )

    def chains(self) -> list[list[Frames]]:
        """For each clip, the frames of the clip and of its successive extensions."""
        return self.each(
            "chain", lambda take: run_chain(self.pipeline, take, count=self.steps), self.clips
        )

    def colour_shares(self, edits: Sequence[Edit]) -> tuple[float, float]:
        """The shares of edits with the new colour, and with the clip's motion."""
        new, same = 0, 0
        for edit in edits:
            reading, clip = classify(self.reader, edit.frames), edit.job.clip
            new += reading["colour"] == clip.other_colour
            same += reading["motion"] == clip.scene.labels["motion"]
        return new / len(edits), same / len(edits)

    def best_firmness(self, count: int) -> float:
        """The firmness with the best worse margin of both shares, on `count` separate clips."""
        clips = list(heldout_clips(count, TUNING_SEED))

        def margin(firmness: float) -> float:
            new, same = self.colour_shares(self.recoloured(clips, firmness))
            return min(new - NEW_COLOUR, same - SAME_MOTION)

        return max(FIRMNESSES, key=margin)
