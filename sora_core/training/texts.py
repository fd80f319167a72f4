"""Token ids of texts, in batches without padding. Axes: b texts, n tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from ..models.tokenizer import Tokenizer
from .sentences import shuffled


@dataclass(frozen=True, slots=True)
class Texts:
    """Token ids of texts in order of length, so that neighbours have equal lengths."""

    ids: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Tokenizer, seed: int) -> "Texts":
        """The ids of `texts`; texts of equal length are shuffled by `seed`."""
        rows = [tokenizer.tokenize(text).ids for text in shuffled(texts, seed)]
        return cls(tuple(sorted(rows, key=len)))

    def batch(self, tokens: int, generator: torch.Generator) -> Int[Tensor, "b n"]:
        """Texts of the same length as a randomly chosen one, with about `tokens` in total."""
        at = int(torch.randint(len(self.ids), (), generator=generator))
        length = len(self.ids[at])
        count = max(1, tokens // length)
        start = max(0, min(at, len(self.ids) - count))
        rows = [row for row in self.ids[start : start + count] if len(row) == length]
        return torch.tensor(rows or [self.ids[at]])


def calibration_texts(parts: Sequence[Texts], tokens: int, seed: int) -> list[Tensor]:
    """Batches of all `parts` in turn, with at least `tokens` in total."""
    generator, batches, found = torch.Generator().manual_seed(seed), [], 0
    while found < tokens:
        batches.append(parts[len(batches) % len(parts)].batch(512, generator))
        found += batches[-1].numel()
    return batches
