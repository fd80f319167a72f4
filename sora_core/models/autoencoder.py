"""The video compression network: causal in time, so that any chunk continues where the last one
ended.

Axes: b batch, t frames, y rows, x columns, c channels; activations are `b t y x c`.

- Four frames and 8x8 pixels become one latent cell; the first frame stands alone, for it enters as
  four copies of itself, and an image is a one-frame video.
- Fine detail and motion meet at a quarter of the size and the full frame rate, where every frame
  still has its own features; four frames are merged only after that.
- Norms are over channels alone. Nothing is averaged over time or space, so decoding in chunks with
  the carried past is decoding at once.
- Generated latent frames can have a decoder of their own. They have independent small errors, which
  the decoder should smooth out, while encoded ones should be reproduced exactly; one decoder for
  both does each less well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import silu

from ..errors import ConfigError, check_range
from ..shapes import COMPRESSION, Latent, Mask, Video
from .layers import CausalConv, Layers

PIXEL_PATCH = (
    4  # pixels folded into channels at the front; the merge to a latent cell folds 2x2 of these
)
MERGE = COMPRESSION.rows // PIXEL_PATCH
BAND_ACTIVATIONS = (
    2**21
)  # activations that a CPU passes through a block together, to stay in its cache
DECODER_FADE = 0.8  # factor per frame of the gap between the decoders after a switch
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
    decoders: int = 1  # or 2: the second one decodes generated latents

    def __post_init__(self) -> None:
        if self.decoders not in (1, 2):
            raise ConfigError(f"autoencoder decoders {self.decoders}: must be 1 or 2")
        for name in ("latent_channels", "fine_width", "fine_depth", "coarse_width", "coarse_depth"):
            check_range(f"autoencoder {name}", getattr(self, name), 1)


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
        """The output of the block, and the `past` for the frames after `x`.

        `past` (b 2 y x c) holds the input of the convolution in time at the two frames before;
        None where `x` begins the video. On a CPU it runs in bands of rows, with the same result.
        """
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
        """The output of `forward` for the rows from `first` to `end`."""
        above, below = max(first - 1, 0), min(end + 1, x.shape[2])  # the receptive field
        y, _ = self.space(silu(self.norm_space(x[:, :, above:below])))
        y = silu(self.norm_time(y[:, :, first - above : end - above]))
        y, past_out = self.time(y, None if past is None else past[:, :, first:end])
        return x[:, :, first:end] + y, past_out


@dataclass(slots=True, eq=False)
class Past:
    """What the causal blocks of an encoder or a decoder remember of the frames before.

    One tensor a block, in order; None before the first frame of the video. Each block replaces its
    own entry, so that the pasts of two chunks are never alive together.
    """

    fine: list[Tensor | None]
    coarse: list[Tensor | None]

    @property
    def begins(self) -> bool:
        """Whether the next frame is the first of the video."""
        return self.fine[0] is None

    def copy(self) -> "Past":
        """Another past of the same tensors, which blocks can replace without changing this one."""
        return Past([*self.fine], [*self.coarse])


def empty_past(network: "Encoder | Decoder") -> Past:
    """The past before the first frame of a video."""
    return Past([None] * len(network.fine), [None] * len(network.coarse))


def run_blocks(
    blocks: nn.ModuleList | Sequence[nn.Module],
    x: Float[Tensor, "b t y x c"],
    past: list[Tensor | None],
    project: Callable[[Tensor], Tensor] = lambda part: part,
) -> Float[Tensor, "b t y x o"]:
    """`x` behind all `blocks` and `project`, a few frames at a time.

    `past` has an entry for each block, None where `x` begins the video. It is updated in place to
    the past of the frames after `x`.
    """
    parts = []
    for part in x.split(max(1, BLOCK_PLACES // (x.shape[2] * x.shape[3])), dim=1):
        for i, block in enumerate(blocks):
            part, past[i] = block(part, past[i])
        parts.append(project(part))
    return torch.cat(parts, dim=1)


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

    def forward(self, video: Video, past: Past) -> Float[Tensor, "b t y x c"]:
        """Latent cells (not yet normalised) of whole groups of four frames; advances `past`.

        The first frame of a video is a group of its own: `video` then has 1 + 4k frames, else 4k.
        """
        if past.begins:
            video = torch.cat(
                [video[:, :, :1].expand(-1, -1, COMPRESSION.time - 1, -1, -1), video], 2
            )
        x = rearrange(video, "b c t (y i) (x j) -> b t y x (i j c)", i=PIXEL_PATCH, j=PIXEL_PATCH)
        x = run_blocks(self.fine, self.proj_in(x), past.fine)
        x = rearrange(
            x, "b (t f) (y i) (x j) c -> b t y x (f i j c)", f=COMPRESSION.time, i=MERGE, j=MERGE
        )
        x = run_blocks(self.coarse, self.merge(x), past.coarse)
        return self.proj_out(silu(self.norm(x)))


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

    def forward(self, cells: Float[Tensor, "b t y x c"], past: Past) -> Video:
        """The frames of `cells`: 1 + 4k where they begin the video, else 4k; advances `past`."""
        skipped = COMPRESSION.time - 1 if past.begins else 0
        x = run_blocks(self.coarse, self.proj_in(cells), past.coarse)
        x = rearrange(
            self.split(x),
            "b t y x (f i j c) -> b (t f) (y i) (x j) c",
            f=COMPRESSION.time,
            i=MERGE,
            j=MERGE,
        )
        x = run_blocks(self.fine, x, past.fine, lambda part: self.proj_out(silu(self.norm(part))))
        video = rearrange(x, "b t y x (i j c) -> b c t (y i) (x j)", i=PIXEL_PATCH, j=PIXEL_PATCH)
        return video[:, :, skipped:]


@dataclass(slots=True, eq=False)
class DecoderState:
    """The state for decoding the next chunk of a latent; decoding a chunk advances it.

    `generated` is the past of the generated decoder, which decodes all frames, or of the only
    decoder. `encoded` is the past of the decoder for encoded frames: None with one decoder, and
    after a frame that is not encoded. `gap` is the difference of both decoders at the last
    encoded frame, faded over the frames since.
    """

    generated: Past
    encoded: Past | None = None
    gap: Float[Tensor, "b 3 1 y2 x2"] | None = None

    def copy(self) -> "DecoderState":
        """Another state of the same tensors, which decoding can advance without changing this."""
        return DecoderState(self.generated.copy(), self.encoded and self.encoded.copy(), self.gap)


def decode_both(
    generated: Decoder,
    encoded: Decoder,
    cells: Float[Tensor, "b t y x c"],
    known: Bool[Tensor, " t"] | None,
    state: DecoderState,
) -> Video:
    """The frames of `cells`; advances `state`.

    `encoded` decodes the `known` latent frames with which the video begins, `generated` all later
    ones. The gap between the two at the last known frame is added to the later frames with a
    decreasing weight.
    """
    count = done = 0
    if known is not None and state.encoded is not None:
        count = int(known.cumprod(0).sum())
    if not count:
        state.encoded = None
    video, gap = generated(cells, state.generated), state.gap
    if state.encoded is not None:
        exact = encoded(cells[:, :count], state.encoded)
        done = exact.shape[2]
        gap = exact[:, :, -1:] - video[:, :, done - 1 : done]
        video = torch.cat([exact, video[:, :, done:]], dim=2)
    if gap is not None:
        later = torch.arange(1, video.shape[2] - done + 1, device=video.device)
        video[:, :, done:] += gap * (DECODER_FADE**later).to(gap).view(-1, 1, 1)
        state.gap = gap * DECODER_FADE ** len(later)
    if count < cells.shape[1]:
        state.encoded = None
    return video


class Autoencoder(nn.Module):
    """Pixels to a normalised latent and back. Whole videos here; long ones in `chunked_codec`.

    `decoder` decodes encoded frames, and `generated_decoder`, where there is one, generated frames.
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

    def encode_next(self, video: Video, past: Past) -> Latent:
        """The latent of the next frames of a video; advances `past`."""
        cells = self.encoder(video, past)
        cells = (cells - self.mean.to(cells)) / self.deviation.to(cells)
        return rearrange(cells, "b t y x c -> b c t y x")

    def encode_chunk(self, video: Video, past: Past | None) -> tuple[Latent, Past]:
        """The latent of `video`, and the past for the next chunk; `past` None starts a video."""
        past = empty_past(self.encoder) if past is None else past.copy()
        return self.encode_next(video, past), past

    def decoder_state(self) -> DecoderState:
        """The state before the first frame of a video."""
        if self.generated_decoder is None:
            return DecoderState(empty_past(self.decoder))
        return DecoderState(empty_past(self.generated_decoder), empty_past(self.decoder))

    def decode_next(self, latent: Latent, state: DecoderState, mask: Mask | None = None) -> Video:
        """The frames of the next part of a latent; advances `state`.

        With two decoders, `decoder` decodes fully encoded latent frames (0 in `mask`) up to the
        first other one of the video, and `generated_decoder` decodes all others, or all without a
        mask. `generated_decoder` processes encoded ones too, as the past of later frames.
        """
        cells = rearrange(latent, "b c t y x -> b t y x c")
        cells = cells * self.deviation.to(cells) + self.mean.to(cells)
        if self.generated_decoder is None:
            return self.decoder(cells, state.generated)
        known = None
        if mask is not None:
            open_cells = mask.expand(-1, -1, latent.shape[2], -1, -1) != 0
            known = ~open_cells.transpose(0, 2).flatten(1).any(dim=1)
        return decode_both(self.generated_decoder, self.decoder, cells, known, state)

    def decode_chunk(
        self, latent: Latent, state: DecoderState | None = None, mask: Mask | None = None
    ) -> tuple[Video, DecoderState]:
        """`decode_next` that leaves `state` as it is, and returns that of what follows too.

        Without a state `latent` begins a video. Both states in memory: long videos take
        `decode_next`.
        """
        state = self.decoder_state() if state is None else state.copy()
        return self.decode_next(latent, state, mask), state

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

    def decode(self, latent: Latent, mask: Mask | None = None) -> Video:
        """The 1 + 4k frames that `latent` stands for; `mask` as in `decode_next`."""
        return self.decode_chunk(latent, mask=mask)[0]
