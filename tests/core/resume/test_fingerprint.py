"""A digest stands for a value: equal for equal values, in every process, and for no others."""

from dataclasses import dataclass
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import nn

from sora_core.errors import ConfigError
from sora_core.resume.fingerprint import SAMPLES, fingerprint, tensor_sample

simple = some.none() | some.booleans() | some.integers() | some.floats() | some.text()
values = some.recursive(
    simple | some.binary(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=8,
)


@dataclass
class Pair:
    a: object
    b: object


def scaled(factor):
    return lambda x: factor * x


@given(values, values)
def test_two_values_have_one_digest_only_if_they_are_the_same(a, b):
    assert (fingerprint(a) == fingerprint(b)) == (typed(a) == typed(b))


def typed(value):
    """`value` with its types written out, for 1 equals True and 1.0."""
    if isinstance(value, list):
        return [typed(one) for one in value]
    if isinstance(value, dict):
        return {key: typed(one) for key, one in value.items()}
    return type(value).__name__, repr(value)


def test_what_holds_the_same_values_in_another_way_is_another():
    ones = torch.ones(2, 3)
    forms = [
        [1, [2, 3]],
        [[1, 2], 3],
        [1, 2, 3],
        {"a": 1, "b": 2},
        {"a": 2, "b": 1},
        ones,
        ones.T,
        ones.double(),
        ones.to(torch.bfloat16),
        [ones],
        "ones",
        b"ones",
        Pair(1, 2),
        Pair(2, 1),
        scaled(2),
        scaled(3),
        partial(scaled, 2),
        partial(scaled, 3),
        nn.Linear,
        nn.Identity(),
        nn.Dropout(0.1),
        nn.Dropout(0.2),
        {1, 2},
        {1, 3},
    ]
    assert len({fingerprint(form) for form in forms}) == len(forms)


def test_a_view_is_its_values_and_order_of_a_mapping_says_nothing():
    numbers = torch.arange(12.0).reshape(3, 4)
    assert fingerprint(numbers[:, ::2]) == fingerprint(numbers[:, ::2].clone())
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_every_process_finds_the_same():
    value = {"x": [1, 2.5, "a"], "y": {"one", "two", "three"}, "z": torch.arange(5)}
    assert fingerprint(value) == "583164290e1f28108f5f96701f44d42275b7b409eaee55286b732315f0d608d0"


def test_a_module_is_its_weights_and_its_numbers():
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    before = fingerprint(module)
    module[1].p = 0.25
    changed = fingerprint(module)
    with torch.no_grad():
        module[0].weight[0, 0] += 1
    assert len({before, changed, fingerprint(module)}) == 3


@pytest.mark.parametrize("thing", [object(), [object()], {"a": iter(())}, scaled(object())])
def test_what_could_not_be_known_again_is_refused(thing):
    with pytest.raises(ConfigError, match="cannot be recognised"):
        fingerprint(thing)


def test_what_holds_itself_is_refused():
    ring = []
    ring.append(ring)
    with pytest.raises(ConfigError, match="nested"):
        fingerprint(ring)


def test_a_sample_of_weights_notices_training_and_is_small():
    weight = torch.randn(200, 300, generator=torch.Generator().manual_seed(0))
    dtype, shape, values = tensor_sample(weight)
    assert (dtype, shape, len(values)) == ("torch.float32", [200, 300], SAMPLES)
    assert values[0] == weight[0, 0] and values[-1] == weight[-1, -1]
    assert fingerprint(tensor_sample(weight)) != fingerprint(tensor_sample(weight + 1e-6))
    assert tensor_sample(torch.zeros(3, 0))[2].numel() == 0


def test_a_method_counts_with_what_it_belongs_to():
    assert fingerprint(nn.Linear(2, 2).forward) != fingerprint(nn.Linear(2, 2).forward)
    linear = nn.Linear(2, 2)
    assert (
        fingerprint(linear.forward) == fingerprint(linear.forward) != fingerprint(linear.extra_repr)
    )


def test_what_runs_without_gradients_is_known_again():
    first, again, other = (torch.no_grad()(scaled(factor)) for factor in (2, 2, 3))
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)
