"""Bad media and bad disks end in a sentence (reliability figures 1, 2, 9 and 10)."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest
import torch

from sora_core.errors import MediaError
from sora_core.video.writer import write_video
from tests.hostile.media_corpus import make_corpus

pytestmark = pytest.mark.slow

resource = pytest.importorskip("resource", reason="limits on processes are a matter of Unix")

ROOT = Path(__file__).parents[2]
FILES = int(os.environ.get("SORA_MEDIA_FILES", "200"))
STEP = 2048


def trial(task, *arguments):
    """The reports of `media_trial`, one for each thing it was asked for."""
    command = [sys.executable, "-m", "tests.hostile.media_trial", task, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """What became of each file of the corpus."""
    files = make_corpus(tmp_path_factory.mktemp("corpus"), FILES)
    reports = dict(zip((path.name for path in files), trial("read", *files), strict=True))
    ends = Counter(report["end"] for report in reports.values())
    slowest = max(report["seconds"] for report in reports.values())
    print(f"bad media: {len(reports)} files, {dict(ends)}, slowest {slowest:.2f} s")
    return reports


def named(reports, *prefixes):
    return {name: report for name, report in reports.items() if name.startswith(prefixes)}


def test_every_bad_file_ends_in_frames_or_a_sentence(reports):
    bad = {n: r for n, r in reports.items() if r["end"] not in ("frames", "typed")}
    assert len(reports) >= FILES
    assert bad == {}


def test_every_sentence_is_short_and_plain(reports):
    sentences = [report["message"] for report in reports.values() if report["end"] == "typed"]
    assert all(len(sentence) <= 200 and sentence.isprintable() for sentence in sentences)


def test_unusual_but_whole_files_give_frames_and_no_warning(reports):
    whole = named(reports, "whole_")
    assert {n: r for n, r in whole.items() if r["end"] != "frames" or r["warnings"]} == {}


def test_what_is_no_video_gives_no_frame(reports):
    assert {n for n, r in named(reports, "other_").items() if r["end"] != "typed"} == set()


def test_damage_that_still_decodes_is_reported_in_part(reports):
    damaged = named(reports, "cut_", "flipped_", "lying_")
    decoded = [report for report in damaged.values() if report["end"] == "frames"]
    warned = sum(bool(report["warnings"]) for report in decoded)
    print(f"silent damage: {len(decoded)} of {len(damaged)} damaged files decode, {warned} warn")
    assert warned > 0


def test_a_list_of_files_is_not_followed_though_the_library_would(tmp_path):
    victim = write_video(tmp_path / "a.mp4", [torch.zeros(2, 16, 16, 3, dtype=torch.uint8)], 24)
    bait = tmp_path / "bait.mp4"
    bait.write_text(f"ffconcat version 1.0\nfile {victim.name}\n")
    with av.open(str(bait)) as container:
        assert len(list(container.decode(video=0))) == 2
    (report,) = trial("read", bait)
    assert (report["end"], report["frames"]) == ("typed", 0)


@contextmanager
def disk_full_after(size: int) -> Iterator[None]:
    """A block in which no file can grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def noise():
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (12, 64, 64, 3), dtype=torch.uint8, generator=random)


@pytest.mark.parametrize(("codec", "suffix"), [("h264", "mp4"), ("ffv1", "mkv")])
def test_a_disk_that_fills_up_at_any_byte_leaves_the_old_file(tmp_path, noise, codec, suffix):
    path = tmp_path / f"a.{suffix}"
    needed = write_video(path, [noise], 24, codec=codec).stat().st_size
    path.write_bytes(b"old")
    limits = [0, 1, *range(STEP, needed, STEP), needed - 1]
    for limit in limits:
        with disk_full_after(limit), pytest.raises(MediaError) as refused:
            write_video(path, noise.split(1), 24, codec=codec)
        assert len(str(refused.value)) <= 200
        assert os.listdir(tmp_path) == [path.name]
        assert path.read_bytes() == b"old"
    with disk_full_after(needed):
        write_video(path, noise.split(1), 24, codec=codec)
    print(f"full disk, {codec}: {len(limits)} of {len(limits)} sizes typed, the old file intact")


def test_memory_does_not_grow_with_the_length_of_the_video(tmp_path):
    short, long = trial("memory", tmp_path, 10, 600)
    growth = long["memory"] / short["memory"] - 1
    print(f"streaming memory: 10 s {short['memory']:.0f} MiB, 10 min {long['memory']:.0f} MiB")
    assert (short["frames"], long["frames"]) == (80, 4800)
    assert growth <= 0.10


def test_damaged_files_of_every_format_are_not_lost():
    """20,000 by `python -m tests.hostile.media_havoc`; here a few of each kind."""
    command = [sys.executable, "-m", "tests.hostile.media_havoc", "--count", str(FILES)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert "lost = 0" in done.stdout
