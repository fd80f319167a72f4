"""The device and the precision of a run."""

import pytest
import torch

from sora_core.errors import ConfigError
from sora_core.training.distributed import Ranks
from sora_core.training.own.build import transformer_objective
from sora_core.training.own.settings import OwnSettings, chosen_device, half_precision
from tests.support.own_runs import GroupRuns, losses, small_plan, small_settings


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    return folder, GroupRuns(small_plan(folder), folder / "cache", {})


def machine(monkeypatch, cuda, mps):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_fastest_device_of_the_machine_is_chosen(monkeypatch, cuda, mps, chosen):
    machine(monkeypatch, cuda, mps)
    assert chosen_device("auto").type == chosen
    assert chosen_device("cpu").type == "cpu"


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps", "xpu", "meta", "no device", ""])
def test_a_device_that_the_machine_lacks_is_refused_with_those_to_choose(monkeypatch, name):
    machine(monkeypatch, False, False)
    with pytest.raises(ConfigError, match="choose auto"):
        chosen_device(name)


def test_half_precision_is_where_the_device_has_it(monkeypatch):
    cpu, cuda, mps = (torch.device(name) for name in ("cpu", "cuda", "mps"))
    assert half_precision(OwnSettings(), cpu)
    for has in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has: has)
        monkeypatch.setattr(
            torch.backends.mps, "is_macos_or_newer", lambda major, minor, has=has: has
        )
        assert half_precision(OwnSettings(), cuda) is half_precision(OwnSettings(), mps) is has
    assert not half_precision(OwnSettings(precision="float32"), cpu)


def test_products_are_in_bfloat16_and_weights_in_float32(small):
    folder, group = small
    runs = {}
    for precision in ("bfloat16", "float32"):
        settings = small_settings(folder, precision=precision, sheet_clips=0)
        group.one(folder / precision, settings, Ranks())
        runs[precision] = losses(folder / precision)
    assert runs["bfloat16"] != runs["float32"]
    assert runs["bfloat16"] == pytest.approx(runs["float32"], rel=0.02)
    objective = transformer_objective(folder / "tiny.safetensors", settings)
    assert {weight.dtype for weight in objective.parameters()} == {torch.float32}
