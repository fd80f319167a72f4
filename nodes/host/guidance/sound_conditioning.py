"""Sound in the conditioning of models of silent video, where it must fit the canvas.

WanHuMoImageToVideo without sound makes a step of silence too many, at which ComfyUI's own network
stops. WanDancer divides the tokens of a latent frame among eight steps of music. Axes: b batch,
t latent frames, s steps, m layers, c channels.
"""

from typing import Any

from torch import Tensor

from ....sora_core.errors import ConfigError, SizeError
from ....sora_core.shapes import Latent
from ..conditioning import Conds
from .conditioning_support import BaseModel
from .trained_length import class_names

HUMO, DANCER = "WAN21_HuMo", "WAN22_WanDancer"
SOUND_KEY = "audio_embed"  # of conditioning; for HuMo b t s m c
HUMO_TIME = 4  # frames of a latent frame
MUSIC_STEPS = 8  # of WanDancer, in each latent frame
PATCH = 2  # latent cells in the width and height of a token


def with_fitting_sound(
    model: BaseModel, conds: dict[str, Conds], samples: Latent
) -> dict[str, Conds]:
    """`conds` for the canvas latent `samples`, without HuMo's silence past its end.

    ConfigError for HuMo's sound of another length, SizeError where WanDancer cannot divide its
    tokens.
    """
    names = class_names(model)
    if DANCER in names and any(SOUND_KEY in cond for cond in conds["positive"]):
        check_tokens(samples)
    if HUMO not in names:
        return conds
    frames = samples.shape[2]
    return {
        name: [fitted(name, cond, frames) for cond in entries] for name, entries in conds.items()
    }


def check_tokens(samples: Latent) -> None:
    """SizeError where the tokens of a latent frame are no multiple of WanDancer's steps."""
    rows, columns = (-(-side // PATCH) for side in samples.shape[3:])
    if rows * columns % MUSIC_STEPS:
        raise SizeError(
            f"latent: {columns}x{rows} tokens a frame, which WanDancer cannot divide among "
            f"{MUSIC_STEPS} steps of music: choose a canvas whose width or height is a multiple of "
            "128, or leave the music out"
        )


def fitted(name: str, cond: dict[str, Any], frames: int) -> dict[str, Any]:
    """`cond` of the input `name` with sound beside `frames` latent frames, where it has sound."""
    sound = cond.get(SOUND_KEY)
    if not isinstance(sound, Tensor) or sound.shape[1] == frames:
        return cond
    silent = sound.shape[1] > frames and not bool(sound.any())
    if not silent:
        raise ConfigError(
            f"{name}: the sound of the conditioning is for {sound.shape[1]} latent frames and the "
            f"canvas has {frames}: set length {1 + HUMO_TIME * (frames - 1)} in WanHuMoImageToVideo"
        )
    return cond | {SOUND_KEY: sound[:, :frames]}
