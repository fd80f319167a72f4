"""Clips of different sizes and lengths in one row (NaViT, Dehghani et al. 2023).

Axes: p packed rows (always 1), n tokens of all clips, l text tokens of all clips, h heads, k head
width. Each clip attends only to itself and to its own text, so a packed row costs as much as its
clips and has the same results as one call for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import cast

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from ..errors import ConfigError
from ..shapes import Grid, Latent
from .conditioning_features import conditioning_features
from .dit import Attend, DiT
from .layers import FEW_TOKENS, written_out_attention
from .metric import USUAL_FPS, format_features, metric_positions, rates
from .noise_levels import PackedRow, token_levels
from .patchify import LATENT_PATCH, patch_positions, patchify, unpatchify


@dataclass(frozen=True, slots=True)
class PackedClip:
    """One clip of a packed row: noisy latent, noise level, text states, first latent frame, fps.

    `sigma` broadcasts to the latent.
    """

    latent: Float[Tensor, "1 c t y x"]
    sigma: Float[Tensor, "1 1 #t #y #x"]
    text: Float[Tensor, "1 l e"]
    start: float = 0.0
    fps: float = USUAL_FPS

    @property
    def grid(self) -> Grid:
        """The size of its latent."""
        return Grid(*self.latent.shape[2:])

    @property
    def tokens(self) -> int:
        """Its number of tokens, at the default patch."""
        return self.grid.cells // LATENT_PATCH**2


def attention_within(queries: Sequence[int], keys: Sequence[int]) -> Attend:
    """Block-diagonal attention: each run of queries attends to its own run of keys.

    `queries` and `keys` are the lengths of the runs; nothing off the diagonal is computed. On CUDA
    in half precision it is one variable-length flash kernel, elsewhere one call for each run. For
    training on a CPU, successive runs of one length are a batch, and short ones are written out.
    """

    def split(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        parts = zip(q.split(queries, 2), k.split(keys, 2), v.split(keys, 2), strict=True)
        return torch.cat([scaled_dot_product_attention(q, k, v) for q, k, v in parts], dim=2)

    def trained(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """`split`, faster with its gradients."""
        runs = [(*run, len(list(same))) for run, same in groupby(zip(queries, keys, strict=True))]
        query_sizes, key_sizes = ([run[i] * run[2] for run in runs] for i in (0, 1))
        parts = (x.split(n, 2) for x, n in ((q, query_sizes), (k, key_sizes), (v, key_sizes)))
        attended = []
        for (_, each, count), *part in zip(runs, *parts, strict=True):
            rows = (rearrange(x, "1 h (c n) k -> c h n k", c=count) for x in part)
            short = each <= FEW_TOKENS
            y = (written_out_attention if short else scaled_dot_product_attention)(*rows)
            attended.append(rearrange(y, "c h n k -> 1 h (c n) k"))
        return torch.cat(attended, dim=2)

    def flash(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """All runs in one variable-length kernel."""
        from torch.nn.attention.varlen import varlen_attn

        def ends(lengths: Sequence[int]) -> Tensor:
            return torch.tensor([0, *lengths], dtype=torch.int32, device=q.device).cumsum(0).int()

        q, k, v = (rearrange(x, "1 h n k -> n h k") for x in (q, k, v))
        attended = varlen_attn(q, k, v, ends(queries), ends(keys), max(queries), max(keys))
        return rearrange(cast(Tensor, attended), "n h k -> 1 h n k")

    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        fits_flash = q.is_cuda and q.dtype in (torch.bfloat16, torch.float16)
        if fits_flash:
            return flash(q, k, v)
        return (trained if q.requires_grad and q.device.type == "cpu" else split)(q, k, v)

    return attend


def denoise_packed(model: DiT, clips: Sequence[PackedClip]) -> list[Latent]:
    """The clean latent of each clip, predicted in one packed row; ConfigError without clips."""
    if not clips:
        raise ConfigError("no clips to pack: pass at least one")
    device, patch = clips[0].latent.device, model.config.patch
    tokens = [patchify(clip.latent, patch) for clip in clips]
    levels = [token_levels(clip.sigma, 1, clip.grid, patch) for clip in clips]
    features = None
    if model.config.metric:
        each = [rates(clip.fps, 1, device) for clip in clips]
        places = [
            metric_positions(clip.grid, clip.start, rate, patch)[0]
            for clip, rate in zip(clips, each, strict=True)
        ]
        features = torch.cat(
            [
                repeat(format_features(clip.grid, rate), "1 f -> 1 m f", m=level.shape[1])
                for clip, rate, level in zip(clips, each, levels, strict=True)
            ],
            dim=1,
        )
    else:
        places = [patch_positions(clip.grid, clip.start, device, patch) for clip in clips]
    cond_rows = [
        conditioning_features(row, level, clip.grid.frames)
        for row, level, clip in zip(tokens, levels, clips, strict=True)
    ]
    lengths = [part.shape[1] for part in tokens]
    words = [clip.text.shape[1] for clip in clips]
    clean = model.transform(
        torch.cat(tokens, dim=1),
        torch.cat(levels, dim=1),
        torch.cat(places)[None],
        torch.cat([clip.text for clip in clips], dim=1),
        None,
        attention_within(lengths, lengths),
        attention_within(lengths, words),
        clips=PackedRow(tuple(lengths), tuple(level.shape[1] for level in levels)),
        cond_features=_in_a_row(cond_rows, tokens),
        features=features,
    )
    parts = clean.split(lengths, dim=1)
    return [unpatchify(part, clip.grid, patch) for part, clip in zip(parts, clips, strict=True)]


def _in_a_row(
    features: Sequence[Tensor | None], tokens: Sequence[Tensor]
) -> Float[Tensor, "1 n c1"] | None:
    """The conditioning features of all clips, zeros for a clip without; None if no clip has any."""
    if all(part is None for part in features):
        return None
    nothing = [pad(torch.zeros_like(part), (0, 1)) for part in tokens]
    return torch.cat(
        [empty if part is None else part for part, empty in zip(features, nothing, strict=True)],
        dim=1,
    )


def pad_texts(texts: Sequence[Float[Tensor, "l e"]]) -> tuple[Tensor, Tensor]:
    """The texts padded to the longest (b l e), and a mask (b l) that is True at real tokens."""
    mask = pad_sequence([torch.ones(len(text), dtype=torch.bool) for text in texts], True)
    return pad_sequence(list(texts), True), mask
