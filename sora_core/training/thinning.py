"""Low-rank initialisation of a text encoder from a full one, fitted on typical texts.

Axes: b texts, n tokens, d width, w words.
Each linear map is fitted by ridge regression from its inputs in the thin encoder to its outputs in
the full one, and cut to its rank along the directions in which the outputs vary most (reduced-rank
regression, Izenman 1975). The fit goes layer by layer, so that later maps correct errors of earlier
ones.
"""

from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..models.text_encoder import BertBlock, TextEncoder

Calibration = list[Int[Tensor, "b n"]]
"""Token ids of typical texts; the texts of an entry have one length."""

SPREAD = 0.25  # scale of thin word vectors: small, since AdamW rarely updates rare words
RIDGE = 1e-4  # relative to the mean variance of an input


@torch.no_grad()
def thin_out(student: TextEncoder, teacher: TextEncoder, texts: Calibration) -> None:
    """Sets the weights of `student` such that its states approximate those of `teacher`.

    Both have the same depth and width. `texts` should have 10,000 tokens or more.
    """
    _thin_words(student, teacher, texts)
    ours, theirs = (cast(nn.Embedding, encoder.positions) for encoder in (student, teacher))
    ours.weight.copy_(theirs.weight[: student.config.positions])
    student.norm.load_state_dict(teacher.norm.state_dict())
    ours, theirs = [student.embed(ids) for ids in texts], [teacher.embed(ids) for ids in texts]
    for block, whole in zip(_blocks(student), _blocks(teacher), strict=True):
        block.norm_attn.load_state_dict(whole.norm_attn.state_dict())
        block.norm_mlp.load_state_dict(whole.norm_mlp.state_dict())
        _fit(block.attn.qkv, ours, [whole.attn.qkv(x) for x in theirs])

        mixed, wanted = _projection_inputs(block, ours), [whole.attn(x, None) for x in theirs]
        residual = [t + x - y for t, x, y in zip(wanted, theirs, ours, strict=True)]
        _fit(block.attn.out, mixed, residual)
        ours = [block.norm_attn(x + block.attn(x, None)) for x in ours]
        theirs = [whole.norm_attn(x + y) for x, y in zip(theirs, wanted, strict=True)]

        _fit(block.up, ours, [whole.up(x) for x in theirs])
        wanted = [whole.down(nn.functional.gelu(whole.up(x))) for x in theirs]
        residual = [t + x - y for t, x, y in zip(wanted, theirs, ours, strict=True)]
        _fit(block.down, [nn.functional.gelu(block.up(x)) for x in ours], residual)
        ours = [block.norm_mlp(x + block.down(nn.functional.gelu(block.up(x)))) for x in ours]
        theirs = [whole.norm_mlp(x + y) for x, y in zip(theirs, wanted, strict=True)]


def _blocks(encoder: TextEncoder) -> list[BertBlock]:
    return [cast(BertBlock, block) for block in encoder.blocks]


def _projection_inputs(block: BertBlock, inputs: list[Tensor]) -> list[Tensor]:
    """The inputs of the attention's output projection."""
    found: list[Tensor] = []
    out = block.attn.out
    first = out[0] if isinstance(out, nn.Sequential) else out
    hook = first.register_forward_pre_hook(lambda module, entering: found.append(entering[0]))
    for x in inputs:
        block.attn(x, None)
    hook.remove()
    return found


def _fit(linear: nn.Module, inputs: list[Tensor], outputs: list[Tensor]) -> None:
    """Fits `linear`, one layer or a product of two, to map `inputs` to `outputs`."""
    x = torch.cat([part.flatten(0, 1) for part in inputs])
    y = torch.cat([part.flatten(0, 1) for part in outputs])
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - y_mean
    square, product = (x.T @ x).double(), (x.T @ y).double()
    x_mean, y_mean = x_mean.double(), y_mean.double()
    square += RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    weight = torch.linalg.solve(square, product).T
    if isinstance(linear, nn.Linear):
        linear.weight.copy_(weight)
        linear.bias.copy_(y_mean - weight @ x_mean)
        return
    fitted = weight @ square @ weight.T
    thin, wide = (cast(nn.Linear, part) for part in cast(nn.Sequential, linear))
    rank = thin.out_features
    directions = torch.linalg.eigh(fitted).eigenvectors[:, -rank:]
    scale = (directions.T @ fitted @ directions).diagonal().div(len(x)).clamp(min=1e-12).sqrt()
    thin.weight.copy_((directions.T @ weight) / scale[:, None])
    wide.weight.copy_(directions * scale)
    wide.bias.copy_(y_mean - directions @ (directions.T @ weight @ x_mean))


def _thin_words(student: TextEncoder, teacher: TextEncoder, texts: Calibration) -> None:
    """Sets each band of word vectors to its principal components, weighted by frequency."""
    whole: Float[Tensor, "w d"] = cast(nn.Embedding, teacher.words.tables[0]).weight
    counts = torch.bincount(torch.cat([ids.flatten() for ids in texts]), minlength=len(whole))
    weights = (counts.double() + 0.5).sqrt()
    first = 0
    tables = [cast(nn.Embedding, table) for table in student.words.tables]
    projections = [cast(nn.Linear | nn.Identity, project) for project in student.words.projections]
    for rows, table, project in zip(student.words.rows, tables, projections, strict=True):
        band, share = whole[first : first + rows].double(), weights[first : first + rows, None]
        first += rows
        if isinstance(project, nn.Identity):
            table.weight.copy_(band)
            continue
        mean = (band * share).sum(0) / share.sum()
        square = ((band - mean) * share).T @ (band - mean)
        directions = torch.linalg.eigh(square).eigenvectors[:, -table.embedding_dim :]
        scale = ((band - mean) @ directions).square().mean(0).clamp(min=1e-12).sqrt()
        table.weight.copy_((band - mean) @ directions / scale * SPREAD)
        project.weight.copy_(directions * scale / SPREAD)
        project.bias.copy_(mean)
