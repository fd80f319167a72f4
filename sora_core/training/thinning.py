"""A thin text encoder out of a whole one: each matrix as the best product of two thinner ones.

Axes: n tokens, d width, r rank, i inputs, o outputs.
Best is meant for the inputs that really occur: each map is fitted by ridge regression from what
enters it in the thin encoder to what leaves it in the whole one, and cut to its rank along the
directions in which its outputs vary most (reduced-rank regression, Izenman 1975). Layer by layer,
so that a later map mends what earlier ones lost.
"""

from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..models.text_encoder import BertBlock, TextEncoder

Calibration = list[Int[Tensor, "b n"]]
"""Token ids of typical texts, each entry of texts of one length."""

SPREAD = 0.25  # of the numbers of a thin word: AdamW moves all by like steps, rare words by few
RIDGE = 1e-4  # of the mean variance of an input


@torch.no_grad()
def thin_out(student: TextEncoder, teacher: TextEncoder, texts: Calibration) -> None:
    """Sets the weights of `student`, of the depth and width of `teacher`, from those of `teacher`.

    `texts` should hold some 10,000 tokens or more.
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

        mixed, wanted = _attended_values(block, ours), [whole.attn(x, None) for x in theirs]
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


def _attended_values(block: BertBlock, inputs: list[Tensor]) -> list[Tensor]:
    """What enters the last map of the attention."""
    found: list[Tensor] = []
    out = block.attn.out
    first = out[0] if isinstance(out, nn.Sequential) else out
    hook = first.register_forward_pre_hook(lambda module, entering: found.append(entering[0]))
    for x in inputs:
        block.attn(x, None)
    hook.remove()
    return found


def _fit(linear: nn.Module, inputs: list[Tensor], outputs: list[Tensor]) -> None:
    """Sets the one or two maps of `linear` so that `inputs` give about `outputs`."""
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
    """Each band of words along the directions in which they vary most, by how often they occur."""
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
