"""A network that detects the things in a clip: positions, attributes, and the setting.

Axes: b batch, t frames, y rows, x columns, c channels; grids are a quarter as high and wide as the
frames. Things are peaks of a heat map (CenterNet, Zhou et al. 2019), so that several can be found.
Motion over time is computed from positions and is not learned, except for spinning and having
fallen, which outlines do not reveal.

The network is for measurements only. Its checkpoint contains its vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from ..errors import ConfigError
from ..shapes import Video

READER_FORMAT = "sora scene reader 1"
HEAT_STRIDE = 4  # pixels a cell of the heat map
RARE = -3.0  # logit of a thing being in a cell, before anything is learned
SIDE_MULTIPLE = 16  # sides of frames are multiples of this
PER_THING = ("kind", "colour", "size")
PER_FRAME = ("floor", "sky")
PER_CLIP = ("camera",)


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneReaderConfig:
    widths: tuple[int, int, int] = (48, 80, 128)  # at a quarter, an eighth and a sixteenth

    def __post_init__(self) -> None:
        if any(width % 8 or width < 8 for width in self.widths):
            raise ConfigError(f"scene reader widths {self.widths}: give multiples of 8")


@dataclass(frozen=True, slots=True)
class SceneLogits:
    """What the network answers. `heat`, `spins` and `fallen` are logits; `box` is the half width
    and half height in pixels; `offset` is from the cell's middle to the centre, in cells."""

    heat: Float[Tensor, "b t y x"]
    box: Float[Tensor, "b t 2 y x"]
    offset: Float[Tensor, "b t 2 y x"]
    spins: Float[Tensor, "b t y x"]
    fallen: Float[Tensor, "b t y x"]
    thing: Mapping[str, Float[Tensor, "b t w y x"]]
    frame: Mapping[str, Float[Tensor, "b t w"]]
    clip: Mapping[str, Float[Tensor, "b w"]]
    stroke: Float[Tensor, "b t w y x"]  # colours of marks on the floor; the first is none
    cut: Float[Tensor, "b t"]  # that a frame begins another shot


class MixBlock(nn.Module):
    """A residual block: over rows and columns, then over time, then over channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.space = nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1), groups=width)
        self.time = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0), groups=width)
        self.proj_in = nn.Conv3d(width, 2 * width, 1)
        self.proj_out = nn.Conv3d(2 * width, width, 1)

    def forward(self, x: Float[Tensor, "b c t y x"]) -> Float[Tensor, "b c t y x"]:
        y = self.time(self.space(self.norm(x)))
        return x + self.proj_out(silu(self.proj_in(y)))


class SceneReader(nn.Module):
    """Three sizes down, back up to a quarter, then one convolution for each question."""

    def __init__(self, config: SceneReaderConfig, words: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.config, self.words = config, {name: tuple(found) for name, found in words.items()}
        fine, middle, coarse = config.widths
        self.proj_in = nn.Conv3d(
            3, fine, (1, 7, 7), stride=(1, HEAT_STRIDE, HEAT_STRIDE), padding=(0, 3, 3)
        )
        self.fine = nn.Sequential(MixBlock(fine), MixBlock(fine))
        self.down = nn.Conv3d(fine, middle, (1, 2, 2), stride=(1, 2, 2))
        self.middle = nn.Sequential(MixBlock(middle), MixBlock(middle))
        self.deeper = nn.Conv3d(middle, coarse, (1, 2, 2), stride=(1, 2, 2))
        self.coarse = nn.Sequential(MixBlock(coarse), MixBlock(coarse), MixBlock(coarse))
        self.up_coarse = nn.Conv3d(coarse, middle, 1)
        self.up_middle = nn.Conv3d(middle, fine, 1)
        self.joined = nn.Sequential(MixBlock(fine), MixBlock(fine))
        counts = {name: len(self.words[name]) for name in (*PER_THING, *PER_FRAME, *PER_CLIP)}
        self.places = nn.Conv3d(fine, 7, 1)  # heat, box, offset, spins, fallen
        self.stroke = nn.Conv3d(fine, 1 + counts["colour"], 1)
        self.thing = nn.ModuleDict({name: nn.Conv3d(fine, counts[name], 1) for name in PER_THING})
        self.frame = nn.ModuleDict({n: nn.Linear(2 * coarse, counts[n]) for n in PER_FRAME})
        self.clip = nn.ModuleDict({n: nn.Linear(2 * coarse, counts[n]) for n in PER_CLIP})
        self.cut = nn.Linear(2 * coarse, 1)
        with torch.no_grad():  # things are rare
            self.places.state_dict()["bias"][0] = RARE

    def forward(self, video: Video) -> SceneLogits:
        """The logits of every question about `video`; ConfigError unless CELL divides its sides."""
        height, width = video.shape[-2:]
        if height % SIDE_MULTIPLE or width % SIDE_MULTIPLE:
            raise ConfigError(
                f"video of {width}x{height}: give sides in multiples of {SIDE_MULTIPLE}"
            )
        fine = self.fine(self.proj_in(video))
        middle = self.middle(self.down(fine))
        coarse = self.coarse(self.deeper(middle))
        middle = middle + _doubled(self.up_coarse(coarse))
        x = self.joined(fine + _doubled(self.up_middle(middle)))
        places = rearrange(self.places(x), "b c t y x -> b t c y x")
        pooled = torch.cat([coarse.mean((3, 4)), coarse.amax((3, 4))], dim=1).transpose(1, 2)
        before = torch.cat([pooled[:, :1], pooled[:, :-1]], dim=1)
        moved = torch.cat([pooled.mean(1), pooled.std(1, correction=0)], dim=1)
        half = moved.shape[1] // 2
        return SceneLogits(
            heat=places[:, :, 0],
            box=places[:, :, 1:3].exp(),
            offset=places[:, :, 3:5].tanh() / 2,
            spins=places[:, :, 5],
            fallen=places[:, :, 6],
            thing={n: rearrange(h(x), "b w t y x -> b t w y x") for n, h in self.thing.items()},
            frame={name: head(pooled) for name, head in self.frame.items()},
            clip={
                name: head(moved[:, :half] + moved[:, half:]) for name, head in self.clip.items()
            },
            stroke=rearrange(self.stroke(x), "b w t y x -> b t w y x"),
            cut=self.cut((pooled - before).abs())[..., 0],
        )


def _doubled(x: Float[Tensor, "b c t y x"]) -> Float[Tensor, "b c t y2 x2"]:
    return interpolate(x, scale_factor=(1, 2, 2), mode="nearest")
