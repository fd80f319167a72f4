"""The GUIDER of Sora Guider: with a canvas or without."""

import comfy.model_patcher

from ....sora_core.errors import ConfigError
from ....sora_core.sampling.guidance import GuidanceScale
from ....sora_core.sampling.prompt_spans import SPAN_KEY
from ....sora_core.seams.settings import JoinSettings
from ..latents import LatentDict
from ..sampling import Conditioning
from .canvas_guider import CanvasGuider
from .guider import Guider
from .low_noise_expert import LowNoiseExpert


def make_guider(
    model: comfy.model_patcher.ModelPatcher,
    positive: Conditioning,
    negative: Conditioning,
    guidance: GuidanceScale,
    latent: LatentDict | None,
    *,
    window: float,
    resume: bool,
    frame_levels: bool,
    low: LowNoiseExpert | None,
    joins: JoinSettings,
) -> Guider:
    """A GUIDER of `model`, which samples the canvas of `latent` where there is one.

    The settings are the inputs of Sora Guider. ConfigError or SizeError for those that this model,
    conditioning or canvas does not support, and for those of a canvas where `latent` is None.
    """
    if latent is None:
        if any(SPAN_KEY in options for _, options in positive):
            raise ConfigError("prompts over spans of time: connect `latent` of Sora Guider too")
        if guidance.footage != 1:
            raise ConfigError("footage_scale needs footage: connect `latent` of Sora Guider too")
    result = Guider(model) if latent is None else CanvasGuider(model)
    result.set_conds(positive, negative)
    result.set_guidance(guidance)
    if low is not None:
        result.set_low_noise_expert(low)
    if isinstance(result, CanvasGuider) and latent is not None:
        result.set_canvas(latent, window, resume, frame_levels, joins)
    return result
