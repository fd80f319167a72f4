"""Boxes of MP4 and QuickTime files that FFmpeg does not follow: edit lists and clean apertures.

ISO/IEC 14496-12, sections 8.6.6 and 12.1.4. FFmpeg plays each edit at the speed of the media, and
shows the media again where an edit is empty.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .container import FileSource, file_of

MAX_BOXES = 10_000  # in one box; a film has a few
MAX_BOX_BYTES = 2**20  # of a box that is read whole
EMPTY = -1  # the media time of an edit that shows nothing
NORMAL = 1.0
FRAME_HEADER = 78  # bytes of a sample entry of video before its own boxes


@dataclass(frozen=True, slots=True)
class Mp4Box:
    """The content of a box, as positions in the file."""

    kind: bytes
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class TrackEdit:
    """A part of a track: its media time, `EMPTY` for nothing, and its speed."""

    time: int
    speed: float


def edits_of(source: FileSource, track_id: int) -> list[TrackEdit]:
    """The edit list of a track; empty if it has none, or a damaged one."""
    with file_of(source) as file:
        track = _track(file, track_id)
        data = _content(file, _inside(file, track, b"edts", b"elst"))
    if len(data) < 8:
        return []
    form = ">qqi" if data[0] == 1 else ">iii"
    size = struct.calcsize(form)
    count = min(struct.unpack_from(">I", data, 4)[0], (len(data) - 8) // size)
    entries = [struct.unpack_from(form, data, 8 + i * size) for i in range(count)]
    return [TrackEdit(time, speed / 2**16) for _, time, speed in entries]


def refused_edits(edits: list[TrackEdit]) -> str | None:
    """What `edits` ask for beyond a late start, cuts and repeats; None for nothing more."""
    begun = False
    for edit in edits:
        if edit.time == EMPTY and begun:
            return "shows nothing for a while"
        if edit.time != EMPTY and edit.speed != NORMAL:
            return "holds a frame" if edit.speed == 0 else f"plays at {edit.speed:g} times speed"
        begun = begun or edit.time != EMPTY
    return None


def sample_entry(source: FileSource, track_id: int) -> Mp4Box | None:
    """The box of the format of a track, of the kind of its codec; None if it has none."""
    with file_of(source) as file:
        entries = _inside(file, _track(file, track_id), b"mdia", b"minf", b"stbl", b"stsd")
        return entries and next(_boxes(file, entries.begin + 8, entries.end), None)


def still_properties(source: FileSource) -> set[bytes]:
    """The kinds of the properties of the pictures in a HEIC or AVIF file.

    A shape of pixels (`pasp`) that is square asks for nothing, and is left out.
    """
    with file_of(source) as file:
        file.seek(0, 2)
        meta = _inside(file, Mp4Box(b"", 0, file.tell()), b"meta")
        if meta is None:
            return set()
        meta = Mp4Box(meta.kind, meta.begin + 4, meta.end)  # after its version and flags
        properties = _inside(file, meta, b"iprp", b"ipco")
        found = _boxes(file, properties.begin, properties.end) if properties else ()
        return {box.kind for box in found if not _square_pixels(file, box)}


def codec_box(source: FileSource, track_id: int, kind: bytes) -> bytes:
    """The content of the box `kind` beside the codec of a video track; empty without one."""
    entry = sample_entry(source, track_id)
    if entry is None:
        return b""
    with file_of(source) as file:
        inner = Mp4Box(entry.kind, entry.begin + FRAME_HEADER, entry.end)
        return _content(file, _inside(file, inner, kind))


def clean_aperture(source: FileSource, track_id: int) -> tuple[float, float, float, float] | None:
    """The width and height to show of each frame, and the offset of their centre, in pixels."""
    data = codec_box(source, track_id, b"clap")
    if len(data) < 32:
        return None
    numbers = struct.unpack_from(">IIIIiIiI", data)
    if not all(numbers[1::2]):
        return None
    width, height, right, down = (a / b for a, b in zip(numbers[::2], numbers[1::2], strict=True))
    return width, height, right, down


def _square_pixels(file: BinaryIO, box: Mp4Box) -> bool:
    if box.kind != b"pasp":
        return False
    shape = _content(file, box)
    return len(shape) >= 8 and shape[:4] == shape[4:8]


def _track(file: BinaryIO, track_id: int) -> Mp4Box | None:
    file.seek(0, 2)
    movie = _inside(file, Mp4Box(b"", 0, file.tell()), b"moov")
    number = struct.pack(">I", track_id % 2**32)  # FFmpeg has it as a signed number
    for box in _boxes(file, movie.begin, movie.end) if movie else ():
        header = _content(file, _inside(file, box, b"tkhd")) if box.kind == b"trak" else b""
        at = 20 if header[:1] == b"\1" else 12
        if header[at : at + 4] == number:
            return box
    return None


def _inside(file: BinaryIO, box: Mp4Box | None, *kinds: bytes) -> Mp4Box | None:
    """The first box of each kind inside the one before it."""
    for kind in kinds:
        if box is None:
            return None
        box = next((each for each in _boxes(file, box.begin, box.end) if each.kind == kind), None)
    return box


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[Mp4Box]:
    for _ in range(MAX_BOXES):
        file.seek(begin)
        header = file.read(16)
        size, kind, head = int.from_bytes(header[:4], "big"), header[4:8], 8
        if size == 1:
            size, head = int.from_bytes(header[8:], "big"), 16
        if begin + head > end or 0 < size < head:
            return
        stop = min(end, begin + size) if size else end
        yield Mp4Box(kind, begin + head, stop)
        begin = stop


def _content(file: BinaryIO, box: Mp4Box | None) -> bytes:
    if box is None:
        return b""
    file.seek(box.begin)
    return file.read(min(box.end - box.begin, MAX_BOX_BYTES))
