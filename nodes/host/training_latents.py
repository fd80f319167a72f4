"""The clips of a plan as lists of LATENT and CONDITIONING for the host's training nodes."""

from typing import Any

import comfy.sd
import torch

from ...sora_core.errors import ConfigError
from ...sora_core.shapes import Size
from ...sora_core.training.own.clip_reader import clip_frames
from ...sora_core.training.own.plan import Plan
from ...sora_core.video.frames import video_from_frames
from .models.model import FRAME_RATE
from .models.vae import VAE
from .sampling import progress
from .vae.encode import encode_strategy

CLIP_PIXELS = 17  # frames that are converted to floats at a time


def encoded_clips(
    plan: Plan, vae: VAE, clip: comfy.sd.CLIP, split: str
) -> tuple[list[dict[str, Any]], list[Any]]:
    """A LATENT and a CONDITIONING for each clip of `split`, in the order of the plan.

    ConfigError where the split is empty. The conditioning has the clip's rate as `frame_rate`.
    """
    clips = plan.of_split(split)
    if not clips:
        raise ConfigError(f"no clip is {split}: change held_out of Sora Dataset")
    show = progress(len(clips))
    latents, conditionings = [], []
    texts: dict[str, Any] = {}
    for done, one in enumerate(clips, 1):
        frames = clip_frames(plan.path(one), one)
        encoder = encode_strategy(vae, Size(one.width, one.height, one.frames))
        chunks = (video_from_frames(part)[None] for part in frames.split(CLIP_PIXELS))
        parts = list(encoder.encode(chunks))
        latents.append({"samples": trainable(torch.cat(parts, dim=2).cpu())})
        if one.caption not in texts:
            texts[one.caption] = clip.tokenize(one.caption)
        encoded = clip.encode_from_tokens_scheduled(
            texts[one.caption], add_dict={FRAME_RATE: one.fps}
        )
        conditionings.append([[trainable(cond), extra] for cond, extra in encoded])
        show(done)
    return latents, conditionings


def trainable(tensor: torch.Tensor) -> torch.Tensor:
    """A copy of `tensor` for use with autograd.

    The host runs nodes in inference mode, whose tensors cannot be saved for a backward pass.
    """
    with torch.inference_mode(False):
        return tensor.clone()
