"""The video compression network: causal in time, so that any chunk continues where the last one
ended.

Axes: b batch, t frames, y rows, x columns, c channels; activations are `b t y x c`.

- Four frames and 8x8 pixels become one latent cell; the first frame stands alone, for it enters as
  four copies of itself, and an image is a one-frame video.
- Fine detail and motion meet at a quarter of the size and the full frame rate, where every frame
  still has its own features; four frames are merged only after that.
- Norms are over channels alone. Nothing is averaged over time or space, so decoding in chunks with
  the carried past is decoding at once.
- What was painted can have a decoder of its own. Painted latent frames, each a little wrong in its
  own way, want to be joined smoothly, and encoded ones to be shown as they are; one decoder that
  does both does either less well.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import silu

from ..errors import ConfigError
from ..shapes import COMPRESSION, Latent, Video
from .layers import CausalConv, Layers

Past = list[Tensor]
"""What each causal layer remembers of the frames before: a tensor a layer, in order of use.

It is used up by the chunk that follows: at 1080p, old and new together would be 0.7 GB."""

PIXEL_PATCH = (
    4  # pixels folded into channels at the front; the merge to a latent cell folds 2x2 of these
)
MERGE = COMPRESSION.rows // PIXEL_PATCH
BAND_ACTIVATIONS = (
    2**21
)  # activations that a CPU passes through a block together, to stay in its cache
DECODER_FADE = 0.8  # from frame to frame, of what two decoders differ in where one takes over
BLOCK_PLACES = (
    2**16
)  # places that pass through the blocks together, or one frame: bounds the memory


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoencoderConfig:
    latent_channels: int = 16
    fine_width: int = 64
    fine_depth: int = 3
    coarse_width: int = 192
    coarse_depth: int = 3
    decoders: int = 1  # or 2: the second one is for what was painted

    def __post_init__(self) -> None:
        if self.decoders not in (1, 2):
            raise ConfigError(f"autoencoder decoders {self.decoders}: must be 1 or 2")
        for name in ("latent_channels", "fine_width", "fine_depth", "coarse_width", "coarse_depth"):
            if getattr(self, name) < 1:
                raise ConfigError(f"autoencoder {name} {getattr(self, name)}: must be at least 1")


class Block(nn.Module):
    """Space, then time: a 3x3 convolution in each frame, and a mix with the two frames before."""

    def __init__(self, width: int, layers: Layers) -> None:
        super().__init__()
        self.norm_space = layers.LayerNorm(width)
        self.space = CausalConv(width, width, space=3, layers=layers)
        self.norm_time = layers.LayerNorm(width)
        self.time = CausalConv(width, width, time=3, layers=layers)

    def forward(
        self, x: Float[Tensor, "b t y x c"], past: Tensor | None
    ) -> tuple[Float[Tensor, "b t y x c"], Tensor]:
        height = x.shape[2] if x.is_cuda else max(1, BAND_ACTIVATIONS // x[:, :, 0].numel())
        bands = [
            self.band(x, past, row, min(row + height, x.shape[2]))
            for row in range(0, x.shape[2], height)
        ]
        if len(bands) == 1:
            return bands[0]
        outputs, pasts = zip(*bands, strict=True)
        return torch.cat(outputs, dim=2), torch.cat(pasts, dim=2)

    def band(
        self, x: Float[Tensor, "b t y x c"], past: Tensor | None, first: int, end: int
    ) -> tuple[Float[Tensor, "b t y x c"], Tensor]:
        """What `forward` gives for the rows from `first` to `end`."""
        above, below = max(first - 1, 0), min(end + 1, x.shape[2])  # what the convolution sees
        y, _ = self.space(silu(self.norm_space(x[:, :, above:below])))
        y = silu(self.norm_time(y[:, :, first - above : end - above]))
        y, past_out = self.time(y, None if past is None else past[:, :, first:end])
        return x[:, :, first:end] + y, past_out


def run_blocks(
    blocks: Iterable[nn.Module],
    x: Float[Tensor, "b t y x c"],
    past: Past | None,
    project: Callable[[Tensor], Tensor] = lambda part: part,
) -> tuple[Float[Tensor, "b t y x o"], Past]:
    """`x` behind all `blocks` and `project`, a few frames at a time, and the past of what follows.

    Of `past`, as much is used up as there are blocks.
    """
    parts = []
    for part in x.split(max(1, BLOCK_PLACES // (x.shape[2] * x.shape[3])), dim=1):
        pasts = []
        for block in blocks:
            part, last = block(part, past.pop(0) if past else None)
            pasts.append(last)
        parts.append(project(part))
        past = pasts
    return torch.cat(parts, dim=1), past or []


class Encoder(nn.Module):
    def __init__(self, config: AutoencoderConfig, layers: Layers) -> None:
        super().__init__()
        fine, coarse = config.fine_width, config.coarse_width
        self.proj_in = layers.Linear(3 * PIXEL_PATCH**2, fine)
        self.fine = nn.ModuleList(Block(fine, layers) for _ in range(config.fine_depth))
        self.merge = layers.Linear(fine * COMPRESSION.time * MERGE**2, coarse)
        self.coarse = nn.ModuleList(Block(coarse, layers) for _ in range(config.coarse_depth))
        self.norm = layers.LayerNorm(coarse)
        self.proj_out = layers.Linear(coarse, config.latent_channels)

    def forward(
        self, video: Video, past: Past | None = None
    ) -> tuple[Float[Tensor, "b t y x c"], Past]:
        """Latent cells (not yet normalised) of whole groups of four frames, and the past of what
        follows.

        Without a past the first frame is a group of its own: `video` then has 1 + 4k frames, else
        4k.
        """
        if past is None:
            video = torch.cat(
                [video[:, :, :1].expand(-1, -1, COMPRESSION.time - 1, -1, -1), video], 2
            )
        x = rearrange(video, "b c t (y i) (x j) -> b t y x (i j c)", i=PIXEL_PATCH, j=PIXEL_PATCH)
        x, fine = run_blocks(self.fine, self.proj_in(x), past)
        x = rearrange(
            x, "b (t f) (y i) (x j) c -> b t y x (f i j c)", f=COMPRESSION.time, i=MERGE, j=MERGE
        )
        x, coarse = run_blocks(self.coarse, self.merge(x), past)
        return self.proj_out(silu(self.norm(x))), fine + coarse


class Decoder(nn.Module):
    def __init__(self, config: AutoencoderConfig, layers: Layers) -> None:
        super().__init__()
        fine, coarse = config.fine_width, config.coarse_width
        self.proj_in = layers.Linear(config.latent_channels, coarse)
        self.coarse = nn.ModuleList(Block(coarse, layers) for _ in range(config.coarse_depth))
        self.split = layers.Linear(coarse, fine * COMPRESSION.time * MERGE**2)
        self.fine = nn.ModuleList(Block(fine, layers) for _ in range(config.fine_depth))
        self.norm = layers.LayerNorm(fine)
        self.proj_out = layers.Linear(fine, 3 * PIXEL_PATCH**2)

    def forward(
        self, cells: Float[Tensor, "b t y x c"], past: Past | None = None
    ) -> tuple[Video, Past]:
        """The frames of `cells`, and the past of what follows. No past: 1 + 4k frames, else 4k."""
        skipped = 0 if past else COMPRESSION.time - 1
        x, coarse = run_blocks(self.coarse, self.proj_in(cells), past)
        x = rearrange(
            self.split(x),
            "b t y x (f i j c) -> b (t f) (y i) (x j) c",
            f=COMPRESSION.time,
            i=MERGE,
            j=MERGE,
        )
        x, fine = run_blocks(self.fine, x, past, lambda part: self.proj_out(silu(self.norm(part))))
        video = rearrange(x, "b t y x (i j c) -> b c t (y i) (x j)", i=PIXEL_PATCH, j=PIXEL_PATCH)
        return video[:, :, skipped:], coarse + fine


def decode_both(
    generated: Decoder,
    encoded: Decoder,
    cells: Float[Tensor, "b t y x c"],
    known: Bool[Tensor, " t"] | None,
    past: Past | None,
) -> tuple[Video, Past]:
    """The frames of `cells`, shown by `encoded` from the first on as long as they are `known`, and
    by `generated` after that; and the past of what follows.

    `generated` sees all, as the past of what it shows. By how much its last known frame differs
    from the one that is shown, the frames after it are moved too, less and less.

    The past is that of `generated`; as long as all was known, that of `encoded`; and, once anything
    was known, how far the next frame is to be moved.
    """
    past = [] if past is None else past
    begun, blocks = bool(past), len(generated.coarse) + len(generated.fine)
    gap = past.pop() if len(past) > blocks else None
    own, before = past[:blocks], past[blocks:]
    past.clear()
    count, done = 0, 0
    if known is not None and (before or not begun):
        count = int(known.cumprod(0).sum())
    video, past_out = generated(cells, own or None)
    if count:
        exact, before = encoded(cells[:, :count], before or None)
        done = exact.shape[2]
        gap = exact[:, :, -1:] - video[:, :, done - 1 : done]
        video = torch.cat([exact, video[:, :, done:]], dim=2)
    if gap is None:
        return video, past_out
    later = torch.arange(1, video.shape[2] - done + 1, device=video.device)
    video[:, :, done:] += gap * (DECODER_FADE**later).to(gap).view(-1, 1, 1)
    gap = gap * DECODER_FADE ** len(later)
    return video, [*past_out, *(before if count == cells.shape[1] else []), gap]


class Autoencoder(nn.Module):
    """Pixels to a normalised latent and back. Whole videos here; long ones in `streaming`.

    `decoder` gives back what was encoded, `painted`, if there is one, shows what was painted.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: AutoencoderConfig, layers: Layers = nn) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config, layers)
        self.decoder = Decoder(config, layers)
        self.generated_decoder = Decoder(config, layers) if config.decoders == 2 else None
        self.register_buffer("mean", torch.zeros(config.latent_channels))
        self.register_buffer("deviation", torch.ones(config.latent_channels))

    def encode_chunk(self, video: Video, past: Past | None) -> tuple[Latent, Past]:
        cells, past_out = self.encoder(video, past)
        cells = (cells - self.mean.to(cells)) / self.deviation.to(cells)
        return rearrange(cells, "b t y x c -> b c t y x"), past_out

    def decode_chunk(self, latent: Latent, past: Past | None) -> tuple[Video, Past]:
        """The frames of `latent`, `with_mask_channel` or taken as painted, and the past of what
        follows.

        With two decoders, encoded latent frames from the first one on are shown by `decoder`; the
        other sees them too, for they are the past of what is painted after them.
        """
        cells = rearrange(latent, "b c t y x -> b t y x c")
        cells, marks = cells.split([len(self.mean), cells.shape[-1] - len(self.mean)], dim=-1)
        cells = cells * self.deviation.to(cells) + self.mean.to(cells)
        if self.generated_decoder is None:
            return self.decoder(cells, past)
        known = (marks == 0).flatten(2).all(dim=2).all(dim=0) if marks.shape[-1] else None
        return decode_both(self.generated_decoder, self.decoder, cells, known, past)

    def with_mask_channel(
        self, latent: Latent, mask: Float[Tensor, "#b 1 #t #y #x"]
    ) -> Float[Tensor, "b c2 t y x"]:
        """`latent` as `decode` wants it, told where it was `mask` (1) and where encoded (0).

        It stays as it is where there is one decoder for all.
        """
        if self.generated_decoder is None:
            return latent
        return torch.cat([latent, mask.to(latent).expand_as(latent[:, :1])], dim=1)

    def encode(self, video: Video) -> Latent:
        """The latent of `video`, its last frame repeated until the frames are 1 + 4k."""
        missing = (
            COMPRESSION.pixel_frames(COMPRESSION.latent_frames(video.shape[2])) - video.shape[2]
        )
        if missing:
            video = torch.cat(
                [video, repeat(video[:, :, -1], "b c y x -> b c t y x", t=missing)], 2
            )
        return self.encode_chunk(video, None)[0]

    def decode(self, latent: Latent) -> Video:
        """The 1 + 4k frames that `latent` stands for: `with_mask_channel`, or else taken as
        painted."""
        return self.decode_chunk(latent, None)[0]
