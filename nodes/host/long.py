"""A painting, link by link: kept in the output folder, told of, and measured for drift."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.model_base

from ...sora_core.jobs import Job
from ...sora_core.kept import Tensors
from ...sora_core.measure.wander import Wandering
from ...sora_core.predictions import Predictions
from ...sora_core.sampling.anchor import Statistics
from ...sora_core.sampling.chain import Chain, Link, chained, link_starts
from ...sora_core.shapes import Latent
from .keeping import LATENT, Making, unheld_of
from .telling import Telling

Paint = Callable[[Link, int | None, Callable[..., None], Predictions | None], Tensors]
"""A link, painted from a seed; it tells of each step (number, clean latent, what it has), and takes
from the predictions what they know."""


@dataclass(frozen=True, slots=True)
class Long:
    """A painting in a `chain` of links of `length` latent frames; of a single one if it is all."""

    model: comfy.model_base.BaseModel
    making: Making
    chain: Chain
    length: int

    @property
    def total(self) -> int:
        return len(link_starts(self.making.known.shape[2], self.length, self.chain.history))

    def painted(self, paint: Paint, job: Job | None, telling: Telling) -> tuple[Latent, str]:
        """The whole latent, and what the user should know of it. Links and predictions that `job`
        has are taken from there."""
        making, wandering, resumed = self.making, wandering_of(self.model), Resumed()

        def kept(link: Link) -> Latent:
            seed = None if making.seed is None else (making.seed + link.index) % 2**64
            told = partial(telling.step, link)

            def make(predictions: Predictions | None) -> Tensors:
                part = paint(link, seed, told, predictions)
                resumed.note(predictions)
                return part

            part, there = (
                (make(None), False)
                if job is None
                else job.part(link.index, making.key_of(link, seed), make)
            )
            latent = part[LATENT]
            if there:
                resumed.parts += 1
                telling.known(link, latent)
            if wandering is not None and link.like is not None:
                to_model = self.model.process_latent_in
                made, like = (s.through(to_model) for s in (Statistics.of(latent), link.like))
                wandering.note(link.index, unheld_of(part) or made, made, like, link.share)
            return latent

        whole = chained(kept, making.known, making.mask, self.length, self.chain, making.words)
        if job is not None:
            job.finish()
        if self.total > 1:
            telling.all(self.model.process_latent_in(whole), self.total)
        said = [f"{self.total} parts." if self.total > 1 else "", resumed.says]
        said.append(wandering.says if wandering is not None else "")
        return whole, " ".join(part for part in said if part)


@dataclass(slots=True)
class Resumed:
    """What of a painting was there already, and what a restart would have to do again."""

    parts: int = 0
    predictions: int = 0
    unkept: int = 0

    def note(self, predictions: Predictions | None) -> None:
        if predictions is not None:
            self.predictions += predictions.known
            self.unkept += predictions.unkept

    @property
    def says(self) -> str:
        """What the user should know of it."""
        said = []
        if self.parts or self.predictions:
            there = f"{self.parts} parts and {self.predictions} predictions"
            said.append(f"{there} were there already.")
        if self.unkept:
            said.append(f"No room to keep {self.unkept} predictions: clear jobs with Sora Jobs.")
        return " ".join(said)


def wandering_of(model: comfy.model_base.BaseModel) -> Wandering | None:
    """A measure of drift, where the host knows the colours of this model's latents."""
    factors: Any = model.latent_format.latent_rgb_factors
    return None if factors is None else Wandering.of(factors)
