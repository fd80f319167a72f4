"""Prompt schedule: several texts over time as one text, with a weight per latent frame.

Axes: p texts, t latent frames, l text tokens, e text width.
"""

from collections.abc import Sequence

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from ..errors import ConfigError


def scheduled_text(
    texts: Sequence[Float[Tensor, "l e"]], weights: Float[Tensor, "p t"]
) -> tuple[Float[Tensor, "l2 e"], Float[Tensor, "t l2"] | None]:
    """The concatenated `texts`, and an attention bias for each latent frame and token.

    The bias is the logarithm of the text's weight in the frame, added before the softmax; it is
    None for a single text. Texts of weight 0 in all frames are left out. Weights of a frame add up
    to 1, so equal texts give the same attention as one of them. ConfigError unless there is a row
    of `weights` for each text.
    """
    if len(texts) != len(weights):
        raise ConfigError(
            f"{len(texts)} texts and weights for {len(weights)}: make the numbers equal"
        )
    counting = [i for i, row in enumerate(weights) if bool(row.any())]
    if len(counting) == 1:
        return texts[counting[0]], None
    biases = [repeat(weights[i].log(), "t -> t l", l=len(texts[i])) for i in counting]
    return torch.cat([texts[i] for i in counting]), torch.cat(biases, dim=1)
