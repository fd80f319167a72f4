"""Samples a video of any length segment by segment: the engine that core and host share.

Whoever samples supplies `sample(task) -> latent`. The order of segments, their seeds, the frames
that one hands to the next, anchoring against drift, and parts that resume are here.

Axes: b c t y x, as in shapes; p prompts, q distinct prompts.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from ..resume.fingerprint import fingerprint
from ..resume.jobs import Job
from ..resume.prediction_cache import PredictionCache
from ..resume.retention import running
from ..resume.tensor_cache import Tensors
from ..resume.version import RESULTS_VERSION
from ..sampling.drift import DriftMonitor, Statistics, StatisticsProbe
from ..sampling.inpaint import SamplingMask, keep_known
from ..sampling.noise import MAX_SEED
from ..sampling.prompt_spans import counting_prompts
from ..sampling.samplers import Denoise
from ..sampling.segments import Segment, SegmentSettings, generate_segments, segment_starts
from ..seams.anchoring import anchor
from ..seams.covariance import anchor_covariance, has_texture
from ..shapes import Latent

LATENT_KEY = "latent"
MEAN_KEY, DEVIATION_KEY, COVARIANCE_KEY = "unheld_mean", "unheld_deviation", "unheld_covariance"


@dataclass(frozen=True, slots=True)
class VideoTask:
    """What a whole video is sampled from: its footage, noise and prompts.

    `prompts` holds a value for each row of `weights` that identifies the prompt after a restart.
    `scenes` are the weights of distinct prompts: one that is repeated is the same scene.
    `description` names the video for people.
    """

    known: Latent
    mask: SamplingMask
    noise: Latent
    seed: int | None
    prompts: Sequence[object]
    weights: Float[Tensor, "p t"]
    scenes: Float[Tensor, "q t"]
    description: str = ""

    @property
    def key(self) -> str:
        """The fingerprint of all of it."""
        return fingerprint(self.prompts, self.known, self.mask, self.noise, self.seed, self.weights)

    def seed_of(self, segment: Segment) -> int | None:
        """The seed of the noise that a sampler adds in `segment`."""
        return None if self.seed is None else (self.seed + segment.index) % (MAX_SEED + 1)

    def key_of(self, segment: Segment) -> str:
        """The fingerprint of one segment: its footage, history, noise and prompts."""
        here = self.weights[:, segment.frames]
        prompts = [[self.prompts[i], here[i]] for i in counting_prompts(here)]
        around = (segment.start, segment.known, segment.mask, segment.reference, segment.overlap)
        noise = self.noise[:, :, segment.frames]
        return fingerprint(prompts, noise, self.seed_of(segment), *around)


@dataclass(frozen=True, slots=True)
class SegmentTask:
    """What one segment is sampled from; `anchored` in [0, 1] is how far it follows its reference.

    Its first `lead` latent frames lie before the segment of the video and are dropped afterwards.
    `predictions` caches the calls of the model for a restart; None without one. `covariance`: the
    anchor matches the covariance of channels, in the generated frames alone.
    """

    segment: Segment
    noise: Latent
    seed: int | None
    anchored: float
    lead: int = 0
    predictions: PredictionCache | None = None
    covariance: bool = False
    probe: StatisticsProbe = field(default_factory=StatisticsProbe)

    def denoiser(
        self, denoise: Denoise, known: Latent, mask: SamplingMask, reference: Statistics | None
    ) -> Denoise:
        """`denoise`, cached, anchored to `reference` and with `known` in held cells (mask < sigma).

        The three arguments are those of the segment, in the scale and on the device of the model.
        """
        if self.predictions is not None:
            denoise = self.predictions.over(denoise)
        if reference is not None and self.anchored > 0 and self.covariance:
            placed = keep_known(denoise, known, mask)
            counted = mask.amax(dim=(0, 1, 3, 4)) > 0
            counted[: self.lead] = False
            denoise = anchor_covariance(placed, reference, self.anchored, counted, self.probe)
        elif reference is not None and self.anchored > 0:
            denoise = anchor(denoise, reference, self.anchored, self.probe, self.lead)
        return keep_known(denoise, known, mask)


SampleSegment = Callable[[SegmentTask], Latent]
"""Samples a segment: its clean latent, lead frames included."""

AddLead = Callable[[Segment], Segment]
"""A segment with the latent frames before it that its sampler needs too."""

OnSegment = Callable[[Segment, Latent, bool], None]
"""Receives each finished segment, its latent, and whether it came from a job's cache."""


@dataclass(frozen=True, slots=True)
class SegmentRunner:
    """Samples a video in segments of `length` latent frames, or in one if that covers it.

    `monitor` collects their drift, from statistics that `to_model` brings to the scale in which
    its factors count. What `add_lead` puts before a segment is part of the segment's key, but not
    of the video.
    """

    video: VideoTask
    settings: SegmentSettings
    length: int
    monitor: DriftMonitor | None = None
    to_model: Callable[[Latent], Latent] = lambda latent: latent
    add_lead: AddLead = lambda segment: segment

    @property
    def total(self) -> int:
        """How many segments there are."""
        frames = self.video.known.shape[2]
        return len(segment_starts(frames, self.length, self.settings.history))

    def open_job(self, root: Path, shared: Sequence[object]) -> Job:
        """The job of this video in a folder below `root`, resumed if it exists.

        `shared` is all that counts in each segment and is not in the video. ConfigError for a value
        whose identity does not survive a restart.
        """
        video, seed = self.video, self.video.seed or 0
        key = fingerprint(RESULTS_VERSION, self.settings, self.length, *shared)
        return Job(root, key, video.key, video.description, seed, self.total)

    def run(
        self,
        sample: SampleSegment,
        job: Job | None = None,
        on_segment: OnSegment = lambda segment, latent, restored: None,
    ) -> tuple[Latent, str]:
        """The whole latent, and a summary for the user.

        Segments and predictions that `job` has are not computed again. `on_segment` may raise to
        stop.
        """
        video, report = self.video, ResumeReport()

        def generate(segment: Segment) -> Latent:
            sampled = self.add_lead(segment)
            lead = segment.start - sampled.start

            def make(predictions: PredictionCache | None) -> Tensors:
                noise, seed = video.noise[:, :, sampled.frames], video.seed_of(segment)
                anchored = self.settings.anchor * segment.overlap
                covariance = self.settings.covariance
                task = SegmentTask(sampled, noise, seed, anchored, lead, predictions, covariance)
                latent = sample(task)[:, :, lead:]
                report.note(predictions)
                return segment_tensors(latent, task.probe.statistics)

            if job is None:
                part, restored = make(None), False
            else:
                part, restored = job.part(segment.index, video.key_of(sampled), make)
            report.parts += restored
            latent = part[LATENT_KEY]
            on_segment(segment, latent, restored)
            self._note_drift(segment, part)
            return latent

        with nullcontext() if job is None else running(job.folder):
            whole = generate_segments(
                generate, video.known, video.mask, self.length, self.settings, video.scenes
            )
        if job is not None:
            job.finish()
        parts = [f"{self.total} parts." if self.total > 1 else "", report.summary]
        parts.append(self.monitor.summary if self.monitor is not None else "")
        return whole, " ".join(part for part in parts if part)

    def _note_drift(self, segment: Segment, part: Tensors) -> None:
        if self.monitor is None or segment.reference is None:
            return
        own = Statistics.from_latent(part[LATENT_KEY]).transformed(self.to_model)
        reference = segment.reference.transformed(self.to_model)
        if self.settings.covariance and not bool(has_texture(reference, own).all()):
            return  # it was not anchored to it: another picture is no drift
        free = unanchored_statistics(part) or own
        self.monitor.note(segment.index, free, own, reference, segment.overlap)


def segment_tensors(latent: Latent, unanchored: Statistics | None) -> Tensors:
    """The cached tensors of a segment: its latent, and its statistics without anchoring."""
    if unanchored is None:
        return {LATENT_KEY: latent}
    return {
        LATENT_KEY: latent,
        MEAN_KEY: unanchored.mean,
        DEVIATION_KEY: unanchored.deviation,
        COVARIANCE_KEY: unanchored.covariance,
    }


def unanchored_statistics(part: Tensors) -> Statistics | None:
    """The statistics without anchoring of a cached segment, if it has them."""
    keys = MEAN_KEY, DEVIATION_KEY, COVARIANCE_KEY
    return Statistics(*(part[key] for key in keys)) if MEAN_KEY in part else None


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
            parts.append(f"{there} were already computed.")
        if self.uncached:
            parts.append(f"No space for {self.uncached} predictions: clear jobs with Sora Jobs.")
        return " ".join(parts)
