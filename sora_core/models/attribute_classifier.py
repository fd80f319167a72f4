"""A classifier of a clip's attributes: one word for each question, such as its colour.

Axes: b batch, t pairs of frames, y rows, x columns, c channels, n cells, q questions, h heads,
k head width.

It serves measurements only. Its clips have one size; the possible answers are part of the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from ..errors import ConfigError
from ..shapes import Size, Video
from .autoencoder import PIXEL_PATCH, Block, run_blocks

CLASSIFIER_FORMAT = "sora reader 1"
CLASSIFIER_SIZE = Size(64, 64, 17)
PAIR = 2  # frames per input patch, so that motion is visible to the first layer
FRAME_MERGE = 2
CLASSIFIER_HEAD_WIDTH = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassifierConfig:
    """Sizes of an AttributeClassifier; ConfigError for a clip size or widths that do not fit."""

    size: Size = CLASSIFIER_SIZE
    widths: tuple[int, ...] = (64, 96, 160)  # per level; each has half the rows and columns
    depths: tuple[int, ...] = (1, 1, 2)

    def __post_init__(self) -> None:
        cell = PIXEL_PATCH * FRAME_MERGE ** (len(self.widths) - 1)
        if self.size.width % cell or self.size.height % cell or self.size.frames % PAIR == 0:
            raise ConfigError(
                f"classifier for {self.size}: choose sides that {cell} divides, and odd frames"
            )
        if len(self.widths) != len(self.depths) or self.widths[-1] % CLASSIFIER_HEAD_WIDTH:
            raise ConfigError(
                f"classifier widths {self.widths}, depths {self.depths}: choose as many depths as "
                f"widths, the last width a multiple of {CLASSIFIER_HEAD_WIDTH}"
            )

    @property
    def cells(self) -> int:
        """The number of cells to which the questions attend."""
        cell = PIXEL_PATCH * FRAME_MERGE ** (len(self.widths) - 1)
        pairs = (self.size.frames + 1) // PAIR
        return pairs * (self.size.height // cell) * (self.size.width // cell)


class AttributeClassifier(nn.Module):
    """Convolutions over space and time at three resolutions, then attention pooling per question.

    `words` maps each question to its possible answers.
    """

    def __init__(self, config: ClassifierConfig, words: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.config, self.words = config, words
        first, last = config.widths[0], config.widths[-1]
        self.proj_in = nn.Linear(3 * PAIR * PIXEL_PATCH**2, first)
        self.merges = nn.ModuleList(
            nn.Linear(FRAME_MERGE**2 * a, b) for a, b in pairwise(config.widths)
        )
        self.levels = nn.ModuleList(
            nn.ModuleList(Block(width, nn) for _ in range(depth))
            for width, depth in zip(config.widths, config.depths, strict=True)
        )
        self.norm = nn.LayerNorm(last)
        self.places = nn.Parameter(0.5 * torch.randn(config.cells, last))
        self.questions = nn.Parameter(torch.randn(len(words), last))
        self.keys_values = nn.Linear(last, 2 * last)
        self.mix = nn.Linear(last, last)
        self.answers = nn.ModuleDict({name: nn.Linear(last, len(w)) for name, w in words.items()})

    def forward(self, video: Video) -> dict[str, Float[Tensor, "b word"]]:
        """The logits of the answers, by question, for clips in [-1, 1] of `config.size`."""
        video = torch.cat([video[:, :, :1], video], dim=2)
        x = rearrange(
            video,
            "b c (t f) (y i) (x j) -> b t y x (f i j c)",
            f=PAIR,
            i=PIXEL_PATCH,
            j=PIXEL_PATCH,
        )
        fine, *coarser = (list(level.children()) for level in self.levels)
        x = run_blocks(fine, self.proj_in(x), [None] * len(fine))
        for merge, blocks in zip(self.merges, coarser, strict=True):
            x = merge(
                rearrange(x, "b t (y i) (x j) c -> b t y x (i j c)", i=FRAME_MERGE, j=FRAME_MERGE)
            )
            x = run_blocks(blocks, x, [None] * len(blocks))
        x = self.norm(rearrange(x, "b t y x c -> b (t y x) c")) + self.places
        k, v = rearrange(
            self.keys_values(x), "b n (s h k) -> s b h n k", s=2, k=CLASSIFIER_HEAD_WIDTH
        )
        q = rearrange(self.questions, "q (h k) -> h q k", k=CLASSIFIER_HEAD_WIDTH).expand(
            len(x), -1, -1, -1
        )
        attended = scaled_dot_product_attention(q.to(k.dtype), k, v)
        attended = silu(self.mix(rearrange(attended, "b h q k -> b q (h k)")))
        return {
            name: answer(attended[:, i]) for i, (name, answer) in enumerate(self.answers.items())
        }

    @torch.inference_mode()
    def read(self, video: Video) -> list[dict[str, str]]:
        """For each clip, the most likely word for each question."""
        logits = self(video)
        best = {name: values.argmax(dim=-1) for name, values in logits.items()}
        return [
            {name: self.words[name][int(row[i])] for name, row in best.items()}
            for i in range(len(video))
        ]
