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
    """Notes how far each part of a chain would wander by itself, and how far it did, held to the
    first that was told the same; those between two scenes have no measure."""

    colours: Float[Tensor, "c 3"]
    free: list[Wander] = field(default_factory=list)
    held: list[Wander] = field(default_factory=list)

    @classmethod
    def of(cls, factors: Sequence[Sequence[float]]) -> "Wandering":
        """`factors` is how much red, green and blue each channel adds to a preview."""
        return cls(torch.tensor(factors, dtype=torch.float32))

    def note(
        self, index: int, free: Statistics, held: Statistics, like: Statistics, share: float
    ) -> None:
        """Part `index` would be as `free` says and is as `held` says; it was told that `share` of
        what the part was told that it is held to, which is `like` this."""
        if share > 1 - SAME:
            self.free.append(Wander.between(index, free, like, self.colours))
            self.held.append(Wander.between(index, held, like, self.colours))

    @property
    def says(self) -> str:
        """What the user should know; nothing where no two parts were told the same."""
        if not self.free:
            return ""
        said = [f"Drift of the model within scenes: {_most(self.free)}; held back: "]
        said += [f"{_most(self.held)}."]
        far, left = _far(self.free), _far(self.held)
        if far:
            said += [f" More than {COLOUR:g} of 255 or {CONTRAST:.0%} by itself: part {far}."]
        if left:
            said += [f" Still so: part {left}; try another seed or shorter shots."]
        return "".join(said)


def _most(parts: Sequence[Wander]) -> str:
    colour = max(parts, key=lambda part: part.colour)
    contrast = max(parts, key=lambda part: abs(part.contrast))
    return (
        f"colour up to {colour.colour:.1f} of 255 (part {colour.index + 1}), "
        f"contrast {contrast.contrast:+.0%} (part {contrast.index + 1})"
    )


def _far(parts: Sequence[Wander]) -> str:
    """The numbers of those that have gone too far."""
    far = [part.index + 1 for part in parts if part.far]
    return ", ".join(map(str, far[:8])) + (" and more" if len(far) > 8 else "")
