"""Detection of footage that a sampler changed."""

import comfy.utils
from torch import Tensor

from ..latents import LOST_TOLERANCE, LatentDict, canvas_latent_of, opened_frames


def lost_footage(latent: LatentDict) -> str:
    """A sentence where cells with mask 0 no longer equal the footage; empty where all do.

    Two KSampler (Advanced) in a row lose it: the first one ends on noise, which the host uses as
    the footage of the second (Comfy-Org/ComfyUI#5452).
    """
    encoded, mask, samples = canvas_latent_of(latent), latent.get("noise_mask"), latent["samples"]
    if encoded is None or not isinstance(mask, Tensor) or encoded.known.shape != samples.shape:
        return ""
    known = encoded.known
    held = (comfy.utils.reshape_mask(mask, known.shape)[:, :1] == 0).expand_as(known).clone()
    held[:, :, opened_frames(latent, encoded)] = False
    count = held.sum(dim=(0, 1, 3, 4)) if known.ndim == 5 else held.sum()[None]
    if not bool(count.any()):
        return ""
    difference = (samples.to(known) - known).abs() * held
    apart = difference.sum(dim=(0, 1, 3, 4)) if known.ndim == 5 else difference.sum()[None]
    apart = (apart / count)[count > 0]  # the mean over each frame's footage
    lost = int((apart > LOST_TOLERANCE * known.std()).sum())
    if not lost:
        return ""
    return (
        f"The sampler did not keep the footage: {lost} of {len(apart)} latent frames with footage "
        f"differ, by {float(apart.max()):.2g} at most (their deviation is "
        f"{float(known.std()):.2g}). Two KSampler (Advanced) in a row do this; use Sora Guider "
        "with model_low, and Sora Sample."
    )
