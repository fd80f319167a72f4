"""Links of a long painting, kept in the output folder: queued again, it goes on where it stopped.

Axes: p prompts, q of different words, t latent frames.
"""

from dataclasses import dataclass
from pathlib import Path

import folder_paths
from jaxtyping import Float
from torch import Tensor

from ...sora_core.canvas import Canvas
from ...sora_core.digest import digest
from ...sora_core.jobs import Job
from ...sora_core.kept import Tensors
from ...sora_core.sampling.anchor import Statistics
from ...sora_core.sampling.chain import Link
from ...sora_core.sampling.hold import Mask
from ...sora_core.shapes import Latent
from .identity import conds_identity
from .sampling import Latents
from .told import Conds, by_span, by_words

FOLDER = "sora-jobs"
LATENT, MEAN, DEVIATION = "latent", "unheld_mean", "unheld_deviation"


@dataclass(frozen=True, slots=True)
class Making:
    """What makes a long painting, beside what is the same in all of its links."""

    known: Latent
    mask: Mask
    noise: Latent
    seed: int | None
    positive: Conds
    weights: Float[Tensor, "p t"]

    @property
    def key(self) -> str:
        rest = (self.known, self.mask, self.noise, self.seed, self.weights)
        return digest(conds_identity(self.positive), *rest)

    @property
    def words(self) -> Float[Tensor, "q t"]:
        """How much each wording counts in each frame: what is said again is the same scene."""
        return by_words(self.positive, self.weights)

    def key_of(self, link: Link, seed: int | None) -> str:
        """What makes one link: the footage and history it begins with, and what it is told."""
        here = self.weights[:, link.frames]
        spoken = [
            [conds_identity(conds), row]
            for conds, row in zip(by_span(self.positive), here, strict=True)
            if bool(row.any())
        ]
        around = (link.start, link.known, link.mask, link.like, link.share)
        return digest(spoken, self.noise[:, :, link.frames], seed, *around)


def part_of(latent: Latent, unheld: Statistics | None) -> Tensors:
    """What is kept of a link: its latent, and what it would be like were it not anchored."""
    if unheld is None:
        return {LATENT: latent}
    return {LATENT: latent, MEAN: unheld.mean, DEVIATION: unheld.deviation}


def unheld_of(part: Tensors) -> Statistics | None:
    """What a link that is kept would be like were it not anchored."""
    return Statistics(part[MEAN], part[DEVIATION]) if MEAN in part else None


def jobs_folder() -> Path:
    """Where long jobs are kept, in the host's output folder."""
    return Path(folder_paths.get_output_directory()) / FOLDER


def job_of(shared: str, making: Making, latent: Latents, total: int) -> Job:
    """The job of a painting of `total` links, gone on with if it was begun before. `shared` is what
    makes every link; ConfigError where a restart could not know what makes them."""
    return Job(jobs_folder(), shared, making.key, described(latent), making.seed or 0, total)


def described(latent: Latents) -> str:
    """What a latent will show, for people."""
    canvas: Canvas | None = latent.get("sora_canvas")
    if canvas is None:
        return "x".join(str(side) for side in latent["samples"].shape[2:]) + " latent"
    shot = f": {canvas.prompts[0].prompt[:60]}" if canvas.prompts else ""
    return f"{canvas.width}x{canvas.height}, {canvas.seconds:g} s{shot}"
