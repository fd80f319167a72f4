"""What the small learner is trained on: the flow loss, and the papers' additions to it.

Axes: b clips, n tokens, k chosen tokens, d width.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor
from torch.nn.functional import layer_norm, smooth_l1_loss

from .clips import PROMPTS
from .model import TIMES, Learner, Places, Tokens, patches, places_of

LEAST_SIGMA = 0.1
NO_PROMPT = len(PROMPTS)
SILENT = 0.1  # share of clips without a prompt
VISIBLE = 0.25  # share of the tokens that pre-training with masks leaves
CHOSEN_SHARE = 0.5  # share of the tokens that dropping leaves
ALIGNED_WEIGHT, LOWER = 0.5, 0.2  # of SRA: weight of its loss; the copy's noise level is lower


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips of one size; all random choices on them come from `generator`."""

    video: Float[Tensor, "b 3 t y x"]
    prompts: Int[Tensor, " b"]
    generator: Generator


Loss = Callable[[Learner, Learner, Batch], Tensor]
"""The loss of a model and its averaged copy on a batch."""


@dataclass(frozen=True, slots=True)
class Noisy:
    """The tokens of a batch, clean and noisy, and what conditions the model."""

    clean: Tensor
    noise: Tensor
    places: Places
    sigma: Float[Tensor, " b"]
    prompts: Int[Tensor, " b"]

    def mixed(self, sigma: Float[Tensor, " b"]) -> Tensor:
        return self.clean.lerp(self.noise, sigma[:, None, None])


def noisy(batch: Batch) -> Noisy:
    """`batch` at noise levels of a logit-normal distribution, some clips without a prompt."""
    clean, count = patches(batch.video), len(batch.video)
    sigma = torch.randn(count, generator=batch.generator).sigmoid()
    silent = torch.rand(count, generator=batch.generator) < SILENT
    noise = torch.randn(clean.shape, generator=batch.generator)
    prompts = batch.prompts.masked_fill(silent, NO_PROMPT)
    return Noisy(clean, noise, places_of(batch.video), sigma, prompts)


def flow_error(predicted: Tensor, clean: Tensor, sigma: Float[Tensor, " b"]) -> Tensor:
    """The mean squared error of the velocity that a predicted clean token implies."""
    return ((predicted - clean) / sigma.clamp(min=LEAST_SIGMA)[:, None, None]).square().mean()


def flow(model: Learner, teacher: Learner, batch: Batch) -> Tensor:
    """The flow loss on all tokens (Lipman et al. 2023)."""
    x = noisy(batch)
    predicted = model(x.mixed(x.sigma), x.places, x.sigma, x.prompts)
    return flow_error(predicted, x.clean, x.sigma)


def flow_on(choose: Callable[[Batch, Tensor], Tensor]) -> Loss:
    """The flow loss on a chosen part of the tokens; the others do not enter the model."""

    def loss(model: Learner, teacher: Learner, batch: Batch) -> Tensor:
        x = noisy(batch)
        chosen = best(choose(batch, x.clean), round(CHOSEN_SHARE * x.clean.shape[1]))
        few = taken(x.mixed(x.sigma), chosen)
        predicted = model(few, taken(x.places, chosen), x.sigma, x.prompts)
        return flow_error(predicted, taken(x.clean, chosen), x.sigma)

    return loss


def change(batch: Batch, clean: Tensor) -> Float[Tensor, "b n"]:
    """How much each token differs from that before it; those of the first time come first."""
    rows = clean.unflatten(1, (TIMES, -1))
    apart = rows.diff(dim=1).abs().mean(-1)
    first = torch.full_like(apart[:, :1], 10.0)
    scores = torch.cat([first, apart], dim=1).flatten(1)
    return scores + 0.02 * chance(batch, clean)


def chance(batch: Batch, clean: Tensor) -> Float[Tensor, "b n"]:
    """A random score of each token, in [0, 1)."""
    return torch.rand(clean.shape[:2], generator=batch.generator)


def best(scores: Float[Tensor, "b n"], count: int) -> Int[Tensor, "b k"]:
    """The places of the `count` highest scores of each row, in order."""
    return scores.topk(count, dim=1).indices.sort(dim=1).values


def taken(rows: Tensor, chosen: Int[Tensor, "b k"]) -> Tensor:
    """The chosen entries of axis 1 of `rows` [b n d]."""
    return rows.gather(1, chosen[..., None].expand(-1, -1, rows.shape[-1]))


def filled(model: Learner, batch: Batch) -> tuple[Tokens, Tensor, Tensor]:
    """The features behind the last block, the clean tokens, and which of them were hidden.

    Only some tokens of a clip pass the first blocks; all pass the last one.
    """
    clean, places = patches(batch.video), places_of(batch.video)
    visible = best(chance(batch, clean), round(VISIBLE * clean.shape[1]))
    level = model.condition(torch.zeros(len(clean)), torch.full((len(clean),), NO_PROMPT))
    x = model.embedded(taken(clean, visible), taken(places, visible))
    for block in model.blocks[:-1]:
        x = block(x, level)
    whole = model.mask_token + model.places(places)
    index = visible[..., None].expand_as(x)
    whole = whole.scatter(1, index, x)
    hidden = torch.ones(clean.shape[:2], dtype=torch.bool).scatter(1, visible, False)
    return model.blocks[-1](whole, level), clean, hidden


def masked_pixels(model: Learner, teacher: Learner, batch: Batch) -> Tensor:
    """Masked autoencoder (He et al. 2021; VideoMAE, Tong et al. 2022): the hidden pixels."""
    x, clean, hidden = filled(model, batch)
    return (model.predicted(x) - clean)[hidden].square().mean()


def masked_features(model: Learner, teacher: Learner, batch: Batch) -> Tensor:
    """V-JEPA (Bardes et al. 2024): the averaged copy's features of the hidden tokens."""
    x, clean, hidden = filled(model, batch)
    with torch.no_grad():
        places, count = places_of(batch.video), len(clean)
        level = teacher.condition(torch.zeros(count), torch.full((count,), NO_PROMPT))
        wanted = teacher.embedded(clean, places)
        for block in teacher.blocks[:-1]:
            wanted = block(wanted, level)
        wanted = layer_norm(wanted, wanted.shape[-1:])
    return (model.predictor(x) - wanted)[hidden].abs().mean()


def aligned(model: Learner, teacher: Learner, batch: Batch) -> Tensor:
    """SRA (Jiang et al. 2025): early features at the noise level follow late ones of the averaged
    copy at a lower level, beside the flow loss."""
    x = noisy(batch)
    cleaner = (x.sigma - LOWER * torch.rand(len(x.sigma), generator=batch.generator)).clamp(min=0)
    early, late = len(model.blocks) // 2 - 1, len(model.blocks) - 2
    with torch.no_grad():
        wanted = teacher.features(x.mixed(cleaner), x.places, cleaner, x.prompts)[late]
    features = model.features(x.mixed(x.sigma), x.places, x.sigma, x.prompts)
    followed = smooth_l1_loss(model.predictor(features[early]), wanted)
    predicted = model.predicted(features[-1])
    return flow_error(predicted, x.clean, x.sigma) + ALIGNED_WEIGHT * followed
