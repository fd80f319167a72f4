"""Prompt weights in ComfyUI's syntax: `(word)` has weight 1.1 and `(word:1.3)` weight 1.3."""

import re
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from ..errors import PromptError

NESTING = 1.1
MAX_WEIGHT = 8.0

_BRACKET = re.compile(r"(\\[()]|[()])")
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*")


@dataclass(frozen=True, slots=True)
class WeightedText:
    """Part of a prompt and its weight; PromptError for a weight outside [0, 8]."""

    text: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= MAX_WEIGHT:
            raise PromptError(
                f"prompt weight {self.weight:.4g} of '{self.text[:40]}': choose from 0 to "
                f"{MAX_WEIGHT:g}, or write \\( and \\) for plain brackets"
            )


def spans(prompt: str) -> list[WeightedText]:
    r"""The parts of `prompt` with their weights, without the brackets and numbers that set them.

    Each bracket multiplies the weight by 1.1; a number replaces the product. `\(` and `\)` are
    plain brackets, and so is a bracket without a partner. PromptError for a weight outside [0, 8].
    """
    pieces = _BRACKET.split(prompt)
    partner = _partners(pieces)
    closing = set(partner.values())
    weights = [1.0]
    plain: list[tuple[float, str]] = []
    for i, piece in enumerate(pieces):
        if i in partner:
            last = partner[i] - 1
            pieces[last], weight = _without_number(pieces[last])
            weights.append(weights[-1] * NESTING if weight is None else weight)
        elif i in closing:
            weights.pop()
        elif piece:
            plain.append((weights[-1], piece.removeprefix("\\") if i % 2 else piece))
    return [
        WeightedText("".join(text for _, text in run), weight)
        for weight, run in groupby(plain, key=itemgetter(0))
    ]


def _partners(pieces: list[str]) -> dict[int, int]:
    """The index of the closing bracket for that of each opening one; the others are plain text."""
    partner: dict[int, int] = {}
    opened: list[int] = []
    for i, piece in enumerate(pieces):
        if piece == "(":
            opened.append(i)
        elif piece == ")" and opened:
            partner[opened.pop()] = i
    return partner


def _without_number(text: str) -> tuple[str, float | None]:
    before, _, after = text.rpartition(":")
    number = _NUMBER.fullmatch(after) if ":" in text else None
    return (before, float(number[1])) if number else (text, None)
