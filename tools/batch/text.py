"""Text from outside, harmless and short enough for a terminal, a log line and the manifest."""

import re
import unicodedata

MAX_MESSAGE = 400
MAX_VALUE = 60

# ASCII, Latin and CJK letters need no look at their category; everything else is looked up
PLAIN = re.compile(
    r"[\x20-\x7e\u2026\u00a1-\u00ac\u00ae-\u02ff\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]*"
)
UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str, limit: int = MAX_MESSAGE) -> str:
    """`text` on one line of at most `limit` characters, safe to write to a terminal.

    Line breaks and tabs become spaces. Control characters (terminal escapes among them), text
    direction overrides, lone surrogates and private or unassigned characters become U+FFFD.
    """
    cut = text[: limit + 1]
    if not PLAIN.fullmatch(cut):
        cut = "".join(map(harmless, re.sub(r"[ \t\r\n]+", " ", cut).strip()))
    return cut if len(cut) <= limit else cut[: limit - 1] + "\u2026"


def harmless(letter: str) -> str:
    return "\ufffd" if unicodedata.category(letter) in UNSAFE else letter


def describe(value: object) -> str:
    """`value` for a message: its text, or only its size if it is long or nested."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"a table of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return "a number of more than 38 digits"
    if isinstance(value, str):
        return repr(printable(value, MAX_VALUE))
    return printable(repr(value), MAX_VALUE)
