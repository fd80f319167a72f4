"""The reference picture of Wan Animate, a latent frame before those of the video.

WanAnimateToVideo encodes it before the footage and makes the latent a frame longer. A canvas has no
such frame: here each call of the model gets it, and its prediction is dropped. Axes: b batch, c
channels, t latent frames, y rows, x columns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.errors import ConfigError
from ....sora_core.shapes import Latent
from ..conditioning import Conds
from .conditioning_support import BaseModel, concat_channels
from .trained_length import class_names

CLASSES = {"WAN22_Animate": "WanAnimateToVideo", "WAN_Animate2": "WanAnimate2ToVideo"}
"""Classes of the host that begin with a reference frame, and the node that makes it."""

IMAGE, MASK = "concat_latent_image", "concat_mask"
NOISE_SEED = 0
ANIMATE_TIME = 4  # frames of a latent frame


@dataclass(frozen=True, slots=True)
class ReferenceFrame:
    """The frame, in the scale of the network, and all channels of the conditioning.

    `channels` begin with that of the reference; then come those of each latent frame of the canvas.
    """

    latent: Latent
    channels: Float[Tensor, "1 c2 t y x"]

    @property
    def beside_video(self) -> Float[Tensor, "1 c2 t y x"]:
        """The channels of the conditioning beside the latent frames of the canvas."""
        return self.channels[:, :, 1:]

    def at(self, sigma: float) -> Latent:
        """The frame as it enters the network at noise level `sigma`.

        The noise is always the same: two stages of one schedule may have different seeds.
        """
        generator = torch.Generator().manual_seed(NOISE_SEED)
        noise = torch.randn(self.latent.shape, generator=generator).to(self.latent)
        return self.latent + sigma * (noise - self.latent)


def takes_reference(model: BaseModel) -> bool:
    """Whether `model` begins its latent with a reference frame."""
    return not CLASSES.keys().isdisjoint(class_names(model))


def without_images(conds: dict[str, Conds]) -> dict[str, Conds]:
    """`conds` without the channels for footage."""
    return {
        name: [
            {key: value for key, value in cond.items() if key not in (IMAGE, MASK)}
            for cond in entries
        ]
        for name, entries in conds.items()
    }


def reference_frame(
    model: BaseModel, conds: dict[str, Conds], samples: Latent, placed: bool
) -> ReferenceFrame:
    """The reference frame in `conds`, for a canvas whose latent is `samples`.

    ConfigError where there is none, where it has another size, and where `conds` hold footage and
    the canvas does too (`placed`).
    """
    kind = type(model).__name__
    node = next(node for name, node in CLASSES.items() if name in class_names(model))
    image = next((cond[IMAGE] for cond in conds["positive"] if IMAGE in cond), None)
    mask = next((cond[MASK] for cond in conds["positive"] if MASK in cond), None)
    if image is None or mask is None:
        raise ConfigError(
            f"positive: {kind} begins with a reference frame, which the conditioning lacks: "
            f"connect the text through {node}, with a reference image, to Sora Guider"
        )
    wanted = (samples.shape[2] + 1, *samples.shape[3:])
    if tuple(image.shape[2:]) != wanted:
        frames = 1 + ANIMATE_TIME * (samples.shape[2] - 1)
        raise ConfigError(
            f"positive: the conditioning is for {size(image.shape[2:])} latent cells, the canvas "
            f"with a reference frame has {size(wanted)}: set length {frames} in {node}, and the "
            "width and height of the canvas"
        )
    if placed and bool((mask[:, :, 1:] < 1).any()):
        raise ConfigError(
            "positive: the conditioning and the canvas both have footage: place all of it on the "
            f"canvas, and connect no continue_motion and no character_mask to {node}"
        )
    first = image[:1, :, :1]
    channels = concat_channels(model, image[:1], mask[:1])
    return ReferenceFrame(model.process_latent_in(first.clone()), channels)


def size(shape: tuple[int, ...]) -> str:
    """`shape` for users."""
    return "x".join(map(str, shape))


def call_with_reference(
    frame: Latent,
    channels: Float[Tensor, "1 c2 1 y x"],
    call: Callable[[dict[str, Any]], Latent],
    arguments: dict[str, Any],
) -> Latent:
    """The result of a call of the host's model with `frame` before the latent, without `frame`."""
    x, conds = arguments["input"], arguments["c"]
    before = frame.to(x).expand(len(x), -1, -1, -1, -1)
    beside = conds["c_concat"]
    own = channels.to(beside).expand(len(x), -1, -1, -1, -1)
    inputs = {
        "input": torch.cat([before, x], dim=2),
        "c": conds | {"c_concat": torch.cat([own, beside], dim=2)},
    }
    return call(arguments | inputs)[:, :, 1:]
