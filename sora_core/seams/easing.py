"""Text guidance eased beside known footage. Axes: b c t y x, as in shapes.

Next to footage text guidance is not needed: the footage determines the content there, and guidance
makes generated frames start with a jump.
"""

import torch

from ..sampling.guidance import Share
from ..sampling.inpaint import SamplingMask


def ease_guidance(mask: SamplingMask, over: int, ring: bool = False) -> Share:
    """The share of text guidance: 0 next to a fully known latent frame, 1 from `over` frames on.

    The number 1 where no frame is fully known, or `over` is 0. On a ring the last frame is next to
    the first.
    """
    known = (mask.amax(dim=(0, 1, 3, 4)) == 0).nonzero().flatten().cpu()
    if not len(known) or not over:
        return 1.0
    away = (torch.arange(mask.shape[2])[:, None] - known).abs()
    if ring:
        away = torch.minimum(away, mask.shape[2] - away)
    return ((away.amin(dim=1) - 1) / over).clamp(0, 1)[None, None, :, None, None]
