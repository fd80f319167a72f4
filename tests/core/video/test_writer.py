"""A written video is exact in size, rate, length and notes, and is finished or not there."""

import errno
import operator
import os
import threading
import time
from fractions import Fraction
from itertools import pairwise

import av
import pytest
import torch

from sora_core.errors import MediaError
from sora_core.video import codecs, writer
from sora_core.video.audio import Audio
from sora_core.video.codecs import CODECS, QUALITIES, Codec, crf_for
from sora_core.video.container import frame_rate
from sora_core.video.probe import probe
from sora_core.video.writer import WAITING_FRAMES, write_video

RATES = [8, 12, 23.976, 24, 30, 60]
CODEC_FILES = [("h264", "mp4"), ("h265", "mp4"), ("av1", "mp4"), ("ffv1", "mkv"), ("h264", "mkv")]


class Stopped(BaseException):
    """What a host raises to cancel."""


def psnr(frames, truth):
    return 10 * torch.log10(255**2 / (frames.float() - truth.float()).square().mean())


def leftovers(path):
    return sorted(entry.name for entry in path.parent.iterdir())


def test_a_lossless_video_returns_every_byte(tmp_path, noise, read):
    frames = noise(7, 33, 47)
    path = write_video(tmp_path / "a.mkv", frames.split(3), 24, codec="ffv1")
    assert torch.equal(read(path), frames)


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_smooth_footage_keeps_35_decibels(tmp_path, smooth, read, codec):
    frames = smooth(17, 144, 192)
    path = write_video(tmp_path / "a.mp4", [frames], 24, codec=codec)
    assert psnr(read(path), frames) > 35


@pytest.mark.parametrize(("width", "height"), [(80, 64), (81, 64), (80, 65), (71, 93)])
@pytest.mark.parametrize(("codec", "suffix"), CODEC_FILES)
def test_every_size_comes_out_exactly(tmp_path, smooth, read, codec, suffix, width, height):
    path = write_video(tmp_path / f"a.{suffix}", [smooth(3, height, width)], 8, codec=codec)
    assert read(path).shape == (3, height, width, 3)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_every_rate_and_frame_count_comes_out_exactly(tmp_path, numbered, read, fps, suffix):
    path = write_video(tmp_path / f"a.{suffix}", numbered(49, 16, 16).split(8), fps)
    info = probe(path)
    assert (info.fps, info.frames, len(read(path))) == (frame_rate(fps), 49, 49)


def test_the_header_gives_the_length_to_the_frame(tmp_path, numbered):
    info = probe(write_video(tmp_path / "a.mp4", [numbered(49, 16, 16)], 23.976))
    assert info.seconds == pytest.approx(float(49 / Fraction(24000, 1001)), abs=1e-3)


def test_frames_keep_their_order(tmp_path, numbered, read):
    frames = numbered(40, 16, 16)
    written = read(write_video(tmp_path / "a.mp4", frames.split(1), 24))
    assert (written.int() - frames.int()).abs().max() <= 2


def test_common_spellings_of_television_rates_mean_the_exact_rate():
    spelled = [frame_rate(fps) for fps in (23.976, 23.98, 29.97, 59.94)]
    assert spelled == [Fraction(n * 1000, 1001) for n in (24, 24, 30, 60)]


COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 30, 90)]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("width", [32, 33])
def test_colours_come_back_within_three_levels(tmp_path, read, colour, width):
    frames = torch.tensor(colour, dtype=torch.uint8).expand(4, 32, width, 3)
    path = write_video(tmp_path / "a.mp4", [frames], 24)
    assert (read(path).int() - frames.int()).abs().max() <= 3


def test_files_name_their_colours(tmp_path, smooth):
    path = write_video(tmp_path / "a.mp4", [smooth(2, 32, 32)], 24)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        tags = context.color_range, context.colorspace, context.color_primaries, context.color_trc
    assert tags == (1, 1, 1, 1)


def test_a_browser_can_start_before_the_end_has_arrived(tmp_path, smooth):
    content = write_video(tmp_path / "a.mp4", [smooth(2, 32, 32)], 24).read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_notes_come_back(tmp_path, smooth):
    notes = {"workflow": '{"nodes": ["\u00e9\u4e2d"]}', "prompt": "x" * 100_000}
    path = write_video(tmp_path / "a.mp4", [smooth(2, 32, 32)], 24, metadata=notes)
    assert notes.items() <= dict(probe(path).metadata).items()


def test_a_lower_crf_is_closer_to_the_truth(tmp_path, noise, read):
    frames = noise(3, 64, 64)
    quality = [
        psnr(read(write_video(tmp_path / "a.mp4", [frames], 24, crf=crf)), frames)
        for crf in (40, 25, 10)
    ]
    assert quality == sorted(quality)


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_each_quality_is_about_twice_the_file_of_the_one_before(tmp_path, noise, codec):
    blocks = torch.nn.functional.interpolate(
        noise(12, 24, 24).permute(0, 3, 1, 2).float(), scale_factor=8, mode="bicubic"
    )
    frames = blocks.clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous()
    sizes = [
        write_video(tmp_path / "a.mp4", [frames], 24, codec=codec, crf=crf_for(codec, quality))
        .stat()
        .st_size
        for quality in QUALITIES
    ]
    assert all(1.4 < after / before < 2.6 for before, after in pairwise(sizes))


def test_sound_comes_along_and_ends_with_the_video(tmp_path, smooth):
    rate = 32_000
    tone = torch.sin(torch.arange(3 * rate) * 2 * torch.pi * 440 / rate).repeat(2, 1) / 2
    path = tmp_path / "a.mp4"
    write_video(path, [smooth(25, 32, 32)], 25, audio=Audio(tone, rate))
    with av.open(str(path)) as container:
        heard = [frame.to_ndarray() for frame in container.decode(audio=0)]
    samples = torch.cat([torch.from_numpy(part) for part in heard], dim=1)
    assert samples.shape[0] == 2
    assert abs(samples.shape[1] - rate) <= 2048  # whole AAC frames of 1024
    spectrum = torch.fft.rfft(samples[0]).abs()
    assert spectrum.argmax() * rate / samples.shape[1] == pytest.approx(440, abs=2)


@pytest.mark.parametrize("error", [RuntimeError, Stopped, OSError])
@pytest.mark.parametrize("result", [0, 1, 3, 30])
def test_what_the_producer_raises_passes_through_and_no_file_is_left(
    tmp_path, smooth, error, result
):
    def produce():
        yield from smooth(result, 16, 16).split(1)
        raise error("stop")

    with pytest.raises(error, match="stop"):
        write_video(tmp_path / "a.mp4", produce(), 24)
    assert leftovers(tmp_path / "a.mp4") == []


@pytest.mark.parametrize("stop_at", [1, 2, 9, 20])
def test_stopping_at_a_frame_takes_no_further_one_and_leaves_the_old_file(
    tmp_path, smooth, stop_at
):
    path, taken = tmp_path / "a.mp4", []
    path.write_bytes(b"old")

    def produce():
        for chunk in smooth(20, 16, 16).split(1):
            taken.append(chunk)
            yield chunk

    def stop(count):
        if count == stop_at:
            raise Stopped

    with pytest.raises(Stopped):
        write_video(path, produce(), 24, on_frame=stop)
    assert (len(taken), leftovers(path), path.read_bytes()) == (stop_at, ["a.mp4"], b"old")


def test_frames_are_counted_one_by_one(tmp_path, smooth):
    counts = []
    write_video(tmp_path / "a.mp4", smooth(11, 16, 16).split(4), 24, on_frame=counts.append)
    assert counts == list(range(1, 12))


def test_frames_are_taken_at_most_a_few_ahead_of_the_encoder(tmp_path, smooth, monkeypatch):
    encoded, ahead = [], []
    add = writer._Encoder.add
    monkeypatch.setattr(
        writer._Encoder, "add", lambda self, frame: (add(self, frame), encoded.append(frame))
    )

    def produce():
        for taken, chunk in enumerate(smooth(60, 64, 64).split(1)):
            ahead.append(taken - len(encoded))
            yield chunk

    write_video(tmp_path / "a.mp4", produce(), 24)
    assert max(ahead) <= WAITING_FRAMES


def test_encoding_happens_while_frames_are_made(tmp_path, smooth, monkeypatch):
    threads = set()
    add = writer._Encoder.add

    def noted(self, frame):
        threads.add(threading.get_ident())
        add(self, frame)

    monkeypatch.setattr(writer._Encoder, "add", noted)
    write_video(tmp_path / "a.mp4", smooth(9, 16, 16).split(1), 24)
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts what Linux lists")
@pytest.mark.parametrize("fails", [False, True])
def test_no_thread_and_no_open_file_outlives_the_call(tmp_path, smooth, fails):
    def produce():
        yield smooth(12, 16, 16)
        if fails:
            raise Stopped

    write_video(tmp_path / "first.mp4", [smooth(1, 16, 16)], 24)
    before = _held()
    for _ in range(3):
        try:
            write_video(tmp_path / "a.mp4", produce(), 24)
        except Stopped:
            assert fails
    deadline = time.monotonic() + 2  # the system lists a thread for a moment after it has ended
    while max(map(operator.sub, _held(), before)) > 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert max(map(operator.sub, _held(), before)) <= 0


def _held():
    """Threads of Python, threads of the process, open files."""
    folders = "/proc/self/task", "/proc/self/fd"
    return threading.active_count(), *(len(os.listdir(folder)) for folder in folders)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_last_moment_leaves_the_old_file(
    tmp_path, smooth, monkeypatch, call
):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(MediaError, match="No space left"):
        write_video(path, [smooth(2, 16, 16)], 24)
    assert (leftovers(path), path.read_bytes()) == (["a.mp4"], b"old")


def test_a_missing_folder_is_named_before_any_frame_is_made(tmp_path):
    def produce():
        raise AssertionError("frames were asked for")
        yield

    with pytest.raises(MediaError, match=r"'a\.mp4': cannot be written: No such file"):
        write_video(tmp_path / "missing" / "a.mp4", produce(), 24)


REFUSED = [
    ({"fps": 0}, "fps 0.0"),
    ({"fps": float("nan")}, "fps nan"),
    ({"fps": 1e9}, "at most 240"),
    ({"fps": 1e-9}, "at least"),
    ({"codec": "divx"}, "choose one of h264"),
    ({"codec": "ffv1"}, "ffv1 fits into no .mp4: use .mkv"),
    ({"crf": 99}, "choose 0 to 51"),
    ({"chunks": []}, "at least one"),
    ({"chunks": [torch.zeros(1, 16, 16, 3)]}, "give uint8"),
    ({"chunks": [torch.zeros(1, 16, 16, 4, dtype=torch.uint8)]}, "give uint8"),
    ({"chunks": [torch.zeros(1, 16, n, 3, dtype=torch.uint8) for n in (16, 18)]}, "16x16 to 18x16"),
    ({"chunks": [torch.zeros(1, 1, 9000, 3, dtype=torch.uint8)]}, "9000x1 is too large"),
]


@pytest.mark.parametrize(("change", "sentence"), REFUSED)
def test_a_bad_request_is_refused_in_a_sentence_and_leaves_nothing(tmp_path, change, sentence):
    arguments = {"chunks": [torch.zeros(1, 16, 16, 3, dtype=torch.uint8)], "fps": 24} | change
    with pytest.raises(MediaError) as refused:
        write_video(tmp_path / "a.mp4", **arguments)
    assert sentence in str(refused.value)
    assert len(str(refused.value)) <= 200
    assert leftovers(tmp_path / "a.mp4") == []


def test_a_codec_that_this_build_lacks_is_refused_with_another_named(tmp_path, monkeypatch, smooth):
    missing = {**CODECS, "h265": Codec(encoder="no", pixels="yuv420p", odd="", crf=1)}
    monkeypatch.setattr(codecs, "CODECS", missing)
    with pytest.raises(MediaError, match="choose h264"):
        write_video(tmp_path / "a.mp4", [smooth(1, 16, 16)], 24, codec="h265")


@pytest.mark.parametrize(("codec", "side"), [("h265", 64), ("av1", 64)])
def test_sizes_below_what_an_encoder_takes_are_refused_with_another_named(
    tmp_path, smooth, codec, side
):
    write_video(tmp_path / "a.mp4", [smooth(1, side, side)], 24, codec=codec)
    with pytest.raises(MediaError, match="or h264"):
        write_video(tmp_path / "b.mp4", [smooth(1, side, side - 1)], 24, codec=codec)
    assert leftovers(tmp_path / "a.mp4") == ["a.mp4"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_h265_takes_any_number_of_frames_every_time(tmp_path, smooth, read, count):
    for i in range(12):
        path = write_video(tmp_path / f"{i}.mp4", [smooth(count, 64, 64)], 24, codec="h265")
        assert len(read(path)) == count


def test_the_usual_codec_takes_a_single_pixel(tmp_path, smooth, read):
    path = write_video(tmp_path / "a.mp4", [smooth(3, 1, 1)], 24)
    assert read(path).shape == (3, 1, 1, 3)


def test_sound_of_a_strange_shape_is_refused():
    with pytest.raises(MediaError, match="2 or 6 channels"):
        Audio(torch.zeros(3, 100), 48_000)
