"""How far the parts of a long video wander from what they are held to, seen in their latents.

Axes: c channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..sampling.anchor import SAME, Statistics

LEVELS = 127.5  # of 255, for each unit of a video in [-1, 1]
COLOUR, CONTRAST = 3.0, 0.08  # more can be seen, in levels of 255 and as a share


@dataclass(frozen=True, slots=True)
class Wander:
    """How far part `index` lies from the first that was told the same.

    `colour` is the mean over red, green and blue, in levels of 255; `contrast` the share by which
    latents vary more or, negative, less.
    """

    index: int
    colour: float
    contrast: float

    @classmethod
    def between(
        cls, index: int, own: Statistics, like: Statistics, colours: Float[Tensor, "c 3"]
    ) -> "Wander":
        moved = (own.mean - like.mean).mean(0).flatten().cpu().to(colours) @ colours
        grown = (own.deviation / like.deviation).mean().item() - 1
        return cls(index, LEVELS * moved.abs().mean().item(), grown)

    @property
    def far(self) -> bool:
        return self.colour > COLOUR or abs(self.contrast) > CONTRAST


@dataclass(frozen=True, slots=True)
class Wandering:
    """Notes how far each part of a chain has wandered; those between two scenes have no measure."""

    colours: Float[Tensor, "c 3"]
    parts: list[Wander] = field(default_factory=list)

    @classmethod
    def of(cls, factors: Sequence[Sequence[float]]) -> "Wandering":
        """`factors` is how much red, green and blue each channel adds to a preview."""
        return cls(torch.tensor(factors, dtype=torch.float32))

    def note(self, index: int, own: Statistics, like: Statistics, share: float) -> None:
        """Part `index` is as its `own` statistics say, and was told that `share` of what the part
        it is held to was told."""
        if share > 1 - SAME:
            self.parts.append(Wander.between(index, own, like, self.colours))

    @property
    def says(self) -> str:
        """What the user should know; nothing where no two parts were told the same."""
        if not self.parts:
            return ""
        colour = max(self.parts, key=lambda part: part.colour)
        contrast = max(self.parts, key=lambda part: abs(part.contrast))
        said = (
            f"Drift of the latents within scenes: colour up to {colour.colour:.1f} of 255 (part "
            f"{colour.index + 1}), contrast {contrast.contrast:+.0%} (part {contrast.index + 1})."
        )
        far = [part.index + 1 for part in self.parts if part.far]
        return f"{said} {_numbers(far)}: try another seed or shorter shots." if far else said


def _numbers(parts: Sequence[int]) -> str:
    shown = ", ".join(map(str, parts[:8])) + (" and more" if len(parts) > 8 else "")
    return f"More than {COLOUR:g} of 255 or {CONTRAST:.0%} in part {shown}"
