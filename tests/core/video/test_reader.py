"""What is read is what was written: in part, at other rates and sizes, turned, uneven in time."""

import threading
from fractions import Fraction

import av
import pytest
import torch

from sora_core.errors import MediaError
from sora_core.video.frames import resize
from sora_core.video.probe import probe
from sora_core.video.reader import CHUNK_FRAMES, read_frames
from sora_core.video.writer import write_video

FRAMES, FPS = 300, 24
FILES = [("h264", "mp4"), ("h265", "mp4"), ("av1", "mp4"), ("h264", "mkv"), ("ffv1", "mkv")]


@pytest.fixture
def film(tmp_path, numbered):
    return write_video(tmp_path / "film.mp4", [numbered(FRAMES, 16, 16)], FPS)


def encoded(path, frames, times, *, rotation=0):
    """A file whose frame i appears at times[i] / 1000 s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for frame, time in zip(frames, times, strict=True):
            picture = av.VideoFrame.from_ndarray(frame.contiguous().numpy())
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def greys(frames):
    """The number of each frame, up to 36, of the `numbered` clip."""
    return [round(level / 7) for level in frames[:, 8, 8, 0].tolist()]


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "suffix"), FILES)
@pytest.mark.parametrize("rate", [None, FPS])
def test_reading_from_any_frame_is_the_rest_of_the_whole(
    tmp_path, numbered, read, codec, suffix, rate
):
    frames = numbered(FRAMES, 64, 64)
    path = write_video(tmp_path / f"a.{suffix}", [frames], FPS, codec=codec)
    whole = read(path)
    for first in (0, 1, 3, 160, 161, 249, 250, 251, 299):  # x265's second key frame is at 250
        assert torch.equal(read(path, start=first / FPS, fps=rate), whole[first:])


@pytest.mark.parametrize("rate", [None, 8, 24, 30])
def test_a_part_is_a_prefix_of_the_whole(film, read, rate):
    whole = read(film, fps=rate)
    part = read(film, fps=rate, seconds=2.5)
    assert len(part) == 2.5 * (rate or FPS)
    assert torch.equal(part, whole[: len(part)])


@pytest.mark.parametrize("rate", [8, 12, 23.976, 24, 25, 30, 60])
def test_another_rate_keeps_the_duration(film, read, rate):
    assert len(read(film, fps=rate)) == round(FRAMES / FPS * rate)


def test_half_the_rate_takes_every_second_frame(film, read):
    assert torch.equal(read(film, fps=12), read(film)[::2])


def test_twice_the_rate_shows_every_frame_twice(film, read):
    whole = read(film)
    doubled = read(film, fps=48)
    assert torch.equal(doubled[::2], whole)
    assert torch.equal(doubled[1::2], whole)


@pytest.mark.parametrize("rate", [8, 23.976, 24, 60])
def test_the_rate_of_the_file_itself_changes_nothing(tmp_path, numbered, read, rate):
    for suffix in ("mp4", "mkv"):  # mkv rounds its time stamps to milliseconds
        path = write_video(tmp_path / f"a.{suffix}", [numbered(50, 16, 16)], rate)
        assert torch.equal(read(path, fps=rate), read(path))


def test_uneven_frames_are_shown_when_their_time_comes(tmp_path, numbered, read):
    path = encoded(tmp_path / "a.mkv", numbered(6, 16, 16), [0, 100, 200, 700, 800, 900])
    displayed = greys(read(path, fps=10))
    assert displayed[:9] == [0, 1, 2, 2, 2, 3, 3, 3, 4]  # 0.5 s and 0.6 s lie nearer to 0.7 s


def test_uneven_frames_come_once_each_without_a_rate(tmp_path, numbered, read):
    path = encoded(tmp_path / "a.mkv", numbered(5, 16, 16), [0, 100, 200, 700, 800])
    assert greys(read(path)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("start", [0, 0.1, 0.6, 1.9])
@pytest.mark.parametrize("rate", [None, 10])
def test_a_part_shorter_than_a_frame_is_one_frame(tmp_path, numbered, read, start, rate):
    path = write_video(tmp_path / "a.mp4", [numbered(2, 16, 16)], 1)
    assert len(read(path, start=start, seconds=0.1, fps=rate)) == 1


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_turned_videos_are_read_upright(tmp_path, read, rotation):
    lying = torch.zeros(3, 16, 32, 3, dtype=torch.uint8)
    lying[:, :8, :8] = 255
    path = encoded(tmp_path / "a.mp4", lying, [0, 40, 80], rotation=rotation)
    upright = torch.rot90(lying, rotation // 90, dims=(1, 2))  # counterclockwise
    displayed, info = read(path), probe(path)
    assert (info.height, info.width) == displayed.shape[1:3] == upright.shape[1:3]
    assert (displayed.int() - upright.int()).abs().float().mean() < 8


def test_resizing_while_reading_is_resizing_what_was_read(tmp_path, smooth, read):
    path = write_video(tmp_path / "a.mp4", [smooth(5, 48, 64)], 24)
    assert torch.equal(read(path, size=(31, 17)), resize(read(path), 31, 17))


def test_chunks_are_small_and_only_made_when_asked_for(film):
    observed = []
    chunks = read_frames(film, on_frame=observed.append)
    assert len(next(chunks)) == len(observed) == CHUNK_FRAMES
    assert max(len(chunk) for chunk in chunks) <= CHUNK_FRAMES
    assert observed == list(range(1, FRAMES + 1))


def test_large_frames_come_in_smaller_chunks(film):
    assert len(next(read_frames(film, size=(2048, 1024)))) == 2


def test_stopping_half_way_ends_the_decoder(film):
    before = threading.active_count()
    chunks = read_frames(film)
    next(chunks)
    chunks.close()
    assert threading.active_count() == before
    assert list(chunks) == []


def test_what_on_frame_raises_passes_through(film):
    def stop(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(read_frames(film, on_frame=stop))


def test_an_open_file_reads_like_its_path(film, read):
    with film.open("rb") as file:
        assert torch.equal(read(file), read(film))
    with film.open("rb") as file:
        assert probe(file) == probe(film)


def test_a_probe_knows_the_file(tmp_path, smooth):
    path = write_video(tmp_path / "a.mkv", [smooth(50, 32, 48)], 25)
    info = probe(path)
    assert (info.width, info.height, info.fps, info.frames) == (48, 32, 25, 50)
    assert (info.seconds, info.rotation, info.has_audio, info.codec) == (2.0, 0, False, "h264")


def test_a_file_that_keeps_its_promises_is_not_called_damaged(film, read):
    sentences = []
    read(film, on_damage=sentences.append)
    assert sentences == []


def test_a_file_cut_short_is_called_damaged_or_refused(film, read):
    content = film.read_bytes()
    film.write_bytes(content[: len(content) * 3 // 4])  # its index, in front, is whole
    sentences = []
    try:
        read(film, on_damage=sentences.append)
    except MediaError as error:
        sentences.append(str(error))
    assert len(sentences) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"start": 99}, "no frame at 99 s; it lasts 12.50 s"),
        ({"start": -1}, "start -1"),
        ({"seconds": float("inf")}, "seconds inf"),
        ({"fps": 0}, "fps 0"),
    ],
)
def test_a_part_that_is_not_there_is_refused_in_a_sentence(film, read, options, sentence):
    with pytest.raises(MediaError, match=sentence):
        read(film, **options)
