"""How many latent frames a model of the host sees at a time."""

from typing import Any

import comfy.model_management as devices
import comfy.model_patcher

from ...sora_core.canvas import Canvas
from ...sora_core.errors import ConfigError
from ...sora_core.pipeline import CHAIN
from .model import HostModel
from .sampling import Latents

ROOM = 0.5  # of a device's memory, for what is alive while a model runs; the rest is for weights
VIEWS = 2  # towards the prompt and away from the other, side by side


def seen_at_once(patcher: comfy.model_patcher.ModelPatcher, latent: Latents, seconds: float) -> int:
    """As many latent frames as last `seconds`; for 0 as many as our model was made for, or as any
    other finds memory for. Counts all memory, not what is free: the same each time."""
    batch, channels, frames, *sides = latent["samples"].shape
    least, model = min(frames, CHAIN.history + 1), patcher.model
    if seconds:
        canvas: Canvas | None = latent.get("sora_canvas")
        if canvas is None:
            raise ConfigError(
                f"window of {seconds:g} seconds, and a latent that no canvas made: set it to 0, or "
                "use Sora Encode Canvas"
            )
        wanted = latent["sora_compression"].latent_frames(max(1, round(seconds * canvas.fps)))
    elif isinstance(model, HostModel):
        wanted = model.window
    else:
        memory: Any = devices.get_total_memory(patcher.load_device)
        needed = model.memory_required([VIEWS * batch, channels, frames, *sides])
        wanted = int(frames * ROOM * memory / needed)
    return min(frames, max(least, wanted))
