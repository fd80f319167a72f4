"""Training samples of the transformer: the choice of clips, noise levels and known footage.

All random choices for clip `i` of a step follow from the seed, the step and `i` alone, so neither
the number of processes nor the parts of a batch change the result.

Axes: c channels, t latent frames, y rows, x columns, l words, e text width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ...models.packing import PackedClip
from ...shapes import Grid
from ..conditioning_masks import MASK_KINDS, draw_mask
from ..distributed import Ranks
from ..noise_levels import NoiseLevels
from .settings import OwnSettings

SEED_SPACE = 2**63 - 25  # a prime below torch's limit, so that large seeds stay distinct
PARTLY_KNOWN = 0.2  # share of the clips with known footage where it is known up to a noise level


@dataclass(frozen=True, slots=True)
class OwnClip:
    """An encoded clip of the user, with the states of its caption."""

    name: str
    caption: str
    latent: Float[Tensor, "c t y x"]
    words: Float[Tensor, "l e"]
    fps: float

    @property
    def grid(self) -> Grid:
        return Grid(*self.latent.shape[1:])


@dataclass(frozen=True, slots=True)
class OwnClips:
    """The training clips and the held-out ones; `empty` has the states of the empty text."""

    training: Sequence[OwnClip]
    held_out: Sequence[OwnClip]
    empty: Float[Tensor, "l e"]


@dataclass(frozen=True, slots=True)
class FlowSample:
    """A clip and its noise; `open_mask` is 1 where the model generates."""

    clean: Float[Tensor, "1 c t y x"]
    noise: Float[Tensor, "1 c t y x"]
    sigma: Float[Tensor, "1 1 #t #y #x"]
    open_mask: Float[Tensor, "1 1 #t #y #x"]
    words: Float[Tensor, "1 l e"]
    fps: float
    caption: str = ""  # the text of `words`

    def packed(self) -> PackedClip:
        noisy = self.clean.lerp(self.noise, self.sigma.expand_as(self.clean))
        return PackedClip(noisy, self.sigma, self.words, fps=self.fps)

    def to(self, device: torch.device) -> "FlowSample":
        clean, noise, sigma, open_mask, words = (
            tensor.to(device, non_blocking=True)
            for tensor in (self.clean, self.noise, self.sigma, self.open_mask, self.words)
        )
        return FlowSample(clean, noise, sigma, open_mask, words, self.fps, self.caption)


def draw_sample(
    clip: OwnClip, empty: Float[Tensor, "l e"], settings: OwnSettings, generator: Generator
) -> FlowSample:
    """`clip` with noise, a noise level, in some cases known footage, and its caption or none."""
    clean, grid = clip.latent[None].float(), clip.grid
    level, other = (
        NoiseLevels().draw(1, grid.cells, generator).view(1, 1, 1, 1, 1) for _ in range(2)
    )
    known, partly, silent = torch.rand(3, generator=generator).tolist()
    kind = MASK_KINDS[int(torch.randint(len(MASK_KINDS), (), generator=generator))]
    sigma, open_mask = level, torch.ones(1, 1, 1, 1, 1)
    if grid.frames > 1 and known < settings.known:
        mask = draw_mask(grid, kind, generator)[None]
        if kind != "box":
            mask = mask[..., :1, :1]
        if partly < PARTLY_KNOWN:
            sigma = torch.where(mask > 0, level, torch.minimum(level, other))
        else:
            sigma, open_mask = level * mask, mask
    noise = torch.randn(clean.shape, generator=generator)
    words, caption = clip.words, clip.caption
    if silent < settings.no_text:
        words, caption = empty, ""
    return FlowSample(clean, noise, sigma, open_mask, words[None].float(), clip.fps, caption)


def draw_step(clips: OwnClips, settings: OwnSettings, step: int, ranks: Ranks) -> list[FlowSample]:
    """The samples of this process at `step`; all processes together have `batch` of them.

    Clips are in a new random order in each epoch. Every process gets equally many samples, and
    about equally many tokens: samples are assigned largest first, in alternating order of ranks.
    """
    drawn = [clip_at(clips.training, settings, step, i) for i in range(settings.batch)]
    order = sorted(range(len(drawn)), key=lambda i: (-drawn[i].grid.cells, i))
    rounds = [order[i : i + ranks.count] for i in range(0, len(order), ranks.count)]
    mine = [
        (turn if number % 2 == 0 else turn[::-1])[ranks.rank] for number, turn in enumerate(rounds)
    ]
    return [
        draw_sample(drawn[i], clips.empty, settings, generator_of(settings, step, i))
        for i in sorted(mine)
    ]


def clip_at(clips: Sequence[OwnClip], settings: OwnSettings, step: int, index: int) -> OwnClip:
    """Clip `index` of `step` in an endless sequence with a separate order for every epoch."""
    epoch, place = divmod(step * settings.batch + index, len(clips))
    generator = Generator().manual_seed((settings.seed * 1_000_003 + epoch) % SEED_SPACE)
    return clips[int(torch.randperm(len(clips), generator=generator)[place])]


def generator_of(settings: OwnSettings, step: int, index: int) -> Generator:
    """The random generator for clip `index` of `step`."""
    number = (settings.seed * 1_000_003 + step) * 4096 + index + 1
    return Generator().manual_seed(number % SEED_SPACE)
