"""What a model's footage channels hold where there is no footage, as from the host's own nodes.

Grey for Wan, black for WanDancer, the constants of its own class for HuMo, zeros for HunyuanVideo,
HunyuanVideo 1.5, SkyReels and CogVideoX, and zeros in the scale of the network for Wan with a
camera. Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.shapes import Grid, Latent
from ..latents import CANVAS_LATENT_KEY, LatentDict, canvas_latent_of, filler_of, is_loop
from .conditioning_support import BaseModel
from .trained_length import class_names

GREY_FILLER = "WAN21"
BLACK_FILLER = "WAN22_WanDancer"  # WanDancerVideo fills a video with zeros
ZERO_FILLER = "WAN21_Camera"  # 0 in the scale of the network, where Wan has grey
OWN_FILLER = "WAN21_HuMo"  # `extra_conds` of the class has them; no node takes footage

GREY_PIXEL, BLACK_PIXEL = 0.0, -1.0
FILLED = 3  # latent frames: the first of a video, the second, and any later one


def open_pixel(model: BaseModel) -> float:
    """The value of an open pixel in a canvas that `model` gets as one video, in [-1, 1]."""
    return BLACK_PIXEL if BLACK_FILLER in class_names(model) else GREY_PIXEL


def with_empty_frames(
    model: BaseModel, footage: Latent, openness: Float[Tensor, "1 s t y x"], empty: Latent
) -> Latent:
    """`footage` of a canvas encoded as one video, with `empty` in frames that are all open.

    Only for a model whose open frames are not those of an encoded video.
    """
    if {ZERO_FILLER, OWN_FILLER}.isdisjoint(class_names(model)):
        return footage
    unknown = openness.amin((1, 3, 4), keepdim=True) > 0
    return torch.where(unknown, empty, footage)


def empty_footage(model: BaseModel, latent: LatentDict, like: Latent) -> Latent:
    """The content of the model's footage channels where there is no footage, shaped as `like`."""
    names = class_names(model)
    if ZERO_FILLER in names:
        return model.process_latent_out(torch.zeros_like(like))
    frames = filler_frames(model, latent, like)
    if frames is None or frames.shape[3:] != like.shape[3:]:
        return torch.zeros_like(like)
    first = frames.shape[2] - 1 if is_loop(latent) else 0
    index = (first + torch.arange(like.shape[2])).clamp(max=frames.shape[2] - 1)
    return frames[:, :, index].to(like)


def filler_frames(model: BaseModel, latent: LatentDict, like: Latent) -> Latent | None:
    """Latent frames of empty footage, the last one for all later ones; None for zeros."""
    names = class_names(model)
    if OWN_FILLER in names:
        return own_filler(model, like)
    return filler_of(latent) if GREY_FILLER in names else None


def own_filler(model: BaseModel, like: Latent) -> Latent | None:
    """The frames with which the class of `model` fills its channels, in the scale of the VAE."""
    frames = like.new_zeros(1, like.shape[1], FILLED, *like.shape[3:])
    conds: Any = model.extra_conds(noise=frames, device=frames.device)
    channels = conds.get("c_concat")
    if channels is None:
        return None
    return model.process_latent_out(channels.cond[:, -like.shape[1] :])


def with_filler_of(model: BaseModel, latent: LatentDict) -> LatentDict:
    """`latent` with the filler of `model`: that of a canvas is grey, or missing without footage."""
    encoded, value = canvas_latent_of(latent), open_pixel(model)
    if encoded is None or encoded.encode is None or GREY_FILLER not in class_names(model):
        return latent
    if encoded.filler is not None and value == GREY_PIXEL:
        return latent
    grid = Grid(FILLED, *encoded.known.shape[3:])
    pixels = torch.full((1, 3, *encoded.compression.covered(grid)), value)
    filler = torch.cat(list(encoded.encode([pixels])), dim=2)
    return latent | {CANVAS_LATENT_KEY: replace(encoded, filler=filler)}
