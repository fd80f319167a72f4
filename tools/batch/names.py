"""Names that are file names on every system: lengths in bytes, no reserved words."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from tools.batch.text import describe
from tools.batch.workflow import PlanError

# A file system takes 255 bytes. ComfyUI adds `_00001_.safetensors`; a label may add 57 to a name.
MAX_NAME_BYTES = 160
MAX_LABEL_BYTES = 48

NAME = re.compile(r"\w(?:[\w =+,-]*[\w=+,-])?")  # no dot: it starts the suffix
RESERVED = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]")  # on Windows
TOKEN = re.compile(r"[\w.]+")
OTHER = re.compile(r"[^\w.]+")


def check_name(name: object) -> str:
    """`name` of a job in NFC; PlanError unless it is a file name on Linux, macOS and Windows."""
    if isinstance(name, str) and not name.isascii():
        name = unicodedata.normalize("NFC", name)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise PlanError(
            f"{describe(name)} is no name for files: use letters, digits, spaces and _ - = + ,"
            " (in YAML put digits in quotes)"
        )
    size = len(name.encode())
    if size > MAX_NAME_BYTES:
        raise PlanError(
            f"the name {describe(name)} has {size} bytes, and a file name has room for"
            f" {MAX_NAME_BYTES}: shorten it"
        )
    if RESERVED.fullmatch(name.casefold()):
        raise PlanError(f"the name {name!r} is reserved on Windows: choose another")
    return name


def unique_key(name: str) -> str:
    """The same for two names that some file system takes for one."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name.casefold())


def folder_name(stem: str) -> str:
    """The name of a table's folder of results, here and on the server."""
    name = cut_bytes(re.sub(r"\W+", "_", stem), MAX_NAME_BYTES) or "table"
    return f"{name}_" if RESERVED.fullmatch(name.casefold()) else name


def job_name(name: str | None, settings: Mapping[str, Any], varying: Sequence[str]) -> str:
    """The job's own name: that of its row and what varies in it, or a label of its settings.

    A hash of the settings follows if two jobs have the same label.
    """
    values = [str(settings[key]) for key in (settings if name is None else varying)]
    parts = [OTHER.sub("_", value).strip("_.") for value in values]
    label = "-".join(filter(None, parts)).replace(".", "p")
    short = cut_bytes(label, MAX_LABEL_BYTES)
    exact = short == label and all(map(TOKEN.fullmatch, values))
    if not exact or name is None:
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
        short = f"{short}-{digest}" if short else digest
    return "-".join(filter(None, [name, short]))


def cut_bytes(text: str, size: int) -> str:
    """The longest beginning of `text` that has at most `size` bytes in UTF-8."""
    if text.isascii():
        return text[:size]
    return text.encode()[:size].decode(errors="ignore")
