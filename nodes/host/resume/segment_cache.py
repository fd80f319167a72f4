"""The cache of a long video's segments in the output folder, by which a job resumes.

Axes: p prompts, q of different words, t latent frames.
"""

from dataclasses import dataclass
from pathlib import Path

import folder_paths
from jaxtyping import Float
from torch import Tensor

from ....sora_core.resume.fingerprint import fingerprint
from ....sora_core.resume.jobs import Job
from ....sora_core.resume.tensor_cache import Tensors
from ....sora_core.sampling.drift import Statistics
from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.sampling.segments import Segment
from ....sora_core.shapes import Latent
from ..conditioning import Conds, by_span, by_wording
from ..latents import canvas_of
from ..sampling import LatentDict
from .fingerprint import conds_fingerprint

JOBS_FOLDER = "sora-jobs"
LATENT_KEY, MEAN_KEY, DEVIATION_KEY = "latent", "unheld_mean", "unheld_deviation"


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """Inputs of a long video that differ between its segments."""

    known: Latent
    mask: SamplingMask
    noise: Latent
    seed: int | None
    positive: Conds
    weights: Float[Tensor, "p t"]

    @property
    def key(self) -> str:
        rest = (self.known, self.mask, self.noise, self.seed, self.weights)
        return fingerprint(conds_fingerprint(self.positive), *rest)

    @property
    def words(self) -> Float[Tensor, "q t"]:
        """The weight of each distinct prompt in each frame; a repeated prompt is the same scene."""
        return by_wording(self.positive, self.weights)

    def key_of(self, segment: Segment, seed: int | None) -> str:
        """The fingerprint of one segment: its footage, history, noise and prompts."""
        here = self.weights[:, segment.frames]
        spoken = [
            [conds_fingerprint(conds), row]
            for conds, row in zip(by_span(self.positive), here, strict=True)
            if bool(row.any())
        ]
        around = (segment.start, segment.known, segment.mask, segment.reference, segment.overlap)
        return fingerprint(spoken, self.noise[:, :, segment.frames], seed, *around)


def segment_tensors(latent: Latent, unheld: Statistics | None) -> Tensors:
    """The cached tensors of a segment: its latent, and its statistics without anchoring."""
    if unheld is None:
        return {LATENT_KEY: latent}
    return {LATENT_KEY: latent, MEAN_KEY: unheld.mean, DEVIATION_KEY: unheld.deviation}


def free_statistics(part: Tensors) -> Statistics | None:
    """The statistics without anchoring of a cached segment, if it has them."""
    return Statistics(part[MEAN_KEY], part[DEVIATION_KEY]) if MEAN_KEY in part else None


def jobs_folder() -> Path:
    """The folder of long jobs, in the host's output folder."""
    return Path(folder_paths.get_output_directory()) / JOBS_FOLDER


def open_job(shared: str, segment_job: SegmentJob, latent: LatentDict, total: int) -> Job:
    """The job of a video of `total` segments, resumed if it exists.

    `shared` is the fingerprint of all that is equal in its segments. ConfigError if an input has no
    fingerprint that survives a restart.
    """
    return Job(
        jobs_folder(),
        shared,
        segment_job.key,
        describe_latent(latent),
        segment_job.seed or 0,
        total,
    )


def describe_latent(latent: LatentDict) -> str:
    """A description of a latent's content for users."""
    canvas = canvas_of(latent)
    if canvas is None:
        return "x".join(str(side) for side in latent["samples"].shape[2:]) + " latent"
    shot = f": {canvas.prompts[0].prompt[:60]}" if canvas.prompts else ""
    return f"{canvas.width}x{canvas.height}, {canvas.seconds:g} s{shot}"
