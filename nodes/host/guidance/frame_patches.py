"""Calls of networks whose tokens cover several latent frames, such as those of CogVideoX 1.5.

The host repeats the first frames after the last one where a latent does not fill its last token,
which then mixes both ends of the video. The authors put frames before the first one and drop them
(diffusers, CogVideoXPipeline). Axes: b batch, c channels, t latent frames, y rows, x columns.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .conditioning_support import BaseModel

ModelCall = Callable[[dict[str, Any]], Tensor]


def frames_of_a_token(model: BaseModel) -> int:
    """The latent frames of one token of `model`; 1 for most."""
    frames = getattr(model.diffusion_model, "patch_size_t", None)
    return frames if isinstance(frames, int) else 1


def called_in_whole_tokens(call: ModelCall, step: int) -> ModelCall:
    """`call` of the host's model, with frames before the first one until they fill all tokens.

    A token covers `step` latent frames. The prediction for the extra frames is dropped.
    """

    def led(arguments: dict[str, Any]) -> Tensor:
        x, conds = arguments["input"], dict(arguments["c"])
        lead = -x.shape[2] % step
        if not lead:
            return call(arguments)
        beside = conds.get("c_concat")
        if beside is not None:
            conds["c_concat"] = with_first_repeated(beside, lead)
        return call(arguments | {"input": with_first_repeated(x, lead), "c": conds})[:, :, lead:]

    return led


def with_first_repeated(x: Tensor, frames: int) -> Tensor:
    """`x` with its first frame repeated `frames` times before it."""
    return torch.cat([x[:, :, :1].expand(-1, -1, frames, -1, -1), x], dim=2)
