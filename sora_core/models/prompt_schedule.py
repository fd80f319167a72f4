"""Several texts, each told over its own latent frames, as one text that frames read by weight.

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
    """All `texts` that count anywhere, one after the other, and how much each token counts in each
    frame, as a logarithm to be added before the softmax; None where one text is all there is.

    Equal texts give what one of them gives: their weights add up to 1.
    """
    if len(texts) != len(weights):
        raise ConfigError(f"{len(texts)} texts, weights for {len(weights)}: give as many")
    counting = [i for i, row in enumerate(weights) if bool(row.any())]
    if len(counting) == 1:
        return texts[counting[0]], None
    biases = [repeat(weights[i].log(), "t -> t l", l=len(texts[i])) for i in counting]
    return torch.cat([texts[i] for i in counting]), torch.cat(biases, dim=1)
