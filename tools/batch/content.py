"""Whether a downloaded file is what its suffix promises, by its first bytes."""

import json
from collections.abc import Sequence
from pathlib import PurePosixPath

from tools.batch.answers import SavedFile
from tools.batch.text import describe

HEAD = 4096  # bytes that are enough to recognize a file

ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp")
TEXT = (".txt", ".csv", ".srt", ".vtt", ".json", ".svg", ".obj")
MAGIC: dict[str, tuple[tuple[int, bytes], ...]] = {
    ".png": ((0, b"\x89PNG\r\n\x1a\n"),),
    ".apng": ((0, b"\x89PNG\r\n\x1a\n"),),
    ".jpg": ((0, b"\xff\xd8\xff"),),
    ".jpeg": ((0, b"\xff\xd8\xff"),),
    ".gif": ((0, b"GIF87a"), (0, b"GIF89a")),
    ".webp": ((8, b"WEBP"),),
    ".bmp": ((0, b"BM"),),
    ".tif": ((0, b"II"), (0, b"MM")),
    ".tiff": ((0, b"II"), (0, b"MM")),
    ".exr": ((0, b"\x76\x2f\x31\x01"),),
    ".hdr": ((0, b"#?"),),
    ".mkv": ((0, b"\x1a\x45\xdf\xa3"),),
    ".webm": ((0, b"\x1a\x45\xdf\xa3"),),
    ".avi": ((8, b"AVI "),),
    ".wav": ((8, b"WAVE"),),
    ".flac": ((0, b"fLaC"), (0, b"ID3")),
    ".mp3": ((0, b"ID3"), (0, b"\xff\xfb"), (0, b"\xff\xf3"), (0, b"\xff\xf2"), (0, b"\xff\xfa")),
    ".ogg": ((0, b"OggS"),),
    ".opus": ((0, b"OggS"),),
    ".glb": ((0, b"glTF"),),
    ".ply": ((0, b"ply"),),
    ".npy": ((0, b"\x93NUMPY"),),
    ".npz": ((0, b"PK"),),
    **{
        suffix: tuple((4, box) for box in ISO_BOXES)
        for suffix in (".mp4", ".m4v", ".mov", ".m4a", ".avif")
    },
}
SUFFIXES = frozenset({*MAGIC, *TEXT, ".latent", ".safetensors"})
"""Suffixes of results that are saved; a workflow may add others with `--allow`."""

NEVER = (".sqlite", ".sqlite-wal", ".sqlite-shm", ".sqlite-journal", ".part")
PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")


class ContentError(Exception):
    """What the server sends is not the result that the job promises.

    `final`: asking again cannot help.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


def result_paths(
    name: str, files: Sequence[SavedFile], allowed: frozenset[str] = SUFFIXES
) -> list[tuple[SavedFile, str]]:
    """Each file and its path in the results: the job's name, or a folder of it for several.

    ContentError if a file has a suffix that is not in `allowed`, or that the manifest uses.
    """
    suffixes = [PurePosixPath(file.filename).suffix.lower() for file in files]
    for file, suffix in zip(files, suffixes, strict=True):
        if suffix not in allowed or suffix in NEVER:
            raise ContentError(
                f"saved {describe(file.filename)}, and files of that kind are not taken:"
                " add --allow and its suffix if you expect them",
                final=True,
            )
    if len(files) == 1:
        return [(files[0], f"{name}{suffixes[0]}")]
    width = len(str(len(files)))
    return [
        (file, f"{name}/{number:0{width}}{suffix}")
        for number, (file, suffix) in enumerate(zip(files, suffixes, strict=True), 1)
    ]


def check_content(head: bytes, size: int, suffix: str, media_type: str = "") -> None:
    """ContentError unless a file of `size` bytes that begins with `head` suits its suffix.

    `media_type` is what the server calls it: a page in HTML is no result, whatever its name.
    """
    if not size:
        raise ContentError("the result is empty")
    start = head[:HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(PAGES) or media_type.lower() in ("text/html", "application/xhtml+xml"):
        raise ContentError("the result is an HTML page (a login or an error?) and no file")
    if suffix in (".safetensors", ".latent"):
        length = int.from_bytes(head[:8], "little")
        fits = size >= 10 and 2 <= length <= size - 8 and head[8:9] == b"{"
    elif suffix in MAGIC:
        fits = any(head[at : at + len(magic)] == magic for at, magic in MAGIC[suffix])
    elif suffix == ".json":
        fits = start[:1] in (b"{", b"[", b'"', b"-", b"t", b"f", b"n") or start[:1].isdigit()
        fits = fits and (size > HEAD or is_json(head))
    elif suffix == ".svg":
        fits = start.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg"))
    else:
        fits = b"\0" not in head or suffix not in TEXT
    if not fits:
        raise ContentError(f"the result is no {suffix} file: it begins {describe(printed(head))}")


def is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def printed(head: bytes) -> str:
    return head[:24].decode("latin-1")
