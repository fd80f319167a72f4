"""What a part of a long file costs does not depend on how long the file is."""

import pytest
import torch

from sora_core.canvas.canvas import Canvas, Placement
from sora_core.canvas.encode import encode_canvas
from sora_core.models.chunked_codec import encode_chunks
from sora_core.video import probe, reader
from sora_core.video.probe import duration_of
from sora_core.video.reader import read_frames
from sora_core.video.writer import write_video
from tests.support.tiny import tiny_autoencoder
from tools.bench.reading import joined
from tools.bench.resident import Resident

TIMES = 60
MEGABYTES = 8  # a file 60 times as long has an index of so many more frames


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Ten seconds, and ten minutes of the same."""
    folder = tmp_path_factory.mktemp("long")
    noise = torch.randint(0, 256, (240, 64, 64, 3), generator=torch.Generator().manual_seed(0))
    short = write_video(folder / "short.mp4", [noise.to(torch.uint8)], 24)
    return short, joined(short, folder / "long.mp4", TIMES)


def test_the_longer_file_is_longer(files):
    short, long = map(duration_of, files)
    assert long == TIMES * short


def test_its_last_second_is_that_of_the_short_one(files):
    short, long = (
        torch.cat(list(read_frames(path, start=float(duration_of(path)) - 1))) for path in files
    )
    assert torch.equal(short, long)


def test_no_more_frames_are_decoded_of_a_longer_file(files, monkeypatch):
    def decoded(path):
        count = 0

        def counted(*arguments):
            nonlocal count
            for frame in frames(*arguments):
                count += 1
                yield frame

        frames = probe.first_decoded
        with monkeypatch.context() as patch:
            patch.setattr(reader, "first_decoded", counted)
            encoded(path)
        return count

    short, long = map(decoded, files)
    assert 0 < long <= short


def test_no_more_memory_is_taken_by_a_longer_file(files):
    def growth(path):
        before = Resident.read().now
        Resident.forget_peak()
        encoded(path)
        return Resident.read().peak - before

    encoded(files[0])
    short, long = map(growth, files)
    assert long < short + MEGABYTES


def encoded(path):
    """Half a second from eleven twelfths of a file on, on a small canvas."""
    placement = Placement(
        source=path, skip=float(duration_of(path)) * 11 / 12, seconds=0.5, fit="crop"
    )
    canvas = Canvas(width=32, height=32, seconds=2.0).place(placement)
    autoencoder = tiny_autoencoder().requires_grad_(False)
    return encode_canvas(canvas, lambda chunks: encode_chunks(autoencoder, chunks), 16)
