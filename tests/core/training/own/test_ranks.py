"""Two processes train as one does, by DDP and by FSDP2; their checkpoints load in one."""

import pytest
import torch

from sora_core.checkpoints.safetensors_io import read_tensors
from sora_core.training.distributed import Ranks, run
from tests.support.own_runs import GroupRuns, losses, small_plan, small_settings

STEPS, PAUSE = 20, 10
QUICK = {"steps": STEPS, "rate": 3e-4, "validate_every": 100, "save_every": PAUSE, "sheet_clips": 0}


@pytest.fixture(scope="module", params=["captioner", "text"])
def small_part(request, tmp_path_factory):
    """Runs of a part that is small: `alone` in one process, `ddp` in two."""
    folder = tmp_path_factory.mktemp(request.param)
    plan = small_plan(folder)
    settings = small_settings(folder, **QUICK, what=request.param)
    GroupRuns(plan, folder / "cache", {folder / "alone": settings})(Ranks())
    run(GroupRuns(plan, folder / "cache", {folder / "ddp": settings}), 2)
    return folder


@pytest.mark.slow
def test_two_processes_train_captioner_and_text_encoder_as_one_does(small_part):
    difference = largest_difference(losses(small_part / "ddp"), losses(small_part / "alone"))
    print(f"{small_part.name}, two ranks against one, {STEPS} steps: {difference:.2g}")
    assert difference <= 1e-4
    assert (small_part / "ddp" / "last.safetensors").exists()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The runs of one process and of two, by name; that of FSDP2 pauses half-way."""
    folder = tmp_path_factory.mktemp("ranks")
    plan = small_plan(folder)
    ddp = small_settings(folder, **QUICK)
    fsdp = small_settings(folder, **QUICK, parallel="fsdp", until=PAUSE)
    more = {"checkpointing": True, "parallel": "fsdp", "accumulate": 2, "sheet_clips": 1}
    checked = small_settings(folder, **QUICK | more)
    alone = GroupRuns(plan, folder / "cache", {folder / "alone": ddp})
    alone(Ranks())
    group = {folder / "ddp": ddp, folder / "fsdp": fsdp, folder / "checked": checked}
    run(GroupRuns(plan, folder / "cache", group), 2)
    resumed = small_settings(folder, **QUICK)
    result = alone.one(folder / "fsdp", resumed, Ranks())
    assert result.finished
    return folder


def largest_difference(one, other):
    assert one.keys() == other.keys() and len(one) == STEPS
    return max(abs(one[step] - other[step]) / abs(other[step]) for step in one)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ddp", "fsdp", "checked"])
def test_two_processes_have_the_losses_of_one(runs, kind):
    """`fsdp` is continued by one process from step 10; `checked` recomputes activations."""
    difference = largest_difference(losses(runs / kind), losses(runs / "alone"))
    print(f"{kind}, two ranks against one over {STEPS} steps: relative loss {difference:.2g}")
    assert difference <= 1e-4


@pytest.mark.slow
def test_split_weights_generate_clips(runs):
    assert (runs / "checked" / f"sheet-{STEPS:08d}.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ddp", "fsdp", "checked"])
def test_two_processes_end_with_the_weights_of_one(runs, kind):
    """Not exactly: Muon rounds to bfloat16, and AdamW divides a gradient near 0 by its own size."""
    start, end, other = (
        torch.cat([tensor.float().flatten() for _, tensor in sorted(tensors.items())])
        for tensors in (
            read_tensors(runs / name, prefix="transformer.")
            for name in ("tiny.safetensors", "alone/last.safetensors", f"{kind}/last.safetensors")
        )
    )
    difference = ((other - end).norm() / (end - start).norm()).item()
    print(f"{kind}: {difference:.2g} of how far the weights moved")
    assert difference < 0.03
