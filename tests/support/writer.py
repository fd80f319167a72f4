"""A fake CLIP with text generation: it records prompts and returns fixed answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Tokens = list[list[tuple[Any, float]]]


@dataclass
class Writer:
    """Has the three methods of the host's CLIP for text generation; a token is a character.

    Images come first, unless it is `blind`.
    """

    answer: Callable[[str], str]
    blind: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)

    def tokenize(self, text: str, **options: Any) -> dict[str, Tokens]:
        self.asked.append({"text": text, **options})
        observed = [] if self.blind or options.get("image") is None else options["image"]
        pictures = [({"type": "image", "data": picture}, 1.0) for picture in observed]
        return {"writer": [pictures + [(ord(letter), 1.0) for letter in text]]}

    def generate(self, tokens: dict[str, Tokens], max_length: int, **sampling: Any) -> list[int]:
        self.asked[-1] |= {"max_length": max_length, **sampling}
        read = "".join(chr(piece) for piece, _ in tokens["writer"][0] if isinstance(piece, int))
        return [ord(letter) for letter in self.answer(read)][:max_length]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))
