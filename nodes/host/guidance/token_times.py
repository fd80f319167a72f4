"""A noise level for each token of a Wan network; its host class passes one per frame or fewer.

Wan 2.2 5B was trained and is run with a timestep for each token (Wan-Video/Wan2.2, wan/
textimage2video.py); Pusa and SkyReels-V2 DF are Wan 2.1 weights trained with one for each latent
frame. The network of the host accepts both. Axes: b rows, t latent frames, y x cells, n tokens.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import comfy.ldm.wan.model
import comfy.model_base
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool3d

from ....sora_core.sampling.inpaint import SamplingMask, mask_by_frame

TOKENS_BESIDE = ("reference_latent", "time_dim_concat")  # these add tokens that the latent lacks


def takes_token_times(model: comfy.model_base.BaseModel) -> bool:
    """Whether the network of `model` accepts a timestep for each of its tokens."""
    return isinstance(model.diffusion_model, comfy.ldm.wan.model.WanModel)


def token_times(
    timestep: Float[Tensor, " b"], ratio: SamplingMask, patch: tuple[int, ...], by_token: bool
) -> Float[Tensor, "b n"]:
    """`timestep` times the `ratio` of each token, or of each latent frame where that is enough.

    A token is as noisy as its noisiest cell.
    """
    if not by_token or mask_by_frame(ratio).shape[-1] == 1:
        return timestep[:, None] * ratio.amax((1, 3, 4))
    levels = max_pool3d(ratio[:, 0], tuple(patch), ceil_mode=True)  # the host pads odd sides
    return timestep[:, None] * levels.flatten(1)


@contextmanager
def times_per_token(model: comfy.model_base.BaseModel, ratio: SamplingMask) -> Iterator[None]:
    """Within this context `model` passes its network the latent's timestep times `ratio`."""
    network: Any = model.diffusion_model
    patch = tuple(network.patch_size)

    def process(timestep: Tensor, **conds: Any) -> Tensor:  # noqa: ANN401 - of the host
        beside = any(conds.get(name) is not None for name in TOKENS_BESIDE)
        rows = ratio.to(timestep).repeat(len(timestep) // len(ratio), 1, 1, 1, 1)
        return token_times(timestep, rows, patch, by_token=not beside)

    model.process_timestep = process
    try:
        yield
    finally:
        del model.process_timestep


def called_per_token(
    apply: Callable[..., Tensor], ratio: SamplingMask | None
) -> Callable[..., Tensor]:
    """The host's apply_model `apply` with a timestep for each token; unchanged for `ratio` None."""
    if ratio is None:
        return apply
    model: Any = getattr(apply, "__self__", None)

    def call(*arguments: Any, **conds: Any) -> Tensor:  # noqa: ANN401
        with times_per_token(model, ratio):
            return apply(*arguments, **conds)

    return call
