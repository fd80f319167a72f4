"""How far a long painting is: progress over the whole of it, and the time that is left."""

import time

import comfy.model_management as devices
import comfy_execution.progress
import comfy_execution.utils

from ...sora_core.sampling.chain import Link
from ...sora_core.shapes import Latent
from .sampling import Callback


class Telling:
    """Tells the host's `callback` of the steps of every link as of one painting's."""

    def __init__(self, callback: Callback | None, steps: int) -> None:
        self.callback, self.steps = callback, steps
        self.made = 0
        self.began = time.monotonic()

    def step(self, link: Link, step: int, clean: Latent, x: Latent, _: int) -> None:
        """A step of `link` is made."""
        devices.throw_exception_if_processing_interrupted()
        if self.made == 0:  # the first step pays for loading the model
            self.began = time.monotonic()
        done, total = link.index * self.steps + step + 1, link.total * self.steps
        if self.made:
            left = (time.monotonic() - self.began) / self.made * (total - done)
            part = f"part {link.index + 1} of {link.total}, " if link.total > 1 else ""
            show_text(f"{part}{clock(left)} left")
        self.made += 1
        self.show(done, clean, x, total)

    def known(self, link: Link, latent: Latent) -> None:
        """`link` was there already."""
        devices.throw_exception_if_processing_interrupted()
        self.show((link.index + 1) * self.steps, latent, latent, link.total * self.steps)

    def all(self, latent: Latent, links: int) -> None:
        """Every link is made, and `latent` is the whole."""
        self.show(links * self.steps, latent, latent, links * self.steps)

    def show(self, done: int, clean: Latent, x: Latent, total: int) -> None:
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
