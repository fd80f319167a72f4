"""How a model of the host that sees a few latent frames at a time paints any number of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.model_management as devices
import comfy.model_patcher
import torch
from torch import Tensor

from ....sora_core.errors import ConfigError
from ....sora_core.pipeline.denoiser import RING_CUTS, ring_start
from ....sora_core.pipeline.generate import OVERLAP, SEGMENT_SETTINGS, clip_shift
from ....sora_core.sampling.loop import loop_denoiser_at
from ....sora_core.sampling.samplers import Denoise
from ....sora_core.sampling.schedules import shifted_sigmas
from ....sora_core.sampling.windows import Windows
from ....sora_core.shapes import Grid
from ..latents import canvas_latent_of
from ..models.model import HostModel
from ..sampling import LatentDict
from .conditioning_support import ConditioningSupport
from .predict import is_loop
from .trained_length import trained_latent_frames

MEMORY_SHARE = (
    0.5  # of a device's memory, for what is alive while a model runs; the rest is for weights
)
BATCH_ROWS = 2  # towards the prompt and away from the other, side by side
OFFLOADING = 8  # times as many run where rows go one by one and weights wait in main memory:
# 81 frames of 1280x720 in 12 GB where the share above holds 13 (ComfyUI-WanVideoWrapper#1713)

CallAt = Callable[[int, int], Denoise]
"""The denoiser of frames from the first number on, which the model takes to be at the second."""


@dataclass(frozen=True, slots=True)
class TemporalPlan:
    """A latent of `whole`, seen in `windows`.

    Painted in a chain of links where it is longer and the model can be shown what is there already;
    else, and where it is a ring, all at a time.
    """

    whole: Grid
    windows: Windows
    ring: bool
    accepts_footage: bool
    everywhere: bool  # whether a short ring is cut at each of its frames
    first: int = 0  # the number of the first latent frame of a cut ring
    remark: str = ""  # where memory is too small for the length that the model was trained for

    @classmethod
    def for_latent(
        cls,
        patcher: comfy.model_patcher.ModelPatcher,
        support: ConditioningSupport,
        latent: LatentDict,
        seconds: float,
    ) -> "TemporalPlan":
        """The plan for `latent` on this model and its device.

        `seconds` is the length of a window; 0 takes the length that the model was trained for, or
        what memory holds. ConfigError for other `seconds` where no canvas belongs to `latent`.
        """
        length, remark = frames_at_once(patcher, latent, seconds)
        windows = Windows(length, min(OVERLAP, length - 1))
        ours = isinstance(patcher.model, HostModel)
        whole = Grid(*latent["samples"].shape[2:])
        first = ring_start(patcher.model.diffusion_model.config) if ours else 0
        return cls(whole, windows, is_loop(latent), support.accepts_footage, ours, first, remark)

    @property
    def is_long(self) -> bool:
        return self.whole.frames > self.windows.length

    @property
    def segmented(self) -> bool:
        return self.is_long and self.accepts_footage and not self.ring

    @property
    def segment_frames(self) -> int:
        """Latent frames that are painted together."""
        return self.windows.length if self.segmented else self.whole.frames

    @property
    def resumable(self) -> bool:
        """Whether a step is more than one call of the model: so long that a stop would hurt."""
        return self.is_long or self.ring

    @property
    def cuts(self) -> tuple[int, int]:
        """At how many places a ring is cut open, and how far each cut goes on beyond them."""
        period = self.whole.frames
        if self.everywhere and not self.is_long:
            return period, 1
        return min(RING_CUTS, period), self.windows.overlap if self.is_long else 1

    @property
    def summary(self) -> list[str]:
        """How it is painted, for the user."""
        parts = []
        if self.ring:
            parts.append(f"Each step of a loop calls the model {self.cuts[0]} times.")
        if self.is_long:
            method = (
                "links, each going on from the last" if self.segmented else "windows, all at a time"
            )
            length, frames = self.windows.length, self.whole.frames
            parts.append(f"Painted in {method}, {length} of {frames} latent frames each.")
        if self.remark:
            parts.append(self.remark)
        return parts

    def denoiser(self, call_at: CallAt, start: int) -> Denoise:
        """A denoiser of all that is painted together from latent frame `start` on."""
        if not self.ring:
            return self.windows.denoiser(lambda i: call_at(i, start + i))
        cuts, context = self.cuts
        if not self.is_long:
            return loop_denoiser_at(
                lambda first: call_at(first, self.first), self.whole.frames, cuts, context
            )

        def line(first: int) -> Denoise:
            return self.windows.denoiser(lambda i: call_at(first + i, self.first + i))

        return loop_denoiser_at(line, self.whole.frames, cuts, context)

    def sigmas(self, sigmas: Tensor) -> Tensor:
        """`sigmas`, as Sora Schedule makes them for what the model sees at a time: left to itself,
        it counts the whole latent. Other schedules stay as they are."""
        window = Grid(self.windows.length, self.whole.rows, self.whole.columns)
        as_whole, as_window = (
            torch.tensor(shifted_sigmas(len(sigmas) - 1, clip_shift(grid))).to(sigmas)
            for grid in (self.whole, window)
        )
        return as_window if torch.allclose(sigmas, as_whole) else sigmas


def frames_at_once(
    patcher: comfy.model_patcher.ModelPatcher, latent: LatentDict, seconds: float
) -> tuple[int, str]:
    """As many latent frames as last `seconds`, and a remark for the user.

    For 0 as many as the model was trained for; for a model of unknown length as many as memory
    holds. Less than the trained length only where even offloading cannot hold it, with a remark.
    Counts all memory, not what is free: the same each time.
    """
    frames = latent["samples"].shape[2]
    least, model, remark = min(frames, SEGMENT_SETTINGS.history + 1), patcher.model, ""
    if seconds:
        encoded = canvas_latent_of(latent)
        if encoded is None:
            raise ConfigError(
                f"window of {seconds:g} seconds, and a latent that no canvas made: set it to 0, or "
                "use Sora Encode Canvas"
            )
        count = max(1, round(seconds * encoded.canvas.fps))
        wanted = encoded.compression.latent_frames(count)
    elif isinstance(model, HostModel):
        wanted = model.window
    else:
        fitting, trained = frames_in_memory(patcher, latent), trained_latent_frames(model)
        wanted = int(fitting) if trained is None else min(trained, int(OFFLOADING * fitting))
        if trained is not None and wanted < min(trained, frames):
            remark = (
                f"Memory holds fewer than the {trained} latent frames that this model was trained "
                "for: choose a smaller size, or set `window` to try more."
            )
    return min(frames, max(least, wanted)), remark


def frames_in_memory(patcher: comfy.model_patcher.ModelPatcher, latent: LatentDict) -> float:
    """How many latent frames the memory share of this device holds, by the host's own estimate."""
    batch, channels, frames, *sides = latent["samples"].shape
    memory: Any = devices.get_total_memory(patcher.load_device)
    needed = patcher.model.memory_required([BATCH_ROWS * batch, channels, frames, *sides])
    return frames * MEMORY_SHARE * memory / needed
