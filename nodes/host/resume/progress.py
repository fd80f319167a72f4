"""How far a long painting is: progress over the whole of it, and the time that is left."""

import time

import comfy.model_management as devices
import comfy_execution.progress
import comfy_execution.utils

from ....sora_core.sampling.segments import Segment
from ....sora_core.shapes import Latent
from ..sampling import Callback


class SamplingProgress:
    """Tells the host's `callback` of the steps of every link as of one painting's."""

    def __init__(self, callback: Callback | None, steps: int) -> None:
        self.callback, self.steps = callback, steps
        self.steps_done = 0
        self.began = time.monotonic()

    def step(self, segment: Segment, step: int, clean: Latent, x: Latent, _: int) -> None:
        """A step of `segment` is made."""
        devices.throw_exception_if_processing_interrupted()
        if self.steps_done == 0:  # the first step pays for loading the model
            self.began = time.monotonic()
        done, total = segment.index * self.steps + step + 1, segment.total * self.steps
        if self.steps_done:
            left = (time.monotonic() - self.began) / self.steps_done * (total - done)
            part = f"part {segment.index + 1} of {segment.total}, " if segment.total > 1 else ""
            show_text(f"{part}{clock(left)} left")
        self.steps_done += 1
        self.report(done, clean, x, total)

    def restored(self, segment: Segment, latent: Latent) -> None:
        """`segment` was there already."""
        devices.throw_exception_if_processing_interrupted()
        self.report((segment.index + 1) * self.steps, latent, latent, segment.total * self.steps)

    def finish(self, latent: Latent, segments: int) -> None:
        """Every link is made, and `latent` is the whole."""
        self.report(segments * self.steps, latent, latent, segments * self.steps)

    def report(self, done: int, clean: Latent, x: Latent, total: int) -> None:
        if self.callback is not None:
            self.callback(done - 1, clean, x, total)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, as a clock shows them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def show_text(text: str) -> None:
    """Shows `text` on the node that runs, where the host can, to whoever queued it."""
    running = comfy_execution.utils.get_executing_context()
    page = comfy_execution.progress.get_progress_state().handlers.get("webui")
    sender = getattr(page, "server_instance", None)
    if running is not None and sender is not None and sender.client_id is not None:
        sender.send_progress_text(text, running.node_id, sid=sender.client_id)
