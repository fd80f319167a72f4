"""A model on the bench: every edit of every clip, several at a time.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ..models.reader import Reader
from ..pipeline import Pipeline
from ..shapes import Frames
from .edits import OPERATIONS, Edit, chain, perform, recolour
from .reader import read
from .takes import TUNING_SEED, Take, takes

FIRMNESSES = (0.15, 0.3, 0.45, 0.6)
NEW_COLOUR, SAME_MOTION = 0.7, 0.8  # shares

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Bench:
    """A model, what judges it, and how much of it is tried."""

    pipeline: Pipeline
    reader: Reader
    clips: Sequence[Take]
    steps: int | None = None
    threads: int = 1
    say: Callable[[str], None] = lambda progress: None

    def each(self, what: str, make: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
        """`make` of each item, `threads` at a time."""
        made = []
        with ThreadPoolExecutor(self.threads) as pool:
            for result in pool.map(make, items):
                made.append(result)
                self.say(f"{what}: {len(made)} clips")
        return made

    def edits(self, name: str) -> list[Edit]:
        """The edit called `name` of every clip; one that needs two takes the next one too."""
        pairs = zip(self.clips, (*self.clips[1:], self.clips[0]), strict=True)
        operation = OPERATIONS[name]
        return self.each(
            name, lambda pair: perform(self.pipeline, operation(*pair), self.steps), pairs
        )

    def recoloured(self, clips: Sequence[Take], firmness: float) -> list[Edit]:
        """Every clip with another colour in its caption."""
        operation = recolour(firmness)
        return self.each(
            f"colour {firmness:g}",
            lambda take: perform(self.pipeline, operation(take, take), self.steps),
            clips,
        )

    def chains(self) -> list[list[Frames]]:
        """A chain of extensions of every clip."""
        return self.each(
            "chain", lambda take: chain(self.pipeline, take, count=self.steps), self.clips
        )

    def colour_shares(self, edits: Sequence[Edit]) -> tuple[float, float]:
        """The shares in which the new colour is read, and in which the motion is the clip's."""
        new, same = 0, 0
        for edit in edits:
            said, take = read(self.reader, edit.frames), edit.job.take
            new += said["colour"] == take.other_colour
            same += said["motion"] == take.scene.labels["motion"]
        return new / len(edits), same / len(edits)

    def best_firmness(self, count: int) -> float:
        """The firmness at which the worse of both shares does best, on clips of their own seeds."""
        clips = list(takes(count, TUNING_SEED))

        def margin(firmness: float) -> float:
            new, same = self.colour_shares(self.recoloured(clips, firmness))
            return min(new - NEW_COLOUR, same - SAME_MOTION)

        return max(FIRMNESSES, key=margin)
