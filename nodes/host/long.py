"""A long painting, link by link: kept in the output folder, told of, and measured for drift."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.model_base

from ...sora_core.jobs import Job
from ...sora_core.measure.wander import Wandering
from ...sora_core.sampling.anchor import Statistics
from ...sora_core.sampling.chain import Chain, Link, chained, link_starts
from ...sora_core.shapes import Latent
from .keeping import Making
from .telling import Telling

Paint = Callable[[Link, int | None, Callable[..., None]], Latent]
"""A link, painted from a seed; it tells of each step: number, clean latent, what it has."""


@dataclass(frozen=True, slots=True)
class Long:
    """A painting in a `chain` of links, of which a model sees `length` latent frames at a time."""

    model: comfy.model_base.BaseModel
    making: Making
    chain: Chain
    length: int

    @property
    def total(self) -> int:
        return len(link_starts(self.making.known.shape[2], self.length, self.chain.history))

    def painted(self, paint: Paint, job: Job | None, telling: Telling) -> tuple[Latent, str]:
        """The whole latent, and what the user should know of it. Links that `job` has are taken
        from there."""
        making, wandering, known = self.making, wandering_of(self.model), []

        def kept(link: Link) -> Latent:
            seed = None if making.seed is None else (making.seed + link.index) % 2**64
            make = partial(paint, link, seed, partial(telling.step, link))
            latent, there = (
                (make(), False)
                if job is None
                else job.part(link.index, making.key_of(link, seed), make)
            )
            if there:
                known.append(link.index)
                telling.known(link, latent)
            if wandering is not None and link.like is not None:
                own, like = (
                    part.through(self.model.process_latent_in)
                    for part in (Statistics.of(latent), link.like)
                )
                wandering.note(link.index, own, like, link.share)
            return latent

        whole = chained(kept, making.known, making.mask, self.length, self.chain, making.words)
        if job is not None:
            job.finish()
        parts = [f"{self.total} parts."]
        if known:
            parts.append(f"{len(known)} of them were there already.")
        if wandering is not None:
            parts.append(wandering.says)
        return whole, " ".join(part for part in parts if part)


def wandering_of(model: comfy.model_base.BaseModel) -> Wandering | None:
    """A measure of drift, where the host knows the colours of this model's latents."""
    factors: Any = model.latent_format.latent_rgb_factors
    return None if factors is None else Wandering.of(factors)
