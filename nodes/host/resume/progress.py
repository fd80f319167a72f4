"""Progress and remaining time over all segments of a long video, and how far they drift."""

import time
from typing import Any

import comfy.model_base
import comfy.model_management as devices
import comfy_execution.progress
import comfy_execution.utils

from ....sora_core.sampling.drift import DriftMonitor
from ....sora_core.sampling.segments import Segment
from ....sora_core.shapes import Latent
from ..sampling import Callback


class SamplingProgress:
    """Reports the steps of all segments to the host's `callback` as those of one sampling."""

    def __init__(self, callback: Callback | None, steps: int) -> None:
        self.callback, self.steps = callback, steps
        self.steps_done = 0
        self.began = time.monotonic()

    def step(self, segment: Segment, step: int, clean: Latent, x: Latent, _: int) -> None:
        """Reports that a step of `segment` is done."""
        devices.throw_exception_if_processing_interrupted()
        if self.steps_done == 0:  # the first step pays for loading the model
            self.began = time.monotonic()
        done, total = segment.step_of_all(step + 1, self.steps)
        if self.steps_done:
            left = (time.monotonic() - self.began) / self.steps_done * (total - done)
            part = f"part {segment.index + 1} of {segment.total}, " if segment.total > 1 else ""
            show_text(f"{part}{clock(left)} left")
        self.steps_done += 1
        self.report(done, clean, x, total)

    def finish_segment(self, segment: Segment, latent: Latent, restored: bool) -> None:
        """Reports the steps of a `segment` that was restored from the cache."""
        if restored:
            devices.throw_exception_if_processing_interrupted()
            done, total = segment.step_of_all(self.steps, self.steps)
            self.report(done, latent, latent, total)

    def finish(self, latent: Latent, segments: int) -> None:
        """Reports that all segments are done; `latent` is the whole."""
        self.report(segments * self.steps, latent, latent, segments * self.steps)

    def report(self, done: int, clean: Latent, x: Latent, total: int) -> None:
        if self.callback is not None:
            self.callback(done - 1, clean, x, total)


def drift_monitor(model: comfy.model_base.BaseModel) -> DriftMonitor | None:
    """A monitor of drift, if the host knows the RGB factors of this model's latents."""
    factors: Any = model.latent_format.latent_rgb_factors
    return None if factors is None else DriftMonitor.from_factors(factors)


def clock(seconds: float) -> str:
    """`seconds` as "h:mm:ss", or "m:ss" below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def show_text(text: str) -> None:
    """Shows `text` on the running node to the client that queued it, if the host supports it."""
    running = comfy_execution.utils.get_executing_context()
    page = comfy_execution.progress.get_progress_state().handlers.get("webui")
    sender = getattr(page, "server_instance", None)
    if running is not None and sender is not None and sender.client_id is not None:
        sender.send_progress_text(text, running.node_id, sid=sender.client_id)
