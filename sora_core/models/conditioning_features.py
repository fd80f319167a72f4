"""Conditioning features: for each token, the nearest known tokens in time at the same position.

Attention can find these too, but only through narrow projections: the first generated frames of a
still object then had the same small error for any noise. As an input, they can be copied exactly.

Axes: b rows, n tokens of a clip, m noise levels of a row, t latent frames, s tokens of a frame, c
features of a token, c1 the same and one more.
"""

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor

NEAREST_EPSILON = 1e-3  # frames: a known token's own content outweighs all other footage


def conditioning_features(
    tokens: Float[Tensor, "b n c"], levels: Float[Tensor, "b m"], frames: int
) -> Float[Tensor, "b n c1"] | None:
    """For each token, the interpolated known content at its position, and how near it is in time.

    Known tokens have noise level 0. The nearest known token before and the nearest after are
    weighted by the inverse of their distance in frames. The last feature is this nearness: 1 at
    known tokens, falling with distance. All features are 0 where the position is known in no frame.
    None where all tokens share one level, since none is known then.
    """
    if levels.shape[1] == 1:
        return None
    places = tokens.shape[1] // frames
    content = rearrange(tokens, "b (t s) c -> b t s c", t=frames)
    if levels.shape[1] == frames:
        levels = repeat(levels, "b t -> b (t s)", s=places)
    known = rearrange(levels, "b (t s) -> b t s", t=frames) == 0

    before, after = last_known(known), frames - 1 - last_known(known.flip(1)).flip(1)
    own = torch.arange(frames, device=tokens.device)[:, None]
    near_before = torch.where(before >= 0, 1 / (NEAREST_EPSILON + own - before), 0.0)
    near_after = torch.where(after < frames, 1 / (NEAREST_EPSILON + after - own), 0.0)
    share = (near_before / (near_before + near_after)).nan_to_num()

    found = gather_frames(content, after).lerp(
        gather_frames(content, before), share.to(content)[..., None]
    )
    nearness = torch.maximum(near_before, near_after)
    nearness = nearness / (1 + nearness)
    found = torch.where(nearness[..., None] > 0, found, 0.0)
    joined = torch.cat([found, nearness.to(found)[..., None]], dim=-1)
    return rearrange(joined, "b t s c -> b (t s) c")


def last_known(known: Bool[Tensor, "b t s"]) -> Int[Tensor, "b t s"]:
    """For each token, the last frame up to its own in which its position is known; -1 if none."""
    number = torch.arange(known.shape[1], device=known.device)[:, None]
    return torch.where(known, number, -1).cummax(dim=1).values


def gather_frames(
    content: Float[Tensor, "b t s c"], frame: Int[Tensor, "b t s"]
) -> Float[Tensor, "b t s c"]:
    """`content` of each position at `frame`, clamped to the frames that exist."""
    index = frame.clamp(0, content.shape[1] - 1)[..., None].expand(*frame.shape, content.shape[3])
    return content.gather(1, index)
