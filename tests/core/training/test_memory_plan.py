"""The memory of a process is planned exactly: what FSDP2 splits, and what autograd saves."""

import pytest

from sora_core.checkpoints.presets import huge, mini
from sora_core.models.dit import DiT
from sora_core.training.memory_plan import memory_of


def test_one_process_holds_everything():
    plan = memory_of(mini(), 1)
    assert (
        plan.parameters == plan.own_parameters == sum(p.numel() for p in DiT(mini()).parameters())
    )
    assert plan.weights == 4 * plan.parameters and plan.gathered == 0


def test_the_largest_preset_splits_over_eight_and_sixty_four_processes():
    one, eight, many = (memory_of(huge(), ranks, tokens=8192) for ranks in (1, 8, 64))
    assert one.parameters == pytest.approx(7.5e9, rel=0.01)
    assert eight.own_parameters == pytest.approx(one.parameters / 8, rel=1e-3)
    assert many.own_parameters == pytest.approx(one.parameters / 64, rel=1e-2)
    assert one.activations == eight.activations == many.activations
    assert many.total < eight.total / 2 < one.total / 8


def test_checkpointing_keeps_one_block_and_the_inputs_of_all():
    config = mini()
    plain, checked = (
        memory_of(config, 1, tokens=1024, checkpointing=on).activations for on in (False, True)
    )
    inputs = config.depth * 1024 * config.width * 2
    assert plain == config.depth * (checked - inputs)
