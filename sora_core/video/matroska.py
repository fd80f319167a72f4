"""Elements of Matroska and WebM files that FFmpeg does not apply.

Cropping, encryption, additions and ordered chapters: RFC 9559, sections 5.1.4.1.17, 5.1.4.1.28.8 to
5.1.4.1.28.11, 5.1.4.1.31.8 and 5.1.7.1.3.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from .container import FileSource, file_of

SEGMENT, TRACK_LIST, TRACK_ENTRY, TRACK_TYPE, TRACK_VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0x83, 0xE0
VIDEO_TRACK = 1
TRACK_TYPES = {VIDEO_TRACK: "video", 2: "audio"}
CONTENT_ENCODINGS, CONTENT_ENCODING, CONTENT_ENCRYPTION = 0x6D80, 0x6240, 0x5035
CHAPTERS, EDITION, EDITION_ORDERED = 0x1043A770, 0x45B9, 0x45DD
BLOCK_ADDITION, ADDITION_TYPE, ADDITION_DATA = 0x41E4, 0x41E7, 0x41ED
MAX_ADDITION_BYTES = 2**16
CLUSTER = 0x1F43B675  # the frames: tracks come before them
CROP_LEFT, CROP_TOP, CROP_RIGHT, CROP_BOTTOM = 0x54CC, 0x54BB, 0x54DD, 0x54AA
MAX_ELEMENTS = 10_000


@dataclass(frozen=True, slots=True)
class Element:
    """An element of EBML: its content, as positions in the file."""

    number: int
    begin: int
    end: int


def pixel_crop(source: FileSource, index: int) -> tuple[int, int, int, int]:
    """The pixels to remove at the left, top, right and bottom of each frame.

    `index` counts the video tracks of the file from 0.
    """
    crop = dict.fromkeys((CROP_LEFT, CROP_TOP, CROP_RIGHT, CROP_BOTTOM), 0)
    with file_of(source) as file:
        for video in islice(_videos(file), index, index + 1):
            for element in _elements(file, video.begin, video.end):
                if element.number in crop:
                    crop[element.number] = _unsigned(file, element)
    return crop[CROP_LEFT], crop[CROP_TOP], crop[CROP_RIGHT], crop[CROP_BOTTOM]


def block_addition(source: FileSource, index: int, kind: int) -> bytes:
    """The configuration of the additions of type `kind` to a video track; empty without one."""
    with file_of(source) as file:
        entries = (entry for number, entry in _tracks(file) if number == VIDEO_TRACK)
        for entry in islice(entries, index, index + 1):
            for mapping in _named(file, entry, BLOCK_ADDITION):
                types = [_unsigned(file, one) for one in _named(file, mapping, ADDITION_TYPE)]
                for element in _named(file, mapping, ADDITION_DATA) if kind in types else ():
                    file.seek(element.begin)
                    return file.read(min(element.end - element.begin, MAX_ADDITION_BYTES))
    return b""


def encrypted_types(source: FileSource) -> set[str]:
    """Which of "video" and "audio" have an encrypted track."""
    found = set()
    with file_of(source) as file:
        for kind, entry in _tracks(file):
            for encodings in _named(file, entry, CONTENT_ENCODINGS):
                for encoding in _named(file, encodings, CONTENT_ENCODING):
                    if kind in TRACK_TYPES and any(_named(file, encoding, CONTENT_ENCRYPTION)):
                        found.add(TRACK_TYPES[kind])
    return found


def orders_chapters(source: FileSource) -> bool:
    """Whether the file is to be played as a list of its chapters, in the order of that list."""
    with file_of(source) as file:
        file.seek(0, 2)
        for segment in _named(file, Element(0, 0, file.tell()), SEGMENT):
            for chapters in _named(file, segment, CHAPTERS):
                for edition in _named(file, chapters, EDITION):
                    for element in _named(file, edition, EDITION_ORDERED):
                        return _unsigned(file, element) == 1  # the first edition is the default
    return False


def _videos(file: BinaryIO) -> Iterator[Element]:
    for kind, entry in _tracks(file):
        if kind == VIDEO_TRACK:
            yield from _named(file, entry, TRACK_VIDEO)


def _tracks(file: BinaryIO) -> Iterator[tuple[int, Element]]:
    """The type and the content of each track."""
    file.seek(0, 2)
    for segment in _named(file, Element(0, 0, file.tell()), SEGMENT):
        for tracks in _named(file, segment, TRACK_LIST):
            for entry in _named(file, tracks, TRACK_ENTRY):
                for element in _named(file, entry, TRACK_TYPE):
                    yield _unsigned(file, element), entry


def _named(file: BinaryIO, parent: Element, number: int) -> Iterator[Element]:
    inner = _elements(file, parent.begin, parent.end)
    return (element for element in inner if element.number == number)


def _elements(file: BinaryIO, begin: int, end: int) -> Iterator[Element]:
    for _ in range(MAX_ELEMENTS):
        file.seek(begin)
        header = file.read(12)
        number, first = _variable(header, whole=True)
        size, second = _variable(header[first:], whole=False)
        content = begin + first + second
        if not (first and second) or content > end or number == CLUSTER:
            return
        unknown = size == 2 ** (7 * second) - 1  # of a recording that was streamed
        stop = end if unknown else min(end, content + size)
        yield Element(number, content, stop)
        begin = stop


def _variable(data: bytes, *, whole: bool) -> tuple[int, int]:
    """A number of 1 to 8 bytes, `whole` with the bit that marks its length, and its length."""
    length = 9 - data[0].bit_length() if data else 0
    if not 1 <= length <= 8 or len(data) < length:
        return 0, 0
    value = int.from_bytes(data[:length], "big")
    return value if whole else value - (1 << 7 * length), length


def _unsigned(file: BinaryIO, element: Element) -> int:
    file.seek(element.begin)
    return int.from_bytes(file.read(min(element.end - element.begin, 8)), "big")
