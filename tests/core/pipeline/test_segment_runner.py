"""The runner samples segment by segment: seeds, hand-over, what a job restores, and drift."""

from dataclasses import replace

import pytest
import torch

from sora_core.pipeline.segment_runner import SegmentRunner, VideoTask
from sora_core.sampling.drift import DriftMonitor
from sora_core.sampling.noise import MAX_SEED
from sora_core.sampling.segments import SegmentSettings, is_backward

FRAMES, LENGTH = 11, 5
STARTS = [0, 3, 6]


def video(seed=7, prompts=("a", "b")):
    noise = torch.randn(1, 2, FRAMES, 2, 2, generator=torch.Generator().manual_seed(0))
    weights = torch.zeros(2, FRAMES)
    weights[0, :6], weights[1, 6:] = 1, 1
    mask = torch.ones(1, 1, FRAMES, 2, 2)
    return VideoTask(torch.zeros_like(noise), mask, noise, seed, prompts, weights, weights)


def runner(task, **settings):
    return SegmentRunner(task, SegmentSettings(**settings), LENGTH)


class Sampler:
    """Returns its noise plus the number of the call; keeps the tasks."""

    def __init__(self):
        self.tasks = []

    def __call__(self, task):
        self.tasks.append(task)
        denoise = task.denoiser(
            lambda x, sigma: x, task.segment.known, task.segment.mask, task.segment.reference
        )
        return denoise(task.noise + len(self.tasks), 0.5)


def test_each_segment_has_its_noise_and_a_seed_of_its_own():
    sample = Sampler()
    task = video(seed=MAX_SEED)
    runner(task).run(sample)
    assert [each.segment.start for each in sample.tasks] == STARTS
    assert [each.seed for each in sample.tasks] == [MAX_SEED, 0, 1]
    for each in sample.tasks:
        assert torch.equal(each.noise, task.noise[:, :, each.segment.frames])


def test_a_segment_continues_from_the_frames_of_the_one_before():
    sample, latents = Sampler(), []
    whole, report = runner(video()).run(
        sample, on_segment=lambda segment, latent, restored: latents.append(latent.clone())
    )
    for before, after in zip(latents, sample.tasks[1:], strict=False):
        assert torch.equal(after.segment.known[:, :, :2], before[:, :, 3:])
    assert torch.equal(whole[:, :, 6:], latents[-1])
    assert report == "3 parts."


def test_a_segment_is_anchored_by_the_overlap_of_its_prompts():
    sample = Sampler()
    runner(video(), anchor=0.5).run(sample)
    overlaps = [each.segment.overlap for each in sample.tasks]
    assert [each.anchored for each in sample.tasks] == [0.5 * overlap for overlap in overlaps]
    probed = [each.probe.statistics is not None for each in sample.tasks]
    assert probed == [each.segment.reference is not None for each in sample.tasks]


def test_a_job_restores_what_is_done_and_reports_it(tmp_path):
    first, again, restored = Sampler(), Sampler(), []
    whole, _ = runner(video()).run(first, runner(video()).open_job(tmp_path, ["model"]))
    job = runner(video()).open_job(tmp_path, ["model"])
    result, report = runner(video()).run(
        again, job, lambda segment, latent, there: restored.append((segment.index, there))
    )
    assert torch.equal(result, whole) and not again.tasks
    assert restored == [(0, True), (1, True), (2, True)]
    assert "3 parts and 0 predictions were already computed." in report


def test_a_changed_prompt_redoes_the_segments_that_it_touches(tmp_path):
    runner(video()).run(Sampler(), runner(video()).open_job(tmp_path, ["model"]))
    changed, sample = video(prompts=("a", "c")), Sampler()
    runner(changed).run(sample, runner(changed).open_job(tmp_path, ["model"]))
    assert [each.segment.index for each in sample.tasks] == [1, 2]


@pytest.mark.parametrize("other", [["another model"], ["model", 2]])
def test_what_counts_everywhere_redoes_everything(tmp_path, other):
    runner(video()).run(Sampler(), runner(video()).open_job(tmp_path, ["model"]))
    sample = Sampler()
    runner(video()).run(sample, runner(video()).open_job(tmp_path, other))
    assert len(sample.tasks) == 3


def test_drift_is_measured_in_the_scale_of_the_model():
    task = video()
    reports = []
    for to_model in (lambda latent: latent, lambda latent: 2 * latent):
        monitor = DriftMonitor.from_factors([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
        settings = SegmentSettings(anchor=0.0)
        scenes = torch.ones(1, FRAMES)
        same = VideoTask(task.known, task.mask, task.noise, 7, ["a"], scenes, scenes)
        SegmentRunner(same, settings, LENGTH, monitor, to_model).run(Sampler())
        reports.append([each.colour for each in monitor.held])
    assert reports[1] == pytest.approx([2 * colour for colour in reports[0]], rel=1e-5)
    assert len(reports[0]) == 2


@pytest.mark.parametrize(("contrast", "measured"), [(0.0, False), (1.0, True)])
def test_black_footage_is_no_reference_that_a_scene_drifts_from(contrast, measured):
    task, scenes = video(), torch.ones(1, FRAMES)
    mask = task.mask.clone()
    mask[:, :, :LENGTH] = 0
    task = VideoTask(contrast * task.noise, mask, task.noise, 7, ["a"], scenes, scenes)
    monitor = DriftMonitor.from_factors([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    settings = SegmentSettings(anchor=1.0, covariance=True)
    _, report = SegmentRunner(task, settings, LENGTH, monitor).run(Sampler())
    assert ("Drift" in report) == measured and "inf" not in report


def frame_before(value):
    """Puts a latent frame of `value` before each segment but the first."""

    def add(segment):
        if segment.start == 0:
            return segment
        frame = torch.full_like(segment.known[:, :, :1], value)
        known = torch.cat([frame, segment.known], dim=2)
        mask = torch.cat([torch.zeros_like(segment.mask[:, :, :1]), segment.mask], dim=2)
        return replace(segment, start=segment.start - 1, known=known, mask=mask)

    return add


def test_a_lead_frame_is_sampled_and_no_part_of_the_video():
    task, plain, led = video(), Sampler(), Sampler()
    whole, _ = runner(task, anchor=0.0).run(plain)
    result, _ = replace(runner(task, anchor=0.0), add_lead=frame_before(9.0)).run(led)
    assert torch.equal(result, whole)
    for each, start in zip(led.tasks, STARTS, strict=True):
        assert each.segment.start == start - each.lead == max(0, start - 1)
        assert torch.equal(each.noise, task.noise[:, :, each.segment.frames])


def test_a_segment_is_anchored_without_its_lead_frame():
    task, leads = video(), []
    for value in (0.0, 100.0):
        sample = Sampler()
        result, _ = replace(runner(task, anchor=1.0), add_lead=frame_before(value)).run(sample)
        leads.append((result, sample.tasks[1].probe.statistics.mean))
    torch.testing.assert_close(leads[0], leads[1])
    plain = Sampler()
    runner(task, anchor=1.0).run(plain)
    torch.testing.assert_close(leads[0][1], plain.tasks[1].probe.statistics.mean)


def test_another_lead_frame_redoes_the_segments_that_it_leads(tmp_path):
    done = []
    for value in (0.0, 0.0, 1.0):
        sample = Sampler()
        led = replace(runner(video()), add_lead=frame_before(value))
        led.run(sample, led.open_job(tmp_path, ["model"]))
        done.append([each.segment.index for each in sample.tasks])
    assert done == [[0, 1, 2], [], [1, 2]]


@pytest.mark.parametrize(
    ("first", "last", "backward"),
    [(1, 0, True), (1, 0.5, True), (1, 1, False), (0, 0, False), (0.5, 0, False), (0, 1, False)],
)
def test_a_video_is_generated_backwards_where_only_its_end_is_known(first, last, backward):
    mask = torch.ones(1, 1, FRAMES, 2, 2)
    mask[:, :, 0, 0], mask[:, :, -1, 0] = first, last
    assert is_backward(mask) == backward
