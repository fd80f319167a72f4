"""Paths: names from users and workflows within a folder, and the folder of the model files."""

import os
import unicodedata
from pathlib import Path

from .errors import PathError

MAX_NAME = 1000
MAX_PART = 255  # bytes: the most that common file systems store

_RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{number}" for port in ("COM", "LPT") for number in range(10)
}
_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def inside(root: Path, name: str) -> Path:
    """The real path of `name` below `root`, with links resolved; it need not exist yet.

    `name` is relative, with `/` between its parts, and legal on Windows, macOS and Linux.
    PathError for any other name, and for a link that leads out of `root`.
    """
    if len(name) > MAX_NAME:
        raise _refused_name(name, f"is {len(name)} characters long: at most {MAX_NAME}")
    for spelling in (name, unicodedata.normalize("NFKC", name)):  # some systems normalise names
        for part in spelling.split("/"):
            problem = _problem(part)
            if problem:
                raise _refused_name(name, problem)
    real_root = os.path.realpath(root)
    real = os.path.realpath(os.path.join(real_root, name))
    if os.path.commonpath([real_root, real]) != real_root or real == real_root:
        raise _refused_name(name, "leads out of its folder: use a name inside")
    return Path(real)


def _problem(part: str) -> str | None:
    """Why one part of a name is refused, and the fix; None for a legal part."""
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in part):
        return "holds a control character: remove it"
    if any(unicodedata.bidirectional(c) in _DIRECTIONS for c in part):
        return "holds a character that turns the writing direction: remove it"
    if not part:
        return "is empty, absolute or has an empty part: use a name such as clips/ball"
    if any(c in '\\:*?"<>|' for c in part):
        return 'holds one of \\ : * ? " < > |: use letters, digits, - and _'
    if part.endswith((".", " ")):
        return "has a part that ends in a dot or a space: remove it"
    if len(part.encode()) > MAX_PART:
        return f"has a part of {len(part.encode())} bytes: at most {MAX_PART}"
    if part.split(".")[0].rstrip(" ").upper() in _RESERVED:
        return f"uses {part.split('.')[0]}, which Windows reserves for a device: choose another"
    return None


def _refused_name(name: str, problem: str) -> PathError:
    return PathError(f"name {ascii(name)[:60]} {problem}"[:200])


def released_folder() -> Path:
    """`models` of a checkout or of the ComfyUI pack; a wheel has the same files in the package.

    There they are `sora_core/weights`, since `sora_core/models` holds the networks' source.
    """
    package = Path(__file__).resolve().parent
    packaged = package / "weights"
    return packaged if packaged.is_dir() else package.parent / "models"
