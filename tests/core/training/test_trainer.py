import dataclasses

import pytest
import torch
from torch import nn

from sora_core.errors import ConfigError, TrainingError
from sora_core.training.distributed import Ranks, run
from sora_core.training.trainer import TrainingConfig, train

CONFIG = TrainingConfig(steps=6, batch=4, warmup=2, save_every=2, show_every=100, half=False)


class Line:
    """Fits a small network to a line: each step's batch comes from the step alone."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 8), nn.Linear(8, 1))

    def matrices(self):
        return {"2.weight"}

    def loss(self, step, ranks):
        share = slice(ranks.rank, None, ranks.count)
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))[share]
        loss = (self.model(x) - x.sum(1, keepdim=True)).square().mean()
        return loss, {"squared": loss}

    def show(self, average, step, folder):
        return {}


class KilledError(Exception):
    pass


def trained(folder, resume=False, kill_at=None, config=CONFIG):
    task = Line()
    if kill_at is not None:
        loss = task.loss

        def deadly(step, ranks):
            if step == kill_at:
                raise KilledError
            return loss(step, ranks)

        task.loss = deadly
    average = train(task, config, folder, Ranks(), resume=resume)
    return [*task.model.state_dict().values(), *average.state_dict().values()]


@pytest.mark.parametrize("until", [1, 3])
def test_a_run_that_stops_for_now_continues_as_if_it_had_not(tmp_path, until):
    whole = trained(tmp_path / "whole")
    trained(tmp_path / "parts", config=dataclasses.replace(CONFIG, until=until))
    resumed = trained(tmp_path / "parts", resume=True)
    assert all(map(torch.equal, whole, resumed))


@pytest.mark.parametrize("kill_at", [1, 2, 3, 5])
def test_a_killed_run_continues_to_the_same_numbers(tmp_path, kill_at):
    whole = trained(tmp_path / "whole")
    with pytest.raises(KilledError):
        trained(tmp_path / "killed", kill_at=kill_at)
    resumed = trained(tmp_path / "killed", resume=True)
    assert all(map(torch.equal, whole, resumed))


def test_without_resume_a_run_starts_anew(tmp_path):
    whole = trained(tmp_path / "one")
    with pytest.raises(KilledError):
        trained(tmp_path / "two", kill_at=5, config=dataclasses.replace(CONFIG, rate=1.0))
    assert all(map(torch.equal, whole, trained(tmp_path / "two")))


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    trained(tmp_path)
    task = Line()
    task.model = nn.Sequential(nn.Linear(3, 9), nn.SiLU(), nn.Linear(9, 1))
    task.matrices = set
    with pytest.raises(TrainingError, match="another model"):
        train(task, CONFIG, tmp_path, Ranks(), resume=True)


def write_weights(folder, ranks):
    task = Line()
    train(task, CONFIG, folder / str(ranks.rank), ranks, resume=False)
    torch.save(task.model.state_dict(), folder / f"{ranks.rank}-of-{ranks.count}.pt")


@dataclasses.dataclass
class Job:
    folder: object

    def __call__(self, ranks):
        write_weights(self.folder, ranks)


@pytest.mark.slow
def test_two_processes_with_half_a_batch_each_train_as_one_with_all(tmp_path):
    run(Job(tmp_path), 1)
    run(Job(tmp_path), 2)
    alone = torch.load(tmp_path / "0-of-1.pt")
    for rank in (0, 1):
        together = torch.load(tmp_path / f"{rank}-of-2.pt")
        for name, weight in alone.items():
            torch.testing.assert_close(together[name], weight, atol=1e-5, rtol=1e-4)


def test_rates_go_up_stay_and_fall_to_zero():
    config = TrainingConfig(steps=100, batch=1, warmup=10, decay=0.5)
    rates = [config.rate_at(step) for step in range(101)]
    assert rates[0] == 0.1 and rates[10] == rates[50] == 1 and rates[100] == 0
    assert rates[50:] == sorted(rates[50:], reverse=True)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 0}, {"decay": 1.5}, {"average": 1.0}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError):
        dataclasses.replace(CONFIG, **wrong)
