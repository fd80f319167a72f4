"""What a file asks for, and what is not honoured, is refused in a sentence that names it."""

import base64
import struct

import av
import pytest

from sora_core.errors import MediaError
from sora_core.video.matroska import block_addition, encrypted_types
from sora_core.video.probe import duration_of, probe
from sora_core.video.streams import picture_stream
from tests.support.films import film
from tests.support.headers import boxes, ebml, inside, resized

TILES = base64.b64decode(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAAHhbWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAA"
    "AAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAABWaWxvYwAAAABEAAAFAAEAAAABAAACCQAAAAgAAgAAAAEAAAIR"
    "AAAAJQADAAAAAQAAAhEAAAAlAAQAAAABAAACEQAAACUABQAAAAEAAAIRAAAAJQAAAJBpaW5mAAAAAAAFAAAAGmluZmUC"
    "AAAAAAEAAGdyaWRDb2xvcgAAAAAaaW5mZQIAAAEAAgAAYXYwMUNvbG9yAAAAABppbmZlAgAAAQADAABhdjAxQ29sb3IA"
    "AAAAGmluZmUCAAABAAQAAGF2MDFDb2xvcgAAAAAaaW5mZQIAAAEABQAAYXYwMUNvbG9yAAAAACBpcmVmAAAAAAAAABRk"
    "aW1nAAEABAACAAMABAAFAAAAmWlwcnAAAABfaXBjbwAAABRpc3BlAAAAAAAAAIAAAACAAAAAEHBpeGkAAAAAAwgICAAA"
    "ABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAAxhdjFDgSAAAAAAADJpcG1hAAAAAAAAAAUAAQMB"
    "AgMAAgQEAoUDAAMEBAKFAwAEBAQChQMABQQEAoUDAAAANW1kYXQAAAEBAIAAgBIACgk4FX/9hAQ0GkAyFhZABhhhhADB"
    "tj9n/wrc0HcQwzHxUEc="
)
"""An AVIF of avifenc 0.11: 128x128 of one red, in four tiles of 64x64."""


def test_a_picture_in_tiles_is_not_taken_for_its_first_tile(tmp_path):
    path = tmp_path / "a.avif"
    path.write_bytes(TILES)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 4
        assert picture_stream(container) is None
    with pytest.raises(MediaError, match=r"tiles.*save it as PNG"):
        probe(path)


def test_a_file_named_by_text_is_named_in_the_sentence(tmp_path):
    with pytest.raises(MediaError, match=r"'missing\.mp4': cannot be opened"):
        probe(str(tmp_path / "missing.mp4"))
    with pytest.raises(MediaError, match="not a file"):
        probe(str(tmp_path))


def coloured(path, *, matrix=1, curve=1, primaries=1, pixels="yuv420p"):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        context = stream.codec_context
        context.color_trc, context.color_primaries = curve, primaries
        context.color_range, context.colorspace = 1, matrix
        container.mux(stream.encode(av.VideoFrame(64, 48, pixels)))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("colours", "sentence"), [
    ({"matrix": 8}, "its colour matrix is YCgCo,"),
    ({"matrix": 10}, "its colour matrix is BT.2020 with constant luminance,"),
    ({"matrix": 11}, "its colour matrix is SMPTE 2085,"),
    ({"matrix": 12}, "its colour matrix is derived from primaries,"),
    ({"matrix": 13}, "its colour matrix is derived from primaries, with constant luminance,"),
    ({"matrix": 14}, "its colour matrix is ICtCp,"),
    ({"matrix": 15}, "its colour matrix is IPT of Dolby Vision,"),
    ({"curve": 8}, "its transfer curve is linear light,"),
    ({"curve": 8, "pixels": "bgr0"}, "its transfer curve is linear light,"),
    ({"curve": 9}, "its transfer curve is logarithmic,"),
    ({"curve": 10}, "its transfer curve is logarithmic,"),
    ({"curve": 17}, "its transfer curve is that of SMPTE 428,"),
    ({"primaries": 10}, "its colours are CIE XYZ,"),
])  # fmt: skip
def test_colours_that_are_not_converted_are_named(tmp_path, colours, sentence):
    path = coloured(tmp_path / "a.mkv", **colours)
    with pytest.raises(MediaError, match=rf"{sentence} which is not read; save it as BT\.709"):
        probe(path)


@pytest.mark.parametrize("colours", [
    *({"matrix": matrix} for matrix in (1, 4, 5, 6, 7, 9)),
    *({"curve": curve} for curve in (1, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 18)),
    *({"primaries": primaries} for primaries in (1, 4, 5, 6, 7, 8, 9, 11, 12, 22)),
    {"matrix": 0, "pixels": "bgr0"},
])  # fmt: skip
def test_all_other_colours_are_read(tmp_path, colours):
    assert probe(coloured(tmp_path / "a.mkv", **colours)).width == 64


@pytest.mark.parametrize(("angle", "read"), [(0, True), (0.5, True), (10, False), (45, False)])
def test_an_angle_between_quarter_turns_is_refused(tmp_path, angle, read):
    path = film(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    turn = complex(0, angle * 3.14159265 / 180)
    cosine, sine = (2**16 * part for part in ((2.718281828**turn).real, (2.718281828**turn).imag))
    numbers = (round(cosine), round(sine), 0, -round(sine), round(cosine), 0, 0, 0, 2**30)
    struct.pack_into(">9i", data, at, *numbers)
    path.write_bytes(data)
    if read:
        assert probe(path).rotation == 0
        return
    with pytest.raises(MediaError, match="no quarter turn"):
        probe(path)


def test_parts_of_a_broadcast_joined_as_bytes_are_refused(tmp_path):
    """Players show one after the other; their times count from 0 twice."""
    for suffix, codec in (("ts", "libx264"), ("mpg", "mpeg2video")):
        part = film(tmp_path / f"a.{suffix}", codec, count=60)
        assert float(duration_of(part)) == pytest.approx(2.4, abs=0.05)
        joined = tmp_path / f"b.{suffix}"
        joined.write_bytes(2 * part.read_bytes())
        with pytest.raises(MediaError, match="its clock starts again half-way"):
            duration_of(joined)


def with_chapters(path, target, ordered):
    """A copy of a Matroska file that was streamed, with a list of chapters before its frames."""
    data = path.read_bytes()
    at = data.index(b"\x1f\x43\xb6\x75")
    edition = ebml("45b9", ebml("45dd", bytes([ordered])))
    target.write_bytes(data[:at] + ebml("1043a770", edition) + data[at:])
    return target


def test_ordered_chapters_are_refused(tmp_path):
    path = film(tmp_path / "a.mkv", options={"live": "1"})  # its segment has no size
    assert probe(with_chapters(path, tmp_path / "b.mkv", 0)).width == 64
    with pytest.raises(MediaError, match="its chapters are in an order of their own"):
        probe(with_chapters(path, tmp_path / "c.mkv", 1))


def test_a_picture_that_is_cropped_or_stretched_by_its_header_is_refused(tmp_path):
    """The header of FFmpeg's own muxer, with properties that it does not write."""
    path = tmp_path / "a.avif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libsvtav1", rate=1, options={"preset": "12"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    plain = path.read_bytes()
    assert probe(path).width == 64
    colour = plain.index(b"colr")
    for kind, verb in ((b"clap", "crops"), (b"pasp", "stretches")):
        data = bytearray(plain)
        data[colour : colour + 4] = kind
        path.write_bytes(data)
        with pytest.raises(MediaError, match=f"its header {verb} the picture"):
            probe(path)
    for shape, read in (((1, 1), True), ((72, 72), True), ((4, 3), False), ((0, 1), False)):
        data = bytearray(plain)
        struct.pack_into(">4sII", data, colour, b"pasp", *shape)
        path.write_bytes(data)
        if read:
            assert probe(path).width == 64
            continue
        with pytest.raises(MediaError, match="its header stretches the picture"):
            probe(path)


def with_codec_box(path, target, kind, content):
    """A copy of the film with a box beside those of its codec."""
    data = bytearray(path.read_bytes())
    parents = inside(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")
    box = struct.pack(">I4s", 8 + len(content), kind) + content
    at, size = parents[-1]
    data[at + size : at + size] = box
    resized(data, parents, len(box))
    target.write_bytes(data)
    return target


def dolby(profile, compatible):
    return bytes([1, 0, profile << 1, 0x0D, compatible << 4]) + bytes(19)


@pytest.mark.parametrize(("profile", "compatible", "read"), [
    (5, 0, False), (10, 0, False), (8, 1, True), (8, 4, True), (10, 4, True), (7, 6, True),
])  # fmt: skip
def test_dolby_vision_in_its_own_colours_is_refused(tmp_path, profile, compatible, read):
    path = film(tmp_path / "a.mp4")
    path = with_codec_box(path, tmp_path / "b.mp4", b"dvcC", dolby(profile, compatible))
    if read:
        assert probe(path).width == 64
        return
    with pytest.raises(MediaError, match=r"Dolby Vision.*save it as HDR10"):
        probe(path)


def test_additions_of_matroska_are_found(tmp_path):
    kind, content = int.from_bytes(b"dvcC", "big"), dolby(5, 0)
    mapping = ebml("41e4", ebml("41e7", kind.to_bytes(4, "big")), ebml("41ed", content))
    sound, video = ebml("ae", ebml("83", b"\2")), ebml("ae", ebml("83", b"\1"), mapping)
    path = tmp_path / "a.mkv"
    path.write_bytes(ebml("18538067", ebml("1654ae6b", sound, video)))
    assert block_addition(path, 0, kind) == content
    assert block_addition(path, 1, kind) == block_addition(path, 0, kind + 1) == b""


@pytest.mark.parametrize("entry", [b"encv", b"drmi"])
def test_encrypted_video_of_mp4_is_refused(tmp_path, entry):
    path = film(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    parents = inside(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")
    form = struct.pack(">I4s4s", 12, b"frma", b"avc1")
    protection = struct.pack(">I4s", 8 + len(form), b"sinf") + form
    at, size = parents[-1]
    data[at + size : at + size] = protection
    resized(data, parents, len(protection))
    data[at + 4 : at + 8] = entry
    path.write_bytes(data)
    assert entry in [kind for kind, *_ in boxes(data, parents[-2][0] + 16, parents[-2][0] + 24)]
    with pytest.raises(MediaError, match="its video is encrypted"):
        probe(path)


def test_encrypted_tracks_of_matroska_are_found(tmp_path):
    protected = ebml("6d80", ebml("6240", ebml("5035", ebml("47e1", b"\5"))))
    packed = ebml("6d80", ebml("6240", ebml("5034", ebml("4254", b"\3"))))
    path = tmp_path / "a.mkv"
    for video, sound, found in [
        (protected, b"", {"video"}), (packed, protected, {"audio"}), (packed, b"", set()),
    ]:  # fmt: skip
        tracks = ebml("ae", ebml("83", b"\1"), video), ebml("ae", ebml("83", b"\2"), sound)
        path.write_bytes(ebml("18538067", ebml("1654ae6b", *tracks)))
        assert encrypted_types(path) == found
