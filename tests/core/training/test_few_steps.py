"""A LoRA for few steps learns one Euler step in place of several guided ones."""

import copy
from argparse import ArgumentParser

import pytest
import torch

from sora_core.checkpoints.checkpoint import SamplingSettings
from sora_core.checkpoints.lora_file import FewSteps, merge_lora, read_few_steps, write_lora
from sora_core.cli import train as cli
from sora_core.models.dit import DiT, DiTConfig
from sora_core.pipeline.generate import MODELS, SHIPPED, load
from sora_core.sampling.samplers import euler
from sora_core.training.clip_batch import ClipBatch
from sora_core.training.distributed import Ranks
from sora_core.training.few_steps import FewStepTask, denoise
from sora_core.training.lora import add_lora
from sora_core.training.trainer import TrainingConfig, train
from tests.support.tiny import write_tiny

SHAPE = (2, 16, 3, 4, 4)


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    dit = DiT(DiTConfig(width=64, depth=2))
    dit.init_weights()
    with torch.no_grad():
        for weight in dit.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return dit.eval().requires_grad_(False)


def batch_with(mask, step=0):
    torch.manual_seed(step)
    clean, noise = torch.randn(2, *SHAPE)
    text = torch.randn(2, 5, 384)
    return ClipBatch(
        clean=clean,
        noise=noise,
        sigma=torch.full((1, 1, 1, 1, 1), torch.nan),  # levels are those of the sampler
        open_mask=mask,
        text=text,
        text_mask=None,
        fps=torch.full((2,), 8.0),
    )


def open_mask(known=0):
    mask = torch.ones(1, 1, 3, 1, 1)
    mask[:, :, :known] = 0
    return mask


def task_of(teacher, student, known=0, steps=4):
    draw = lambda step, ranks: batch_with(open_mask(known), step)  # noqa: E731
    return FewStepTask(
        student, teacher, draw, torch.zeros(1, 384), SamplingSettings(easing=0), steps, seed=1
    )


def new_student(teacher):
    return add_lora(copy.deepcopy(teacher).train(), 8, 8.0)


@pytest.mark.parametrize("known", [0, 1])
def test_the_target_leads_in_one_step_to_where_the_guided_teacher_arrives(teacher, known):
    task = task_of(teacher, teacher, known)
    batch = batch_with(open_mask(known))
    x = batch.clean.lerp(batch.noise, (0.8 * batch.open_mask).expand(SHAPE))
    clean = task.teacher_mean(batch, x, 0.8, 0.4)
    sigmas = [0.8 - 0.4 * i / 5 for i in range(6)]
    with torch.no_grad():
        arrived = euler(lambda y, sigma: task.guided(batch, y, sigma), x, sigmas)
    torch.testing.assert_close(clean + 0.5 * (x - clean), arrived)


def test_known_footage_neither_moves_nor_counts(teacher):
    student = new_student(teacher)
    task = task_of(teacher, student, known=1)
    batch = batch_with(open_mask(known=1))
    other = batch_with(open_mask(known=1))
    other.noise[:, :, 0] += 5
    losses = [task.step_error(student, each, [1.0, 0.6, 0.0], 1)[0] for each in (batch, other)]
    assert losses[0] == losses[1]
    with torch.no_grad():
        assert torch.equal(denoise(student, batch, batch.clean, 0.5)[:, :, 0], batch.clean[:, :, 0])


@pytest.mark.slow
def test_training_brings_few_steps_nearer_to_the_teacher(teacher, tmp_path):
    student = new_student(teacher)
    task = task_of(teacher, student)
    task.draw = lambda step, ranks: batch_with(open_mask())
    before = task.show(teacher, 0, tmp_path)
    config = TrainingConfig(
        steps=40, batch=2, rate=1e-2, warmup=2, average=0.5, half=False, show_every=1000
    )
    average = train(task, config, tmp_path, Ranks(), resume=False)
    after = task.show(average, 40, tmp_path)
    for i in range(4):
        assert before[f"test/teacher step {i}"] == after[f"test/teacher step {i}"]
    mean = {
        name: sum(after[f"test/{name} step {i}"] for i in range(4))
        for name in ("teacher", "student")
    }
    assert mean["student"] < 0.8 * mean["teacher"]


def test_a_file_keeps_the_settings_it_was_trained_for_and_the_same_numbers(teacher, tmp_path):
    student = new_student(teacher)
    torch.manual_seed(3)
    for name, weight in student.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1)
    path = tmp_path / "few.safetensors"
    write_lora(path, student.state_dict(), 8, 8.0, FewSteps(steps=4))
    assert read_few_steps(path) == FewSteps(steps=4, guidance=1.0)
    merged = merge_lora(copy.deepcopy(teacher), path)
    batch = batch_with(open_mask())
    with torch.no_grad():
        a, b = (denoise(dit.eval(), batch, batch.noise, 0.7) for dit in (student, merged))
    torch.testing.assert_close(a, b, atol=2e-3, rtol=0)


def test_a_model_loaded_with_it_has_its_weights_and_its_settings(tmp_path):
    file = write_tiny(tmp_path)
    plain = load(file)
    student = new_student(plain.transformer)
    for name, weight in student.named_parameters():
        if "lora_B" in name:
            weight.data.fill_(0.1)
    path = tmp_path / "few.safetensors"
    write_lora(path, student.state_dict(), 8, 8.0, FewSteps(steps=4))
    fast = load(file, lora=path)
    assert (fast.config.sampling.steps, fast.config.sampling.guidance) == (4, 1.0)
    assert (plain.config.sampling.steps, plain.config.sampling.guidance) != (4, 1.0)
    before, after = (
        each.transformer.get_parameter("blocks.0.qkv.weight") for each in (plain, fast)
    )
    assert not torch.equal(before, after)


def test_a_plain_lora_names_no_settings(teacher, tmp_path):
    path = tmp_path / "plain.safetensors"
    write_lora(path, new_student(teacher).state_dict(), 8, 8.0)
    assert read_few_steps(path) is None


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["smoke", "wide-smoke"])
def test_the_command_trains_a_lora_of_the_model_it_starts_from(recipe, tmp_path):
    arguments = ArgumentParser()
    cli.add_arguments(arguments)
    words = ["few-steps", recipe, "--start", str(MODELS / SHIPPED), "--root", str(tmp_path)]
    cli.run(arguments.parse_args([*words, "--steps", "1", "--processes", "1"]))
    (lora,) = (tmp_path / recipe / "few-steps").glob("*-4-steps.safetensors")
    assert load(lora=lora).config.sampling.steps == 4
