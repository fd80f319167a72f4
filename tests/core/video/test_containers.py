"""The metadata of a container is followed, and only listed decoders are reached."""

import random
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from av.codec.codec import UnknownCodecError

from sora_core.errors import MediaError
from sora_core.video import decoders
from sora_core.video.container import packets
from sora_core.video.probe import duration_of, probe
from sora_core.video.reader import read_alpha, read_frames, read_times
from sora_core.video.writer import write_video
from tests.support.films import film, whole

MS = Fraction(1, 1000)


@pytest.mark.parametrize(("suffix", "codec", "pixels"), [
    ("avi", "mjpeg", "yuvj420p"), ("avi", "mpeg4", "yuv420p"), ("ts", "libx264", "yuv420p"),
    ("m2ts", "libx264", "yuv420p"), ("flv", "libx264", "yuv420p"), ("flv", "flv", "yuv420p"),
    ("mpg", "mpeg2video", "yuv420p"), ("mpg", "mpeg1video", "yuv420p"),
])  # fmt: skip
def test_files_of_cameras_tuners_and_capture_are_read(tmp_path, suffix, codec, pixels):
    path = film(tmp_path / f"a.{suffix}", codec, pixels=pixels)
    sentences = []
    frames = whole(path, on_damage=sentences.append)
    assert len(frames) == 25 and sentences == []
    assert probe(path).fps == 25
    assert float(duration_of(path)) == pytest.approx(1, abs=0.05)
    greys = frames[:, 24, 32].float().mean(1)
    assert greys.tolist() == pytest.approx([8 * i for i in range(25)], abs=6)
    part = whole(path, start=0.4, seconds=0.2, fps=25)
    assert len(part) == 5
    assert part[:, 24, 32].float().mean(1).tolist() == pytest.approx(greys[10:15].tolist(), abs=3)


@pytest.mark.parametrize("suffix", ["asf", "nut", "rm", "ogv"])
def test_a_format_that_is_not_read_is_answered_with_those_that_are(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    try:
        film(path, {"rm": "rv10", "ogv": "libvpx"}.get(suffix, "mpeg4"))
    except (ValueError, av.FFmpegError) as problem:
        pytest.skip(f"this FFmpeg cannot write it: {problem}")
    with pytest.raises(MediaError, match=r"mp4.*mkv"):
        probe(path)


def test_a_recording_of_a_browser_has_the_rate_of_its_stamps(tmp_path):
    steps = random.Random(1)
    times = [0]
    for _ in range(89):
        times.append(times[-1] + steps.choice([28, 31, 33, 34, 36, 38]))
    path = tmp_path / "a.webm"
    film(path, "libvpx", count=90, times=times, base=MS, rate=30, options={"live": "1"})
    content = bytearray(path.read_bytes())
    at = content.find(b"\x23\xe3\x83")  # DefaultDuration
    length = 4 + (content[at + 3] & 0x7F)
    content[at], content[at + 1] = 0xEC, 0x80 | length - 2  # becomes Void
    path.write_bytes(content)
    info = probe(path)
    assert abs(info.fps - 30) <= 1
    assert float(duration_of(path)) == pytest.approx(times[-1] / 1000 + 1 / 30, abs=0.05)
    frames = whole(path, fps=30)
    assert len(frames) == pytest.approx(30 * (times[-1] / 1000 + 1 / 30), abs=2)


def test_a_pause_does_not_set_the_rate_of_a_gif(tmp_path):
    times = [0, 10, 20, 30, 40, 50, 250, 260, 270, 280, 290]
    path = film(tmp_path / "a.gif", "gif", count=11, times=times, base=Fraction(1, 100),
                rate=100, pixels="rgb8")  # fmt: skip
    assert probe(path).fps == 10
    each, preserved = whole(path)[:, 24, 32], whole(path, fps=10)[:, 24, 32]
    assert len(preserved) == 30
    displayed = [round(time / 10) for time in times]
    assert torch.equal(preserved[displayed], each)


@pytest.mark.parametrize("begin", [100, 50_000])
@pytest.mark.parametrize("suffix", ["mkv", "ts", "flv"])
def test_a_clock_that_does_not_begin_at_0_changes_nothing(tmp_path, begin, suffix):
    base = MS if suffix == "flv" else Fraction(1, 25)
    times = [(begin * 25 + i) * Fraction(1, 25) / base for i in range(75)]
    path = tmp_path / f"a.{suffix}"
    film(path, count=75, times=[int(time) for time in times], base=base)
    info, sentences = probe(path), []
    frames = whole(path, on_damage=sentences.append)
    assert (len(frames), sentences) == (75, [])
    assert info.seconds == pytest.approx(3, abs=0.1)
    assert float(duration_of(path)) == pytest.approx(3, abs=0.05)
    assert torch.equal(whole(path, start=1, fps=25), frames[25:])


def test_an_edit_list_is_no_damage(tmp_path):
    path = film(tmp_path / "a.mp4", count=72, rate=24)
    content = bytearray(path.read_bytes())
    at = content.index(b"elst") + 12
    duration, begin = struct.unpack_from(">Ii", content, at)
    scale = struct.unpack_from(">I", content, content.index(b"mdhd") + 16)[0]
    movie = struct.unpack_from(">I", content, content.index(b"mvhd") + 16)[0]
    struct.pack_into(">Ii", content, at, duration - movie, begin + scale)  # the first second is cut
    path.write_bytes(content)
    sentences = []
    frames = whole(path, on_damage=sentences.append)
    assert (probe(path).frames, len(frames), sentences) == (48, 48, [])
    assert len(read_times(path)) == 48


@pytest.mark.parametrize(("aspect", "size"), [
    (Fraction(16, 11), (93, 48)), (Fraction(1, 2), (64, 96)), (Fraction(1, 1), (64, 48)),
    (Fraction(40, 1), (64, 48)),
])  # fmt: skip
def test_pixels_that_are_not_square_are_made_so(tmp_path, aspect, size):
    path = film(tmp_path / "a.mp4", aspect=aspect)
    info = probe(path)
    assert (info.width, info.height) == size
    assert next(read_frames(path)).shape[1:3] == size[::-1]


def test_the_default_stream_is_read_and_not_the_first(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=24) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        streams[0].disposition, streams[1].disposition = 0, av.stream.Disposition.default
        for stream, grey in zip(streams, (40, 200), strict=True):
            for _ in range(5):
                picture = np.full((48, 64, 3), grey, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            container.mux(stream.encode())
    assert whole(path).float().mean() == pytest.approx(200, abs=2)
    assert any("more than one" in note for note in probe(path).notes)


def test_attachments_are_no_streams_to_be_counted(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(40):
            container.add_attachment(f"{i}.ttf", "application/x-truetype-font", b"font")
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode())
    assert len(whole(path)) == 1


def test_only_listed_decoders_are_reached(tmp_path):
    reached = set()
    for name in sorted(av.codecs_available):
        try:
            codec = av.Codec(name, "w")
        except UnknownCodecError:
            continue
        if codec.type != "video":
            continue
        pixels = codec.video_formats[0].name if codec.video_formats else "yuv420p"
        for suffix in ("mkv", "mov"):
            path = tmp_path / f"{name}.{suffix}"
            try:
                film(path, name, count=2, pixels=pixels)
            except (ValueError, av.FFmpegError, NotImplementedError):
                continue
            try:
                reached.add(probe(path).codec)
            except MediaError as refusal:
                assert len(str(refusal)) <= 200
    assert {"h264", "hevc", "vp9", "prores", "ffv1"} <= reached <= decoders.VIDEO


@pytest.mark.parametrize("codec", ["magicyuv", "snow", "cinepak", "exr"])
def test_a_refused_codec_is_named_with_what_to_use(tmp_path, codec):
    formats = av.Codec(codec, "w").video_formats
    path = tmp_path / "a.mov"
    try:
        film(path, codec, count=2, pixels=formats[0].name if formats else "yuv420p")
    except (ValueError, av.FFmpegError):
        path = film(
            tmp_path / "a.mkv", codec, count=2, pixels=formats[0].name if formats else "yuv420p"
        )
    with pytest.raises(MediaError, match=rf"{codec}.*H\.264"):
        probe(path)


def interlaced(path):
    """25 frames whose fields show a bar at two places: combed, unless they are deinterlaced."""
    with av.open(str(path), "w") as container:
        options = {"x264-params": "tff=1", "crf": "1"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.flags |= 0x40000 | 0x20000000  # interlaced transform and motion
        for i in range(25):
            picture = np.zeros((64, 64, 3), np.uint8)
            picture[0::2, 2 * i : 2 * i + 8], picture[1::2, 2 * i + 1 : 2 * i + 9] = 255, 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    return path


def test_interlaced_footage_is_deinterlaced_and_says_so(tmp_path):
    path = interlaced(tmp_path / "a.mp4")
    frames = whole(path)[..., 1].float()
    assert any("interlaced" in note for note in probe(path).notes)
    assert len(frames) == 25
    combs = (frames[5:20, 8:-8:2] - frames[5:20, 9:-7:2]).abs().mean()
    assert combs < 2  # 15 as they are decoded
    assert torch.equal(whole(path, start=0.4, fps=25)[1:, 8:-8], whole(path)[11:, 8:-8])


def test_transparency_is_read_beside_the_picture(tmp_path):
    path = tmp_path / "a.mov"
    pixels = np.zeros((48, 64, 4), np.uint8)
    pixels[..., 0], pixels[:, :32, 3], pixels[:, 32:, 3] = 200, 255, 100
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgba"
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))
        container.mux(stream.encode())
    assert probe(path).has_alpha
    alpha = torch.cat(list(read_alpha(path, seconds=0.25)))
    assert alpha.shape == (2, 48, 64)
    assert (alpha[0, 0, 0], alpha[0, 0, 63]) == (255, 100)
    opaque = write_video(tmp_path / "b.mp4", [torch.zeros(2, 48, 64, 3, dtype=torch.uint8)], 8)
    assert not probe(opaque).has_alpha
    assert int(torch.cat(list(read_alpha(opaque))).min()) == 255


def test_a_length_that_no_video_has_is_refused(tmp_path):
    """Fragments with a broken time claimed minus 3.3e14 seconds."""
    path = tmp_path / "a.mp4"
    film(path, options={"movflags": "frag_keyframe+empty_moov"})
    content = bytearray(path.read_bytes())
    at = content.index(b"tfdt") + 8
    content[at : at + 8] = struct.pack(">q", -(2**62))
    path.write_bytes(content)
    try:
        assert 0 <= duration_of(path) <= 6 * 3600
    except MediaError as refusal:
        assert len(str(refusal)) <= 200


def test_a_stream_that_begins_half_way_is_passed_over():
    """PyAV raises IndexError at packets of streams that were not there at first."""

    left = [1, IndexError, 2, IndexError, IndexError, 3]

    class Container:
        def demux(self, stream):
            while left:
                packet = left.pop(0)
                if packet is IndexError:
                    raise IndexError("list index out of range")
                yield packet

    assert list(packets(Container(), None)) == [1, 2, 3]


def test_frames_that_nearly_coincide_have_no_rate_of_their_own(tmp_path):
    base = Fraction(1, 1_000_000)
    path = film(tmp_path / "a.mp4", count=9, times=[0, 1, 2, 3, 4, 5, 6, 7, 900_000], base=base,
                rate=1000)  # fmt: skip
    try:
        assert 0 < probe(path).fps <= 1000
    except MediaError as refusal:
        assert "frames a second" in str(refusal)
