"""The clips of a step of training with noise, noise levels and texts.

Axes: b batch, c channels, t latent frames, y rows, x columns, l words, e text width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

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


def draw_texts(
    text_of: Callable[[int, int], Float[Tensor, "l e"]],
    clips: Int[Tensor, " b"],
    captions: Sequence[int],
    empty: Float[Tensor, "l e"],
    no_text: float,
    generator: Generator,
) -> list[Float[Tensor, "l e"]]:
    """The states of one of the `captions` of each of `clips`, at random; both are numbers.

    A share `no_text` of the clips has `empty`. `text_of` returns the states of a clip's caption.
    """
    count = len(clips)
    chosen = torch.randint(len(captions), (count,), generator=generator).tolist()
    dropped = (torch.rand(count, generator=generator) < no_text).tolist()
    return [
        empty if dropped[i] else text_of(clip, captions[chosen[i]])
        for i, clip in enumerate(clips.tolist())
    ]
