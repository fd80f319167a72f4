"""Footage of the host: transparency is open, masks follow the times of frames, files may go."""

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
import torch
from comfy_api.latest import InputImpl
from sora_nodes.nodes.host.media import Media, as_media
from sora_nodes.nodes.host.restorable import RestorableVideo
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.canvas.media import most_open
from sora_nodes.sora_core.errors import MediaError
from sora_nodes.sora_core.video.reader import read_frames
from sora_nodes.sora_core.video.writer import write_video


@pytest.fixture
def see_through(tmp_path):
    """Four frames: opaque on the left, and on the right more transparent with each frame."""
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgba"
        for i in range(4):
            pixels = np.full((48, 64, 4), 255, np.uint8)
            pixels[:, 32:, 3] = 255 - 85 * i
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))
        container.mux(stream.encode())
    return path


def test_transparent_footage_is_open_where_nothing_is_seen(see_through):
    clip = as_media(InputImpl.VideoFromFile(str(see_through)))
    mask = clip.on(Canvas(width=64, height=48, seconds=0.5, fps=8.0)).mask
    assert mask.shape == (4, 48, 64)
    assert mask[:, 0, 0].tolist() == [0, 0, 0, 0]
    assert mask[:, 0, 63].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    both = most_open(mask, torch.zeros(1, 24, 32).index_fill(2, torch.arange(4), 1.0))
    assert both.shape == (4, 24, 32) and both[0, 0, 0] == 1 and both[3, 0, 31] == 1


def test_opaque_footage_has_no_mask(tmp_path):
    path = write_video(tmp_path / "a.mp4", [torch.zeros(4, 48, 64, 3, dtype=torch.uint8)], 8)
    clip = as_media(InputImpl.VideoFromFile(str(path)))
    assert clip.on(Canvas(width=64, height=48, seconds=0.5, fps=8.0)).mask is None


TIMES = (0, 100, 200, 1200, 1300)


@pytest.fixture
def uneven(tmp_path):
    """Five frames, frame i of grey 50 i: at 0, 0.1 and 0.2 s, then at 1.2 and 1.3 s."""
    path, ms = tmp_path / "a.mkv", Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        stream.time_base = stream.codec_context.time_base = ms
        for i, time in enumerate(TIMES):
            grey = np.full((48, 64, 3), 50 * i, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey).reformat(format="bgr0")
            frame.pts, frame.time_base = time, ms
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("rate", "skip"), [(10.0, 0.0), (10.0, 0.15), (25.0, 0.0), (3.0, 0.4)])
def test_each_picture_of_a_mask_is_seen_with_its_frame(uneven, rate, skip):
    clip = as_media(InputImpl.VideoFromFile(str(uneven)))
    frames = torch.cat(list(read_frames(uneven, start=skip, fps=rate)))
    numbers = (frames[:, 0, 0, 0] / 50).round()
    mask = torch.arange(5.0)[:, None, None].expand(-1, 4, 4)
    assert torch.equal(clip.mask_frames(mask, rate, skip, len(frames))[:, 0, 0], numbers)


def test_a_video_that_is_broken_is_refused_whether_file_or_bytes(tmp_path):
    for source in (BytesIO(b"no video at all" * 100), str(tmp_path / "gone.mp4")):
        with pytest.raises(MediaError) as refusal:
            as_media(InputImpl.VideoFromFile(source))
        assert str(tmp_path) not in str(refusal.value)


def test_a_recording_without_a_header_is_footage(tmp_path):
    """The host cannot tell its duration, and raises."""
    path = tmp_path / "a.webm"
    with av.open(str(path), "w", options={"live": "1"}) as container:
        options = {"deadline": "realtime", "cpu-used": "8"}
        stream = container.add_stream("libvpx", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(30):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode())
    clip = as_media(InputImpl.VideoFromFile(str(path)))
    assert isinstance(clip, Media) and clip.seconds == pytest.approx(1, abs=0.05)


def test_a_video_whose_file_is_gone_is_written_again(tmp_path):
    path = tmp_path / "temp" / "a.mp4"
    path.parent.mkdir()
    written = []

    def write():
        written.append(write_video(path, [torch.zeros(4, 48, 64, 3, dtype=torch.uint8)], 8))

    write()
    video = RestorableVideo(path, write)
    for use in (
        lambda: video.save_to(str(tmp_path / "saved.mp4")),
        video.get_components,
        video.get_dimensions,
        video.get_duration,
        lambda: as_media(video),
    ):
        path.unlink()
        path.parent.rmdir()
        use()
        assert path.is_file()
    assert len(written) == 6
    assert (tmp_path / "saved.mp4").stat().st_size > 500
