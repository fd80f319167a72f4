"""What FFmpeg leaves aside of a header is followed or refused: edit lists and cropping."""

import io
import random
import struct

import av
import numpy as np
import pytest
import torch
from av.bitstream import BitStreamFilterContext

from sora_core.errors import MediaError
from sora_core.video.matroska import (
    MAX_ADDITION_BYTES,
    block_addition,
    encrypted_types,
    pixel_crop,
)
from sora_core.video.mp4 import MAX_BOX_BYTES, TrackEdit, clean_aperture, edits_of
from sora_core.video.probe import probe
from sora_core.video.reader import read_times
from tests.support.films import film, whole
from tests.support.headers import ebml, inside, resized

SECONDS = 4


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """4 seconds at 25 frames, a key frame every 10; frame i is grey of level 2 i + 20."""
    path = tmp_path_factory.mktemp("edits") / "a.mp4"
    exact = {"crf": "1", "g": "10", "bf": "0"}
    return film(path, count=25 * SECONDS, encoder=exact, level=lambda i: 2 * i + 20)


def with_edits(path, target, edits):
    """A copy of the film with an edit list: seconds, begin in seconds or None, and speed."""
    data = bytearray(path.read_bytes())
    movie = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    media = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]
    parents = inside(data, b"moov", b"trak")
    at, size = inside(data, b"moov", b"trak", b"edts")[-1]
    del data[at : at + size]
    resized(data, parents, -size)
    entries = [
        struct.pack(
            ">IiI",
            round(seconds * movie),
            -1 if begin is None else round(begin * media),
            round(speed * 2**16),
        )
        for seconds, begin, speed in edits
    ]
    content = struct.pack(">II", 0, len(entries)) + b"".join(entries)
    listed = struct.pack(">I4s", 8 + len(content), b"elst") + content
    edts = struct.pack(">I4s", 8 + len(listed), b"edts") + listed
    data[at:at] = edts
    resized(data, parents, len(edts))
    target.write_bytes(data)
    return target


FOLLOWED = {
    "a cut": ([(1, 0, 1), (1, 2, 1)], [*range(25), *range(50, 75)]),
    "a repeat": ([(1, 0, 1), (1, 0, 1)], [*range(25), *range(25)]),
    "another order": ([(1, 2, 1), (1, 0, 1)], [*range(50, 75), *range(25)]),
    "a begin between key frames": ([(1, 0.56, 1)], [*range(14, 39)]),
    "a late start": ([(1, None, 1), (4, 0, 1)], [*range(100)]),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_an_edit_list_is_followed_and_its_frames_have_the_times_of_the_result(
    footage, tmp_path, name
):
    edits, numbers = FOLLOWED[name]
    path = with_edits(footage, tmp_path / "b.mp4", edits)
    sentences = []
    frames = whole(path, on_damage=sentences.append)
    levels = (frames[:, 24, 32].float().mean(1) - 20) / 2
    assert (levels - torch.tensor(numbers)).abs().max() <= 1 and sentences == []
    assert read_times(path) == [pytest.approx(i / 25) for i in range(len(numbers))]
    assert torch.equal(whole(path, start=0.4, fps=25), frames[10:])


@pytest.mark.parametrize(("edits", "sentence"), [
    ([(2, 0, 2)], "plays at 2 times speed"),
    ([(2, 0, 1), (4, 0, 0.5)], "plays at 0.5 times speed"),
    ([(1, 0, -1)], "plays at -1 times speed"),
    ([(1, 1, 0)], "holds a frame"),
    ([(1, 0, 1), (1, None, 1), (1, 2, 1)], "shows nothing for a while"),
])  # fmt: skip
def test_an_edit_list_that_is_not_followed_is_refused(footage, tmp_path, edits, sentence):
    edits = [(seconds, begin, speed % 2**16) for seconds, begin, speed in edits]
    path = with_edits(footage, tmp_path / "b.mp4", edits)
    for source in (path, io.BytesIO(path.read_bytes())):
        with pytest.raises(MediaError, match=sentence):
            probe(source)


def with_aperture(path, target, width, height, right=0, down=0):
    """A copy of the film that asks to show `width` x `height` around its centre."""
    data = bytearray(path.read_bytes())
    parents = inside(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")
    numbers = (width, 1, height, 1, right, 1, down, 1)
    clap = struct.pack(">I4sIIIIiIiI", 40, b"clap", *numbers)
    at, size = parents[-1]
    data[at + size : at + size] = clap
    resized(data, parents, len(clap))
    target.write_bytes(data)
    return target


@pytest.mark.parametrize(("aperture", "size", "corner"), [
    ((32, 24), (32, 24), (16, 12)),
    ((32, 24, 10, -6), (32, 24), (26, 6)),
    ((64, 48), (64, 48), (0, 0)),
    ((640, 48), (64, 48), (0, 0)),
])  # fmt: skip
def test_a_clean_aperture_is_cut_out(tmp_path, aperture, size, corner):
    path = film(tmp_path / "a.mp4", encoder={"crf": "1"}, level=ramp)
    cropped = with_aperture(path, tmp_path / "b.mp4", *aperture)
    info = probe(cropped)
    assert (info.width, info.height) == size
    assert any("cropped" in note for note in info.notes) == (size != (64, 48))
    (left, top), (width, height) = corner, size
    part = whole(path)[:, top : top + height, left : left + width]
    assert torch.equal(whole(cropped), part)


def with_stream_crop(path, target, kind, **crop):
    """A copy of the film whose video stream itself asks to crop its frames."""
    with av.open(str(path)) as film, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(film.streams.video[0])
        asked = ":".join(f"crop_{side}={pixels}" for side, pixels in crop.items())
        changed = BitStreamFilterContext(f"{kind}_metadata={asked}", film.streams.video[0], stream)
        for packet in film.demux(video=0):
            for part in changed.filter(packet if packet.size else None):
                part.stream = stream
                container.mux(part)
    return target


@pytest.mark.parametrize(("codec", "kind"), [("libx264", "h264"), ("libx265", "hevc")])
def test_a_crop_at_the_left_within_the_stream_is_cut_out_to_the_pixel(tmp_path, codec, kind):
    quiet = {"crf": "1", "x265-params": "log-level=none"} if kind == "hevc" else {"crf": "1"}
    path = film(tmp_path / "a.mkv", codec, encoder=quiet, level=ramp)
    cropped = with_stream_crop(path, tmp_path / "b.mp4", kind, left=10, right=4, top=6)
    info = probe(cropped)
    assert (info.width, info.height) == (50, 42)
    assert (whole(cropped).int() - whole(path)[:, 6:, 10:60].int()).abs().max() <= 2  # at edges


def test_the_cropping_of_matroska_is_cut_out(tmp_path):
    path = film(tmp_path / "a.mkv", encoder={"crf": "1"}, level=ramp)
    data = bytearray(path.read_bytes())
    unit = data.index(bytes.fromhex("54b28104"))  # of the size to show: in its place
    data[unit : unit + 4] = bytes.fromhex("54cc8108 54aa8110")  # 8 at the left, 16 at the bottom
    entry, tracks = data.rindex(b"\xae\x01", 0, unit), data.rindex(b"\x16\x54\xae\x6b", 0, unit)
    for size in (unit - 7, entry + 8, tracks + 5):  # of the video, its entry and all tracks
        data[size] += 4
    cropped = tmp_path / "b.mkv"
    cropped.write_bytes(data)
    info = probe(cropped)
    assert (info.width, info.height) == (56, 32)
    assert any("cropped to 56x32" in note for note in info.notes)
    frames = whole(io.BytesIO(bytes(data)))
    assert torch.equal(frames, whole(cropped)) and len(frames) == 25
    assert torch.equal(frames, whole(path)[:, :32, 8:])


def ramp(i):
    """Columns that differ, and rows that differ."""
    rows, columns = np.mgrid[0:48, 0:64]
    return np.repeat((3 * columns + rows)[..., None] % 256, 3, 2).astype(np.uint8)


def test_the_edits_of_a_track_with_a_damaged_number_are_found(footage):
    """FFmpeg reads the number of a track as signed."""
    number = 2**32 - 5
    data = bytearray(footage.read_bytes())
    at = data.index(b"tkhd") + 4
    struct.pack_into(">I", data, at + (20 if data[at] == 1 else 12), number)
    found = edits_of(io.BytesIO(bytes(data)), number - 2**32)
    assert found == edits_of(footage, 1) != []


class Watched(io.BytesIO):
    """A file that records the longest read of it."""

    longest = 0

    def read(self, size=-1):
        data = super().read(size)
        self.longest = max(self.longest, len(data))
        return data


def mp4_box(kind, *parts):
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


LONG_FILE = bytes(2_000_000)


def test_a_box_whose_header_passes_the_end_of_its_parent_is_not_read():
    cut = struct.pack(">I4s", 1, b"tkhd")  # 64 bits of size follow, outside of its track
    file = Watched(mp4_box(b"moov", mp4_box(b"trak", cut)) + b"\0\0\1\0" * 10 + LONG_FILE)
    assert edits_of(file, 1) == [] and clean_aperture(file, 1) is None
    assert file.longest < 100


def test_an_element_whose_header_passes_the_end_of_its_parent_is_not_read():
    sized = ebml("18538067", ebml("1654ae6b", ebml("ae", bytes.fromhex("83"))))
    file = Watched(sized + b"\x81" + LONG_FILE)  # a size, outside of its track
    assert pixel_crop(file, 0) == (0, 0, 0, 0)
    assert file.longest < 100


APERTURE = mp4_box(b"clap", struct.pack(">IIIIiIiI", 32, 1, 24, 1, 0, 1, 0, 1))
SAMPLES = mp4_box(b"stsd", bytes(8), mp4_box(b"avc1", bytes(78), APERTURE))
TRACK = mp4_box(
    b"trak",
    mp4_box(b"tkhd", bytes(12), struct.pack(">I", 1), bytes(68)),
    mp4_box(b"edts", mp4_box(b"elst", struct.pack(">IIiiI", 0, 1, 9, 0, 2**16))),
    mp4_box(b"mdia", mp4_box(b"minf", mp4_box(b"stbl", SAMPLES))),
)
MP4_HEADER = mp4_box(b"moov", TRACK)
CROPPING = [ebml(number, b"\2") for number in ("54cc", "54bb", "54dd", "54aa")]
MATROSKA_HEADER = ebml(
    "18538067",
    ebml("1654ae6b", ebml("ae", ebml("83", b"\1"), ebml("e0", *CROPPING))),
)


def damaged(header, generator):
    """A copy with some bytes changed, removed or added."""
    data = bytearray(header)
    for _ in range(generator.choice((1, 2, 4))):
        at = generator.randrange(len(data))
        number = generator.choice((0, 1, 255, generator.randrange(256)))
        end = at + generator.choice((0, 1, 4))
        data[at:end] = bytes([number]) * generator.choice((0, 1, 4))
    return bytes(data)


def test_damaged_headers_are_read_in_small_parts_and_raise_nothing():
    assert edits_of(io.BytesIO(MP4_HEADER), 1) == [TrackEdit(0, 1.0)]
    assert clean_aperture(io.BytesIO(MP4_HEADER), 1) == (32, 24, 0, 0)
    assert pixel_crop(io.BytesIO(MATROSKA_HEADER), 0) == (2, 2, 2, 2)
    generator = random.Random(0)
    for _ in range(2000):
        file = Watched(damaged(MP4_HEADER, generator) + LONG_FILE)
        edits_of(file, 1), clean_aperture(file, 1)
        assert file.longest <= MAX_BOX_BYTES
        file = Watched(damaged(MATROSKA_HEADER, generator) + LONG_FILE)
        pixel_crop(file, 0), encrypted_types(file)
        assert file.longest < 100
        block_addition(file, 0, 1)
        assert file.longest <= MAX_ADDITION_BYTES
