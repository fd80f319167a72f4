"""Footage for Wan VACE: a context and a mask in the form of the host's WanVaceToVideo.

Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

import comfy.model_base
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from ....sora_core.errors import ConfigError
from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.shapes import Compression, Latent
from ..conditioning import Conds
from .trained_length import class_names

VACE = "WAN21_Vace"
USER_FRAMES = "vace_frames"
STEP = 4  # frames of a latent frame; the first stands alone
MASK_CHANNELS = 64  # one for each pixel of an 8 x 8 latent cell
CELL = 8  # pixels of a side of a latent cell

VaceContext = Float[Tensor, "b 1 c t y x"]


def takes_vace_context(model: comfy.model_base.BaseModel) -> bool:
    """Whether `model` is Wan VACE, whose footage enters beside the latent."""
    return VACE in class_names(model)


def vace_context(
    model: comfy.model_base.BaseModel, footage: Latent, mask: SamplingMask, empty: Latent
) -> VaceContext:
    """The context of VACE: footage where `mask` is 0, `empty` (grey) elsewhere, and the mask.

    `footage` and `empty` are as the VAE encoded them. The second half of the video channels is for
    footage to change: here always grey, since footage is either exact or absent.
    """
    generated = (mask > 0).expand_as(footage[:, :1])
    inactive = torch.where(generated, empty, footage)
    videos = [model.process_latent_in(video) for video in (inactive, empty.expand_as(inactive))]
    marks = generated.to(footage)[:, :, vace_mask_frames(footage.shape[2])]
    return torch.cat([*videos, marks.expand(-1, MASK_CHANNELS, -1, -1, -1)], dim=1)[:, None]


def vace_mask_frames(frames: int) -> Tensor:
    """The latent frame whose mask each of `frames` latent frames gets.

    VACE resizes the mask of the video's frames to the latent frames by "nearest-exact", in training
    too: the first latent frame gets that of the second frame, and a lone first image is marked as
    generated although it is in the context (ali-vilab/VACE, wan_vace.py).
    """
    nearest = torch.tensor(vace_video_frames(frames, False, Compression(time=STEP)))
    return (nearest + STEP - 1) // STEP


def vace_video_frames(frames: int, ring: bool, compression: Compression) -> list[int]:
    """The frame of the video whose mask each of `frames` latent frames gets, as VACE resizes it."""
    total = frames * compression.time if ring else compression.pixel_frames(frames)
    return [int((i + 0.5) * (total / frames)) for i in range(frames)]


def vace_pixel_context(
    model: comfy.model_base.BaseModel,
    video: Latent,
    open_pixels: Bool[Tensor, "t y2 x2"],
    empty: Latent,
) -> VaceContext:
    """The context of VACE for a canvas that was encoded as one `video`, grey in its open pixels."""
    videos = [model.process_latent_in(part) for part in (video, empty.expand_as(video))]
    marks = rearrange(open_pixels, "t (y p) (x q) -> (p q) t y x", p=CELL, q=CELL)
    marks = marks.expand(len(video), -1, -1, -1, -1)
    return torch.cat([*videos, marks.to(video)], dim=1)[:, None]


def check_user_context(conds: dict[str, Conds], frames: int, placed: bool) -> None:
    """ConfigError where a VACE video of the user's conditioning does not fit the canvas."""
    for name, cond in ((name, cond) for name, each in conds.items() for cond in each):
        videos: list[Tensor] = cond.get(USER_FRAMES) or []
        if videos and placed:
            raise ConfigError(
                f"{name}: the conditioning already holds a VACE video: place its footage on the "
                "canvas instead, or empty the canvas and use the latent of Sora Encode Canvas"
            )
        lengths = {video.shape[2] for video in videos} - {frames}
        if lengths:
            raise ConfigError(
                f"{name}: the VACE video of the conditioning has {min(lengths)} latent frames, the "
                f"canvas {frames}: make both equally long, without a reference image"
            )
