"""The clips of a step of training with noise, noise levels and texts.

Axes: b batch, c channels, t latent frames, y rows, x columns, l words, e text width.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from ..shapes import Latent


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipBatch:
    """Clips of one shape; `sigma` in [0, 1], and `open_mask` is 1 where the model generates.

    `start` is the first latent frame of a part of a clip; `text_mask` is true at words.
    """

    clean: Latent
    noise: Latent
    sigma: Float[Tensor, "#b 1 #t #y #x"]
    open_mask: Float[Tensor, "1 1 #t #y #x"]
    text: Float[Tensor, "b l e"]
    text_mask: Bool[Tensor, "b l"] | None
    fps: Float[Tensor, " b"]
    start: float = 0.0

    @property
    def noisy(self) -> Latent:
        """The clips at their noise levels."""
        return self.clean.lerp(self.noise, self.sigma.expand_as(self.clean))
