"""The captioner: a network from a latent of any size to a caption in words.

Axes: b batch, c channels, t frames, y rows, x columns, n tokens, l words, w vocabulary, d width,
h heads, k head width.

A transformer encodes the latent, a second one decodes the caption word by word. Token positions are
fractions of the clip, so that clips of other sizes and lengths have the same range of positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, pi
from statistics import fmean

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool3d

from ..errors import ConfigError, SizeError
from ..shapes import Latent
from .layers import written_out_attention
from .vocabulary import END_SIGN, UNCLEAR_SIGN, Vocabulary

CAPTIONER_FORMAT = "sora captioner 1"
CAPTIONER_HEAD_WIDTH = 32
CAPTIONER_PATCH = 2
WAVES = 4  # per axis: sines and cosines with 1, 2, 4 and 8 half turns over the clip
MAX_CAPTION_WORDS = 72
WINDOW = 5  # latent frames in one call, as in training
LARGEST = 16  # latent cells a side; larger latents are averaged down to these


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionerConfig:
    """Sizes of a Captioner; ConfigError where they do not fit."""

    channels: int = 16
    width: int = 128
    seeing: int = 4  # blocks of the video encoder
    saying: int = 2  # blocks of the text decoder

    def __post_init__(self) -> None:
        if (
            self.width < CAPTIONER_HEAD_WIDTH
            or self.width % CAPTIONER_HEAD_WIDTH
            or min(self.seeing, self.saying) < 1
        ):
            raise ConfigError(
                f"captioner of width {self.width}, {self.seeing} and {self.saying} blocks: choose "
                f"a multiple of {CAPTIONER_HEAD_WIDTH}, and at least one block of each"
            )


@dataclass(frozen=True, slots=True)
class CaptionPrediction:
    """A caption of one clip and its confidence.

    `odds` are the log odds of the geometric mean of its words' probabilities. `unclear` is the
    probability that the clip is outside the captioner's world.
    """

    text: str
    odds: float
    unclear: float


class CaptionerAttention(nn.Module):
    """Multi-head attention: self-attention, or cross-attention to another sequence."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "b l d"],
        features: Float[Tensor, "b n d"],
        mask: Bool[Tensor, "l n"] | None = None,
    ) -> Float[Tensor, "b l d"]:
        """For each token of `x`, attention over `features`; True in `mask` allows a pair."""
        q, k, v = (
            rearrange(part, "b n (h k) -> b h n k", k=CAPTIONER_HEAD_WIDTH)
            for part in (self.q(x), self.k(features), self.v(features))
        )
        return self.out(rearrange(written_out_attention(q, k, v, mask), "b h l k -> b l (h k)"))


def mlp(width: int) -> nn.Sequential:
    """A two-layer MLP with GELU and a hidden width four times `width`."""
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))


class VideoBlock(nn.Module):
    """Self-attention among all tokens of the clip, then an MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_clip, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.clip = CaptionerAttention(width)
        self.mlp = mlp(width)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        y = self.norm_clip(x)
        x = x + self.clip(y, y)
        return x + self.mlp(self.norm_mlp(x))


class TextBlock(nn.Module):
    """Causal self-attention among words, cross-attention to the clip, then an MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_words, self.norm_clip = nn.LayerNorm(width), nn.LayerNorm(width)
        self.norm_mlp = nn.LayerNorm(width)
        self.words, self.clip = CaptionerAttention(width), CaptionerAttention(width)
        self.mlp = mlp(width)

    def forward(
        self, x: Float[Tensor, "b l d"], features: Float[Tensor, "b n d"]
    ) -> Float[Tensor, "b l d"]:
        """The words `x` after attention to earlier words and to the clip's `features`."""
        causal = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        y = self.norm_words(x)
        x = x + self.words(y, y, causal)
        x = x + self.clip(self.norm_clip(x), features)
        return x + self.mlp(self.norm_mlp(x))


class Captioner(nn.Module):
    """A network that captions latents of any size.

    `certainty` holds the offset and slope of the calibration: from the log odds of a caption's
    words to those of a true caption. 0 and 1 leave them unchanged.
    """

    certainty: Tensor

    def __init__(self, config: CaptionerConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config, self.vocabulary = config, vocabulary
        width = config.width
        self.proj_in = nn.Conv3d(  # a token covers its neighbouring frames too
            config.channels,
            width,
            (3, 2 * CAPTIONER_PATCH, 2 * CAPTIONER_PATCH),
            (1, CAPTIONER_PATCH, CAPTIONER_PATCH),
            padding=1,
        )
        self.pos_embed = nn.Linear(3 * 2 * WAVES, width)
        self.video_blocks = nn.ModuleList(VideoBlock(width) for _ in range(config.seeing))
        self.norm_video = nn.LayerNorm(width)
        self.words = nn.Embedding(len(vocabulary.words), width)
        nn.init.normal_(self.words.weight, std=width**-0.5)  # tied: also the weights of the logits
        self.order = nn.Parameter(torch.randn(MAX_CAPTION_WORDS, width) * width**-0.5)
        self.text_blocks = nn.ModuleList(TextBlock(width) for _ in range(config.saying))
        self.norm_text = nn.LayerNorm(width)
        self.register_buffer("certainty", torch.tensor([0.0, 1.0]))

    def encode_video(self, latent: Latent) -> Float[Tensor, "b n d"]:
        """The features to which the text decoder attends.

        Latents with more than `LARGEST` cells a side are averaged down. SizeError for another
        number of channels.
        """
        if latent.shape[1] != self.config.channels:
            raise SizeError(
                f"a latent of {latent.shape[1]} channels: the captioner needs "
                f"{self.config.channels}, from the autoencoder that it was trained with"
            )
        frames, *sides = latent.shape[2:]
        rows, columns = (min(max(side, CAPTIONER_PATCH), LARGEST) for side in sides)
        if [rows, columns] != sides:
            latent = adaptive_avg_pool3d(latent, (frames, rows, columns))
        x = self.proj_in(latent)
        places = self.pos_embed(waves(x.shape[2:], x.device))
        x = rearrange(x, "b d t y x -> b (t y x) d") + places
        for block in self.video_blocks:
            x = block(x)
        return self.norm_video(x)

    def next_words(
        self, words: Int[Tensor, "b l"], features: Float[Tensor, "b n d"]
    ) -> Float[Tensor, "b l w"]:
        """The logits of the next word after each of `words`, which begin with SHORT or LONG."""
        x = self.words(words) + self.order[: words.shape[1]]
        for block in self.text_blocks:
            x = block(x, features)
        return self.norm_text(x) @ self.words.weight.T

    @torch.inference_mode()
    def generate(
        self, latent: Latent, kind: int, seeds: Sequence[int] | None = None, heat: float = 1.0
    ) -> list[CaptionPrediction]:
        """A caption of `kind`, `SHORT_SIGN` or `LONG_SIGN`, for each clip, independently.

        Greedy without `seeds`; with one seed for each clip, words are sampled at the temperature
        `heat`.
        """
        features = self.encode_video(latent)
        draws = [torch.Generator().manual_seed(seed) for seed in seeds or ()]
        words = torch.full((len(latent), 1), kind, device=latent.device)
        chances, unclear = [], torch.zeros(len(latent))
        for place in range(MAX_CAPTION_WORDS - 1):
            logits = self.next_words(words, features)[:, -1].float()
            if place == 0:
                unclear = logits.softmax(dim=-1)[:, UNCLEAR_SIGN]
            logits[:, UNCLEAR_SIGN] = -torch.inf
            likely = logits.softmax(dim=-1)
            following = likely.argmax(dim=-1)
            if draws:
                warm = (logits / heat).softmax(dim=-1).cpu()
                drawn = [
                    torch.multinomial(row, 1, generator=draw)
                    for row, draw in zip(warm, draws, strict=True)
                ]
                following = torch.cat(drawn).to(words)
            chances.append(likely.gather(1, following[:, None]))
            words = torch.cat([words, following[:, None]], dim=1)
            if bool((words == END_SIGN).any(dim=1).all()):
                break
        sequences, likely = words[:, 1:].tolist(), torch.cat(chances, dim=1).tolist()
        return [
            self.prediction(*row) for row in zip(sequences, likely, unclear.tolist(), strict=True)
        ]

    def prediction(
        self, words: list[int], chances: list[float], unclear: float
    ) -> CaptionPrediction:
        """The caption up to its end sign, with the confidence from its words' probabilities."""
        end = words.index(END_SIGN) if END_SIGN in words else len(words)
        chance = fmean(log(max(each, 1e-9)) for each in chances[: end + 1])
        odds = chance - log(max(1 - exp(chance), 1e-9))
        return CaptionPrediction(self.vocabulary.caption(words[:end]), odds, unclear)

    def certainty_of(self, prediction: CaptionPrediction) -> float:
        """The probability that all of `prediction` is true, calibrated on held-out clips."""
        offset, slope = self.certainty.tolist()
        return (1 - prediction.unclear) / (1 + exp(-offset - slope * prediction.odds))


def waves(grid: Sequence[int], device: torch.device) -> Float[Tensor, "n w"]:
    """Positional features of each token in `grid`: sines and cosines along each axis."""
    shares = [(torch.arange(side, device=device) + 0.5) / side for side in grid]
    places = torch.stack(torch.meshgrid(*shares, indexing="ij"), dim=-1).flatten(0, -2)
    turns = places[..., None] * pi * 2.0 ** torch.arange(WAVES, device=device)
    return torch.cat([turns.sin(), turns.cos()], dim=-1).flatten(1)
