"""The tokenizer: from text with prompt weights to weighted word pieces."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import AddedToken
from tokenizers import Tokenizer as Pieces
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from ..errors import ConfigError, PromptError
from .prompt_weights import spans

MAX_TOKENS = 128  # the length to which MiniLM was tuned
MAX_CHARACTERS = 100_000
CLS, SEP = 101, 102
SPECIAL = {0: "[PAD]", 100: "[UNK]", CLS: "[CLS]", SEP: "[SEP]", 103: "[MASK]"}
SURROGATES = {half: "\ufffd" for half in range(0xD800, 0xE000)}  # halves of a character


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text as word pieces, from [CLS] to [SEP], and the weight of each."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    truncated: bool = False


class Tokenizer:
    """BERT's lower-case WordPiece tokenizer; special tokens in a text count as plain text.

    `vocabulary` lists the pieces by id. ConfigError for duplicates, and unless the special tokens
    have their ids in BERT.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        ids = {piece: i for i, piece in enumerate(vocabulary)}
        if len(ids) < len(vocabulary):
            raise ConfigError(f"vocabulary: {len(vocabulary) - len(ids)} word pieces appear twice")
        for i, piece in SPECIAL.items():
            if ids.get(piece) != i:
                raise ConfigError(f"vocabulary: {piece} must have id {i}, as in BERT")
        self.vocabulary = tuple(vocabulary)
        self.words = Pieces(WordPiece(ids, unk_token=SPECIAL[100], max_input_chars_per_word=100))
        self.words.normalizer = BertNormalizer(lowercase=True)
        self.words.pre_tokenizer = BertPreTokenizer()
        self.words.add_special_tokens(
            [AddedToken(piece, special=True, normalized=False) for piece in SPECIAL.values()]
        )
        self.words.encode_special_tokens = True

    def tokenize(self, text: str) -> TokenizedText:
        """The word pieces of `text`, with weights such as `(red ball:1.3)` applied and removed.

        Text beyond 128 tokens is cut, and `truncated` is True. A lone surrogate, which is no
        character, becomes U+FFFD and is dropped. PromptError for a weight outside its range and for
        more than 100,000 characters.
        """
        if len(text) > MAX_CHARACTERS:
            raise PromptError(f"prompt of {len(text)} characters: at most {MAX_CHARACTERS}")
        ids, weights = [CLS], [1.0]
        for span in spans(text.translate(SURROGATES)):
            pieces = self.words.encode(span.text, add_special_tokens=False).ids
            ids += pieces
            weights += [span.weight] * len(pieces)
        limit = MAX_TOKENS - 1
        return TokenizedText(
            (*ids[:limit], SEP), (*weights[:limit], 1.0), truncated=len(ids) > limit
        )

    def untokenize(self, ids: Sequence[int]) -> list[str]:
        """The word piece of each id."""
        return [self.words.id_to_token(i) or "[UNK]" for i in ids]
