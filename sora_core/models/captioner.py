"""A network that says in words what a clip shows: from a latent of any size to a caption.

Axes: b batch, c channels, t frames, y rows, x columns, n tokens, l words, w vocabulary, d width,
h heads, k head width.

A transformer looks at the latent, another writes, word after word. Where in the clip a token is
counts as a share of it, so that clips of other sizes and lengths look alike.
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
WAVES = 4  # per axis: sines and cosines of one to eight half turns over the clip
MAX_CAPTION_WORDS = 72  # words
WINDOW = 5  # latent frames that are seen at once, as in training
LARGEST = 16  # latent cells a side that are seen one by one


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionerConfig:
    channels: int = 16
    width: int = 128
    seeing: int = 4  # blocks that look
    saying: int = 2  # blocks that write

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
    """A caption of one clip, the log odds of a word in it, and how likely it is that the clip shows
    nothing the captioner knows."""

    text: str
    odds: float
    unclear: float


class CaptionerAttention(nn.Module):
    """Each token of one row asks all tokens of another, or of its own."""

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
        q, k, v = (
            rearrange(part, "b n (h k) -> b h n k", k=CAPTIONER_HEAD_WIDTH)
            for part in (self.q(x), self.k(features), self.v(features))
        )
        return self.out(rearrange(written_out_attention(q, k, v, mask), "b h l k -> b l (h k)"))


def mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))


class VideoBlock(nn.Module):
    """All tokens of the clip look at each other."""

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
    """Each word looks at the words before it, then at the clip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_words, self.norm_clip = nn.LayerNorm(width), nn.LayerNorm(width)
        self.norm_mlp = nn.LayerNorm(width)
        self.words, self.clip = CaptionerAttention(width), CaptionerAttention(width)
        self.mlp = mlp(width)

    def forward(
        self, x: Float[Tensor, "b l d"], features: Float[Tensor, "b n d"]
    ) -> Float[Tensor, "b l d"]:
        before = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        y = self.norm_words(x)
        x = x + self.words(y, y, before)
        x = x + self.clip(self.norm_clip(x), features)
        return x + self.mlp(self.norm_mlp(x))


class Captioner(nn.Module):
    """Latents of any size to captions.

    `certainty` is the offset and the slope that turn the log odds of a word into those of a true
    caption; 0 and 1 take a word's chance as it is.
    """

    certainty: Tensor

    def __init__(self, config: CaptionerConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config, self.vocabulary = config, vocabulary
        width = config.width
        self.proj_in = nn.Conv3d(  # each token knows the frames before and after it
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
        nn.init.normal_(self.words.weight, std=width**-0.5)  # they are the logits' weights too
        self.order = nn.Parameter(torch.randn(MAX_CAPTION_WORDS, width) * width**-0.5)
        self.text_blocks = nn.ModuleList(TextBlock(width) for _ in range(config.saying))
        self.norm_text = nn.LayerNorm(width)
        self.register_buffer("certainty", torch.tensor([0.0, 1.0]))

    def encode_video(self, latent: Latent) -> Float[Tensor, "b n d"]:
        """What the writer looks at. At most `LARGEST` cells a side are seen; more are averaged."""
        if latent.shape[1] != self.config.channels:
            raise SizeError(
                f"a latent of {latent.shape[1]} channels: the captioner reads those of "
                f"{self.config.channels}, of the autoencoder it was trained with"
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
        """The logits of the word after each of `words`, the first of which says which caption."""
        x = self.words(words) + self.order[: words.shape[1]]
        for block in self.text_blocks:
            x = block(x, features)
        return self.norm_text(x) @ self.words.weight.T

    @torch.inference_mode()
    def generate(
        self, latent: Latent, kind: int, seeds: Sequence[int] | None = None, heat: float = 1.0
    ) -> list[CaptionPrediction]:
        """A caption of `kind`, `SHORT` or `LONG`, for each clip, each as if it were alone.

        Without `seeds`, one for each clip, the likeliest words; else drawn ones, more varied with
        more `heat`.
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
        """What was said up to the end."""
        end = words.index(END_SIGN) if END_SIGN in words else len(words)
        chance = fmean(log(max(each, 1e-9)) for each in chances[: end + 1])
        odds = chance - log(max(1 - exp(chance), 1e-9))
        return CaptionPrediction(self.vocabulary.caption(words[:end]), odds, unclear)

    def certainty_of(self, prediction: CaptionPrediction) -> float:
        """How likely all of `prediction` is true, as far as held-out clips have shown."""
        offset, slope = self.certainty.tolist()
        return (1 - prediction.unclear) / (1 + exp(-offset - slope * prediction.odds))


def waves(grid: Sequence[int], device: torch.device) -> Float[Tensor, "n w"]:
    """For each token of `grid` sines and cosines of where in the clip it is, along each axis."""
    shares = [(torch.arange(side, device=device) + 0.5) / side for side in grid]
    places = torch.stack(torch.meshgrid(*shares, indexing="ij"), dim=-1).flatten(0, -2)
    turns = places[..., None] * pi * 2.0 ** torch.arange(WAVES, device=device)
    return torch.cat([turns.sin(), turns.cos()], dim=-1).flatten(1)
