"""Runs a long video segment by segment: cached, with progress, and measured for drift."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.model_base

from ....sora_core.resume.jobs import Job
from ....sora_core.resume.prediction_cache import PredictionCache
from ....sora_core.resume.retention import running
from ....sora_core.resume.tensor_cache import Tensors
from ....sora_core.sampling.drift import DriftMonitor, Statistics
from ....sora_core.sampling.segments import (
    Segment,
    SegmentSettings,
    generate_segments,
    segment_starts,
)
from ....sora_core.shapes import Latent
from .job_limits import tidy_jobs
from .progress import SamplingProgress
from .segment_cache import LATENT_KEY, SegmentJob, free_statistics

GenerateSegment = Callable[
    [Segment, int | None, Callable[..., None], PredictionCache | None], Tensors
]
"""Generates a segment from a seed, with a callback at each step (index, clean latent, x), from
cached predictions where there are any."""


@dataclass(frozen=True, slots=True)
class SegmentRunner:
    """Generates a video in segments of `length` latent frames, or in one if that covers it."""

    model: comfy.model_base.BaseModel
    segment_job: SegmentJob
    chain: SegmentSettings
    length: int
    monitored: bool = True  # whether drift is measured: not where sound lies in the latent
    on_segment: Callable[[Segment, Latent], None] = lambda segment, latent: None  # once finished

    @property
    def total(self) -> int:
        return len(segment_starts(self.segment_job.known.shape[2], self.length, self.chain.history))

    def run(
        self, generate: GenerateSegment, job: Job | None, progress: SamplingProgress
    ) -> tuple[Latent, str]:
        """The whole latent, and a summary for the user. Segments and predictions that `job` has
        cached are not generated again."""
        segment_job, resumed = self.segment_job, ResumeReport()
        monitor = drift_monitor(self.model) if self.monitored else None

        def cached_segment(segment: Segment) -> Latent:
            seed = None if segment_job.seed is None else (segment_job.seed + segment.index) % 2**64
            on_step = partial(progress.step, segment)

            def make(predictions: PredictionCache | None) -> Tensors:
                part = generate(segment, seed, on_step, predictions)
                resumed.note(predictions)
                return part

            part, there = (
                (make(None), False)
                if job is None
                else job.part(segment.index, segment_job.key_of(segment, seed), make)
            )
            latent = part[LATENT_KEY]
            self.on_segment(segment, latent)
            if there:
                resumed.parts += 1
                progress.restored(segment, latent)
            if monitor is not None and segment.reference is not None:
                to_model = self.model.process_latent_in
                statistics, reference = (
                    s.transformed(to_model)
                    for s in (Statistics.from_latent(latent), segment.reference)
                )
                monitor.note(
                    segment.index,
                    free_statistics(part) or statistics,
                    statistics,
                    reference,
                    segment.overlap,
                )
            return latent

        with nullcontext() if job is None else running(job.folder):
            whole = generate_segments(
                cached_segment,
                segment_job.known,
                segment_job.mask,
                self.length,
                self.chain,
                segment_job.words,
            )
        removed = ""
        if job is not None:
            job.finish()
            removed = tidy_jobs()
        if self.total > 1:
            progress.finish(self.model.process_latent_in(whole), self.total)
        parts = [f"{self.total} parts." if self.total > 1 else "", resumed.summary]
        parts += [monitor.summary if monitor is not None else "", removed]
        return whole, " ".join(part for part in parts if part)


@dataclass(slots=True)
class ResumeReport:
    """How much came from the cache, and how much could not be cached."""

    parts: int = 0
    predictions: int = 0
    uncached: int = 0

    def note(self, predictions: PredictionCache | None) -> None:
        if predictions is not None:
            self.predictions += predictions.hits
            self.uncached += predictions.uncached

    @property
    def summary(self) -> str:
        """Sentences for the user; empty if there is nothing to report."""
        parts = []
        if self.parts or self.predictions:
            there = f"{self.parts} parts and {self.predictions} predictions"
            parts.append(f"{there} were there already.")
        if self.uncached:
            parts.append(f"No room to keep {self.uncached} predictions: clear jobs with Sora Jobs.")
        return " ".join(parts)


def drift_monitor(model: comfy.model_base.BaseModel) -> DriftMonitor | None:
    """A monitor of drift, if the host knows the RGB factors of this model's latents."""
    factors: Any = model.latent_format.latent_rgb_factors
    return None if factors is None else DriftMonitor.from_factors(factors)
