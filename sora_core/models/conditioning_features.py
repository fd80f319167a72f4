"""What known footage hands to the tokens around it: what it shows at their own place, nearest in
time.

Attention can find it too, but only through narrow features: of an object that stands still, the
first painted frames were a little off in the same way whatever the noise. What is handed over can
be taken as it is.

Axes: b rows, n tokens of a clip, m noise levels of a row, t latent frames, s tokens of a frame, c
features of a token, c1 the same and one more.
"""

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor

NEAREST_EPSILON = 1e-3  # of a frame: what a known token has from itself outweighs all other footage


def conditioning_features(
    tokens: Float[Tensor, "b n c"], levels: Float[Tensor, "b m"], frames: int
) -> Float[Tensor, "b n c1"] | None:
    """For each token of a clip, the known ones at its place, and how near the nearest is.

    Known are tokens at noise level 0. The nearest before and the nearest after count by how near
    they are. The last feature falls from 1 at known tokens with the number of frames, and is 0,
    as all others are, where nothing is known at any time. None where one level is all tokens':
    then nothing can be known.
    """
    if levels.shape[1] == 1:
        return None
    places = tokens.shape[1] // frames
    content = rearrange(tokens, "b (t s) c -> b t s c", t=frames)
    if levels.shape[1] == frames:
        levels = repeat(levels, "b t -> b (t s)", s=places)
    known = rearrange(levels, "b (t s) -> b t s", t=frames) == 0

    before, after = nearest(known), frames - 1 - nearest(known.flip(1)).flip(1)
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


def nearest(known: Bool[Tensor, "b t s"]) -> Int[Tensor, "b t s"]:
    """The frame of the last known token up to each one at its place; -1 where there is none."""
    number = torch.arange(known.shape[1], device=known.device)[:, None]
    return torch.where(known, number, -1).cummax(dim=1).values


def gather_frames(
    content: Float[Tensor, "b t s c"], frame: Int[Tensor, "b t s"]
) -> Float[Tensor, "b t s c"]:
    """Of each place, what `content` has at `frame`; at the nearest one there is."""
    index = frame.clamp(0, content.shape[1] - 1)[..., None].expand(*frame.shape, content.shape[3])
    return content.gather(1, index)
