"""Muon on batches of matrices: the same steps as torch's, whatever their shapes."""

import pytest
import torch
from torch import nn

from sora_core.training import muon
from sora_core.training.muon import BatchedMuon, batches

SHAPES = [(24, 8), (8, 24), (16, 16), (16, 16), (24, 8), (1, 8), (8, 1)]


def matrices(seed):
    """Matrices of several shapes; the last has no gradient in the second step."""
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def moved(optimizers, weights, steps=3):
    """The weights after steps with fixed gradients of fast falling singular values."""
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        for i, weight in enumerate(weights):
            falling = torch.logspace(0, -3, weight.shape[1])
            gradient = torch.randn(weight.shape, generator=generator) * falling
            weight.grad = None if step == 1 and i == 5 else gradient
        for optimizer in optimizers:
            optimizer.step()
    return weights


def by_torch(weights):
    return torch.optim.Muon(weights, 0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")


@pytest.mark.parametrize("most", [muon.BATCH_NUMBERS, 1, 500])
def test_a_step_on_batches_is_that_of_torch_up_to_the_rounding_of_bfloat16(monkeypatch, most):
    monkeypatch.setattr(muon, "BATCH_NUMBERS", most)
    start = matrices(0)
    ours, theirs = matrices(0), matrices(0)
    moved([BatchedMuon(ours, 0.01, 0.1)], ours)
    moved([by_torch(theirs)], theirs)
    for before, our, their in zip(start, ours, theirs, strict=True):
        assert (our - their).norm() <= 0.01 * (their - before).norm()


def test_each_matrix_moves_as_it_does_alone():
    together, alone = matrices(0), matrices(0)
    moved([BatchedMuon(together, 0.01, 0.1)], together)

    moved([BatchedMuon([weight], 0.01, 0.1) for weight in alone], alone)
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-4)


def test_its_state_is_that_of_torch_so_that_each_continues_from_the_other():
    ours, theirs = matrices(0), matrices(0)
    first, second = BatchedMuon(ours, 0.01, 0.1), by_torch(theirs)
    moved([first], ours)
    second.load_state_dict(first.state_dict())
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(
            first.state[mine]["momentum_buffer"], second.state[other]["momentum_buffer"]
        )


def test_batches_have_every_matrix_once_and_one_shape_each():
    weights = matrices(0)
    found = list(batches(weights))
    assert sorted(id(weight) for batch in found for weight in batch) == sorted(map(id, weights))
    assert all(len({weight.shape for weight in batch}) == 1 for batch in found)


def test_without_a_gradient_nothing_moves():
    weights = matrices(0)
    BatchedMuon(weights, 0.01, 0.1).step()
    assert all(torch.equal(one, other) for one, other in zip(weights, matrices(0), strict=True))
