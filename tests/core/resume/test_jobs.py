"""A job that stops anywhere resumes to the same bits and trusts no damaged file."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from sora_core.errors import MediaError, WeightsError
from sora_core.resume.fingerprint import fingerprint
from sora_core.resume.jobs import JOB_MANIFEST, Job, jobs, read_manifest, remove, size_on_disk
from sora_core.sampling.inpaint import hold_known
from sora_core.sampling.noise import seeded_noise
from sora_core.sampling.samplers import euler
from sora_core.sampling.schedules import linear_sigmas
from sora_core.sampling.segments import SegmentSettings, generate_segments

FRAMES, LENGTH, HISTORY = 17, 5, 2
LINKS = 5
SHOTS = (0.5, -0.5)  # the prompt of each half of the video


class Killed(BaseException):
    """What nothing may catch."""


class Generation:
    """Generates a long latent by segments, cached in `root`; the `kill`-th step raises Killed."""

    def __init__(self, root, shots=SHOTS, seed=0, kill=None):
        self.root, self.shots, self.seed, self.kill = root, shots, seed, kill
        self.steps, self.finished, self.known = 0, [], []

    def prompts(self, link):
        half = torch.arange(FRAMES)[link.frames] < FRAMES // 2
        return torch.where(half, *self.shots)[:, None, None]

    def generate(self, link):
        def denoise(x, sigma):
            self.steps += 1
            if self.steps == self.kill:
                raise Killed
            return (x.roll(1, 2) + self.prompts(link)).sin()

        noise = seeded_noise(self.seed + link.index, (1, 2, link.known.shape[2], 4, 4))
        self.finished.append(link.index)
        return euler(hold_known(denoise, link.known, link.mask), noise, linear_sigmas(3))

    def __call__(self):
        job = Job(self.root, "way", fingerprint(self.shots, self.seed), "a test", self.seed, LINKS)

        def preserved(link):
            texts = (self.prompts(link), self.seed + link.index)
            key = fingerprint(texts, link.known, link.mask, link.reference, link.overlap)
            part, known = job.part(link.index, key, lambda _: {"latent": self.generate(link)})
            self.known += [link.index] * known
            return part["latent"]

        known, mask = torch.zeros(1, 2, FRAMES, 4, 4), torch.ones(1, 1, FRAMES, 4, 4)
        whole = generate_segments(preserved, known, mask, LENGTH, SegmentSettings(history=HISTORY))
        job.finish()
        return whole


def unbroken(tmp_path, **changed):
    return Generation(tmp_path / "unbroken", **changed)()


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(some.lists(some.integers(1, 3 * LINKS), min_size=1, max_size=4))
def test_killed_anywhere_and_again_it_ends_with_the_bits_of_an_unbroken_run(
    tmp_path_factory, kills
):
    folder = tmp_path_factory.mktemp("jobs")
    result = []
    for kill in kills:
        generation = Generation(folder / "killed", kill=kill)
        try:
            generation()
            result += generation.finished
        except Killed:
            result += generation.finished[:-1]
    last = Generation(folder / "killed")
    assert torch.equal(last(), unbroken(folder))
    assert sorted(result + last.finished) == list(range(LINKS))  # each part was made once


def test_a_later_shot_changed_redoes_only_later_parts(tmp_path):
    Generation(tmp_path)()
    changed = Generation(tmp_path, shots=(0.5, 0.25))
    assert torch.equal(changed(), unbroken(tmp_path, shots=(0.5, 0.25)))
    assert (changed.known, changed.finished) == ([0, 1], [2, 3, 4])


def test_what_makes_every_part_another_redoes_everything(tmp_path):
    for shared in ("one way", "another"):
        job = Job(tmp_path, shared, "key", "a test", 0, 1)
        assert job.part(0, "part", lambda _: {"x": torch.zeros(1)})[1] is False
    assert len(jobs(tmp_path)) == 2


def test_another_seed_redoes_everything(tmp_path):
    Generation(tmp_path)()
    changed = Generation(tmp_path, seed=1)
    changed()
    assert changed.known == []


def parts_of(folder):
    return sorted(folder.glob("*.safetensors"))


DAMAGE = {
    "cut off": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a bit flipped": lambda content: content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
    "something else": lambda content: b"not a latent",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_part_is_made_again(tmp_path, damage):
    whole = Generation(tmp_path)()
    (job,) = jobs(tmp_path)
    part = parts_of(job)[0]
    part.write_bytes(damage(part.read_bytes()))
    again = Generation(tmp_path)
    assert torch.equal(again(), whole)
    assert len(again.finished) == 1
    assert Generation(tmp_path)() is not None and len(parts_of(job)) == LINKS


def test_a_part_under_the_name_of_another_is_not_trusted(tmp_path):
    whole = Generation(tmp_path)()
    (job,) = jobs(tmp_path)
    first, second, *_ = parts_of(job)
    first.write_bytes(second.read_bytes())
    again = Generation(tmp_path)
    assert torch.equal(again(), whole)
    assert len(again.finished) == 1


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"what": 1}', "[" * 100_000, json.dumps({"done": []})]
)
def test_a_damaged_manifest_costs_nothing_but_what_it_says(tmp_path, content):
    whole = Generation(tmp_path)()
    (job,) = jobs(tmp_path)
    (job / JOB_MANIFEST).write_text(content)
    assert read_manifest(job) is None
    again = Generation(tmp_path)
    assert torch.equal(again(), whole)
    assert again.finished == []
    assert read_manifest(job).finished


def test_a_manifest_says_what_is_planned_and_what_is_done(tmp_path):
    generation = Generation(tmp_path, kill=7)  # within the third part
    with pytest.raises(Killed):
        generation()
    (job,) = jobs(tmp_path)
    manifest = read_manifest(job)
    assert (manifest.what, manifest.seed, manifest.total) == ("a test", 0, LINKS)
    assert sorted(manifest.done) == ["0", "1"] and not manifest.finished
    assert {name for name, _ in manifest.done.values()} == {part.name for part in parts_of(job)}


def test_a_job_that_is_removed_leaves_nothing(tmp_path):
    Generation(tmp_path)()
    Generation(tmp_path, seed=1)()
    gone, stays = jobs(tmp_path)
    (gone / ".half-0123456789abcdef.part.safetensors").write_bytes(b"half")
    assert size_on_disk(gone) > 0
    remove(gone)
    assert jobs(tmp_path) == [stays]
    assert not gone.exists()


def test_what_a_job_did_not_write_stays(tmp_path):
    Generation(tmp_path)()
    (job,) = jobs(tmp_path)
    (job / "mine.txt").write_text("mine")
    remove(job)
    assert [file.name for file in job.iterdir()] == ["mine.txt"]


def test_only_folders_of_jobs_are_listed(tmp_path):
    Generation(tmp_path)()
    (job,) = jobs(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / ("f" * 16)).write_text("a file")
    (tmp_path / ("e" * 16)).symlink_to(job, target_is_directory=True)
    assert jobs(tmp_path) == [job]
    assert jobs(tmp_path / "nowhere") == []


def test_a_disk_that_refuses_is_reported_and_leaves_no_half_part(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises((MediaError, WeightsError), match="space"):
        Generation(tmp_path)()
    assert [part for job in jobs(tmp_path) for part in job.iterdir()] == []
