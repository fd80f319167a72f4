"""Recordings that begin or end anywhere, with reordered frames, gaps, or both kinds of frames."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from sora_core.errors import MediaError
from sora_core.video.probe import duration_of, probe
from sora_core.video.reader import read_times
from tests.support.films import film, whole

MS = Fraction(1, 1000)
EXACT = {"crf": "1", "bf": "2", "g": "12"}


def rising(i):
    return 3 * i + 20


@pytest.mark.parametrize(("suffix", "codec", "packet"), [
    ("ts", "libx264", 188), ("m2ts", "libx264", 192), ("ts", "mpeg2video", 188),
])  # fmt: skip
@pytest.mark.parametrize("share", [0.1, 0.25, 0.4])
def test_a_recording_that_begins_between_key_frames_has_a_time_for_each_of_its_frames(
    tmp_path, suffix, codec, packet, share
):
    encoder = EXACT if codec == "libx264" else {"g": "12", "bf": "2", "b": "4M"}
    path = film(tmp_path / f"a.{suffix}", codec, count=60, encoder=encoder, level=rising)
    content = path.read_bytes()
    begin = int(len(content) * share) // packet * packet
    path.write_bytes(content[begin:])
    frames, times = whole(path), read_times(path)
    assert 12 < len(frames) == len(times) < 60
    assert times == sorted(times)
    assert float(times[-1] - times[0]) == pytest.approx((len(times) - 1) / 25)
    levels = frames[:, 24, 32].float().mean(1)
    assert levels[-1] == pytest.approx(rising(59), abs=4)
    at_rate = whole(path, fps=25)
    assert torch.equal(at_rate[-len(frames) :], frames)  # the end is where it was


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_reordered_frames_of_an_avi_have_the_times_of_their_display(tmp_path, codec):
    encoder = {"bf": "3", "g": "20"} | ({"crf": "1"} if codec == "libx264" else {"q": "2"})
    path = film(tmp_path / "a.avi", codec, count=60, encoder=encoder, level=rising)
    sentences = []
    frames = whole(path, on_damage=sentences.append)
    assert (len(frames), sentences) == (60, [])
    assert torch.equal(whole(path, fps=25), frames)
    assert torch.equal(whole(path, start=1, fps=25), frames[25:])
    assert [float(time) for time in read_times(path)] == pytest.approx([i / 25 for i in range(60)])


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "libx264"), ("webm", "libvpx")])
def test_a_gap_is_no_damage_and_a_missing_end_is(tmp_path, suffix, codec):
    times = [*range(0, 400, 40), *range(2000, 2400, 40)]
    path = tmp_path / f"a.{suffix}"
    film(path, codec, count=20, times=times, base=MS, options={"cluster_time_limit": "200"})
    sentences = []
    assert len(whole(path, on_damage=sentences.append)) == 20
    assert sentences == []
    assert float(duration_of(path)) == pytest.approx(2.4, abs=0.05)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.85)])
    whole(path, on_damage=sentences.append)
    assert any("the header promises 2.40 s" in sentence for sentence in sentences)


def test_footage_that_is_interlaced_only_later_is_deinterlaced(tmp_path):
    path = tmp_path / "a.ts"
    parts = [
        mpeg2(tmp_path / "b.ts", range(12), interlaced=False),
        mpeg2(tmp_path / "c.ts", range(12, 24), interlaced=True),
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with av.open(str(path)) as container:
        flags = [frame.interlaced_frame for frame in container.decode(video=0)]
    assert not any(flags[:11]) and all(flags[13:]) and len(flags) > 20
    combed_rows = combs(whole(path))
    assert len(combed_rows) == len(flags)
    assert combed_rows[13:].max() < 3 < combed_rows[:11].min()  # as they are flagged


def mpeg2(path, numbers, *, interlaced):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"g": "1", "q": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.bit_rate = 4_000_000
        stream.time_base = stream.codec_context.time_base = Fraction(1, 25)
        if interlaced:
            stream.codec_context.flags |= 0x40000 | 0x20000000
        for i in numbers:
            frame = combed(i % 12).reformat(format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def combed(i):
    """A white block that is 4 pixels farther in the second field."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[::2, 4 * i : 4 * i + 16] = 255
    picture[1::2, 4 * i + 4 : 4 * i + 20] = 255
    return av.VideoFrame.from_ndarray(picture)


def combs(frames):
    """How much more rows differ from their neighbours than from the next but one, a frame."""
    rows = frames.float().mean(-1)
    near = (rows[:, 1:] - rows[:, :-1]).abs().mean((1, 2))
    far = (rows[:, 2:] - rows[:, :-2]).abs().mean((1, 2))
    return near - far


INTERLACED = {
    ("avi", "libx264"): {"crf": "1", "bf": "0", "g": "12", "x264-params": "tff=1"},
    ("avi", "libx264 reordered"): {"crf": "1", "bf": "2", "g": "12", "x264-params": "bff=1"},
    ("mkv", "libx264"): {"crf": "1", "bf": "2", "g": "12", "x264-params": "tff=1"},
    ("ts", "libx264"): {"crf": "1", "bf": "2", "g": "12", "x264-params": "tff=1"},
}


@pytest.mark.parametrize(("suffix", "codec"), INTERLACED)
def test_a_part_of_interlaced_footage_is_that_part_of_the_whole(tmp_path, suffix, codec):
    encoder = INTERLACED[suffix, codec]
    path = film(tmp_path / f"a.{suffix}", codec.split()[0], count=60, encoder=encoder, level=rising)
    assert any("interlaced" in note for note in probe(path).notes)
    frames = whole(path)
    assert len(frames) == 60
    for fps in (None, 25):
        part = whole(path, start=1.2, seconds=0.4, fps=fps)
        assert torch.equal(part, frames[30:40])


@pytest.mark.parametrize(("suffix", "codec"), [("ts", "mpeg2video"), ("mpg", "mpeg2video"),
                                               ("mp4", "libx264"), ("mkv", "libx264")])  # fmt: skip
def test_a_recording_of_one_frame_begins_at_0_and_lasts_one_frame(tmp_path, suffix, codec):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3))  # else too short to be known
    path = film(tmp_path / f"a.{suffix}", codec, count=1, encoder={}, level=lambda i: noise,
                width=320, height=240)  # fmt: skip
    assert read_times(path) == [0]
    assert duration_of(path) == pytest.approx(1 / 25, abs=0.001)
    assert len(whole(path, fps=25)) == 1
    with pytest.raises(MediaError, match="no frame at"):
        whole(path, start=0.5)


def test_frames_without_any_time_have_no_length(tmp_path):
    before = range(-2000, -1000, 100)  # FFmpeg drops such times
    path = film(tmp_path / "a.mkv", count=10, times=before, base=MS, encoder={"bf": "0"},
                options={"avoid_negative_ts": "disabled"})  # fmt: skip
    with pytest.raises(MediaError, match="its frames have no times"):
        duration_of(path)


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("order", [(1, 20), (20, 1)])
def test_a_track_of_one_frame_beside_a_longer_one_is_its_cover(tmp_path, suffix, order):
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("libx264", rate=10) for _ in order]
        for track, count in zip(tracks, order, strict=True):
            track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
            for _ in range(count):
                grey = np.full((48, 64, 3), 200 if count == 1 else 50, np.uint8)
                container.mux(track.encode(av.VideoFrame.from_ndarray(grey)))
        for track in tracks:
            container.mux(track.encode())
    frames = whole(path)
    assert len(frames) == 20 and abs(int(frames[0, 20, 20, 0]) - 50) < 4
    assert duration_of(path) == 2
