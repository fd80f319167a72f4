"""Files in the temp folder last as long as something refers to them; a preview fails no node."""

import errno
import gc
import logging
import os
from io import BytesIO

import folder_paths
import pytest
import torch
from comfy_api.latest import InputImpl
from PIL import Image
from sora_nodes.nodes.canvas import SoraCanvas
from sora_nodes.nodes.host import temp_files
from sora_nodes.nodes.host.media import as_media
from sora_nodes.nodes.host.restorable import RestorableVideo
from sora_nodes.nodes.host.temp_files import preview_files, temp_path
from sora_nodes.nodes.measure import SoraMeasureSeams
from sora_nodes.nodes.place import SoraPlaceVideo
from sora_nodes.sora_core.canvas.canvas import Canvas
from sora_nodes.sora_core.errors import MediaError
from sora_nodes.sora_core.video.writer import write_video

pytestmark = pytest.mark.usefixtures("quick_collection")

FRAMES = torch.arange(8, dtype=torch.uint8)[:, None, None, None].expand(-1, 32, 32, 3) * 20


@pytest.fixture(autouse=True)
def temp(tmp_path):
    before = folder_paths.get_temp_directory()
    folder_paths.set_temp_directory(str(tmp_path / "temp"))
    yield tmp_path / "temp"
    folder_paths.set_temp_directory(before)


def decoded():
    """A VIDEO as Sora Decode Video returns it."""
    path = temp_path(".mp4")

    def write():
        write_video(path, [FRAMES], 8)

    write()
    return RestorableVideo(path, write)


def videos(temp):
    gc.collect()
    return len(list(temp.glob("*.mp4")))


def test_a_video_goes_with_the_last_reference_to_it(temp):
    video = decoded()
    assert videos(temp) == 1
    del video
    assert videos(temp) == 0


def test_a_batch_leaves_one_video_at_a_time(temp):
    counts = set()
    for _ in range(5):
        video = decoded()
        counts.add(videos(temp))
    del video
    assert counts == {1, 2} or counts == {1}
    assert videos(temp) == 0


def test_a_canvas_holds_the_file_of_its_footage(temp):
    canvas = Canvas(width=32, height=32, seconds=1.0, fps=8.0)
    video = decoded()
    placed = SoraPlaceVideo.execute(
        canvas, video, 0.0, "start", 0.0, 0.0, 1.0, 1.0, "pad", 0, 0, 0, 0
    ).args[0]
    del video
    assert videos(temp) == 1
    assert placed.placements[0].source.is_file()
    del placed
    assert videos(temp) == 0


def test_a_video_of_the_host_that_was_made_from_it_holds_the_file(temp):
    video = decoded()
    other = InputImpl.VideoFromFile(video.get_stream_source())
    del video
    assert videos(temp) == 1
    assert other.get_dimensions() == (32, 32)
    del other
    assert videos(temp) == 0


def test_a_video_whose_file_is_gone_is_written_again_and_still_goes_at_its_end(temp):
    video = decoded()
    video.path.unlink()
    assert video.get_dimensions() == (32, 32)
    assert videos(temp) == 1
    del video
    assert videos(temp) == 0


def test_bytes_of_a_video_are_a_file_while_they_are_placed(temp, tmp_path):
    write_video(tmp_path / "a.mp4", [FRAMES], 8)
    media = as_media(InputImpl.VideoFromFile(BytesIO((tmp_path / "a.mp4").read_bytes())))
    assert videos(temp) == 1
    del media
    assert videos(temp) == 0


def test_a_full_temp_folder_is_named_where_bytes_need_a_file(temp, tmp_path, monkeypatch):
    write_video(tmp_path / "a.mp4", [FRAMES], 8)
    video = InputImpl.VideoFromFile(BytesIO((tmp_path / "a.mp4").read_bytes()))
    with monkeypatch.context() as patched:
        patched.setattr(temp_files.TempPath, "write_bytes", full)
        with pytest.raises(MediaError, match="cannot be written to the temp folder: No space left"):
            as_media(video)
    temp.rmdir()
    temp.write_text("a file in its place")
    with pytest.raises(MediaError, match=r"'temp': cannot be made, the temp folder"):
        as_media(video)


def test_previews_of_a_clock_that_was_ahead_go_first(temp, monkeypatch):
    monkeypatch.setattr(temp_files, "MAX_PREVIEWS", 3)
    preview_files(FRAMES[:3])
    for path in temp.iterdir():
        os.utime(path, (4e9, 4e9))
    new = [entry["filename"] for _ in range(3) for entry in preview_files(FRAMES[:1])]
    left = {path.name for path in temp.iterdir()}
    assert left >= set(new)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def full_disk(monkeypatch):
    """A temp folder on a disk that is full once a picture is written."""

    def save(image, path, *_, **__):
        path.write_bytes(b"half")
        full()

    monkeypatch.setattr(Image.Image, "save", save)


def test_a_preview_is_the_picture_that_was_drawn(temp):
    [entry] = preview_files(FRAMES[3:4])
    assert entry["type"] == "temp"
    picture = Image.open(temp / entry["filename"])
    assert picture.size == (32, 32) and picture.getpixel((5, 5)) == (60, 60, 60)


def test_a_full_temp_folder_costs_the_preview_alone(temp, full_disk, caplog):
    with caplog.at_level(logging.WARNING):
        result = SoraCanvas.execute("custom", 32, 32, 1.0, 8.0)
    assert isinstance(result.args[0], Canvas) and result.ui == {"canvas": []}
    assert "No space left" in caplog.text
    assert list(temp.iterdir()) == []


def test_a_full_temp_folder_leaves_the_report_of_measured_seams(full_disk):
    result = SoraMeasureSeams.execute(torch.rand(8, 32, 32, 3), "4", False)
    assert len(result.args) == 3 and "joins" in result.args[1]


@pytest.mark.parametrize("name", ["mkdir", "glob"])
def test_a_temp_folder_that_cannot_be_used_costs_the_preview_alone(monkeypatch, name):
    monkeypatch.setattr(temp_files.Path, name, full)
    assert preview_files(FRAMES[:1]) == []


def test_old_previews_go(temp, monkeypatch):
    monkeypatch.setattr(temp_files, "MAX_PREVIEWS", 5)
    names = [preview_files(FRAMES[:1])[0]["filename"] for _ in range(9)]
    assert {path.name for path in temp.iterdir()} == set(names[-6:])  # 5, and the newest
