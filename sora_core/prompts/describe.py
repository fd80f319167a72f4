"""What a language model is asked about footage, and its answer as captions."""

from ..errors import PromptError
from .sanitize import MAX_BYTES, clean_prompt, plain_prompt
from .words import TEMPLATES, read_data

LONGEST = 1200  # characters of the full caption
SHORTEST = 200  # and of the short one, at most
BREAK = "\u00b6"  # stands for the end of a line while reasoning, which may be of many, is removed


def question() -> str:
    """What to ask, beside some moments of the footage."""
    return read_data(TEMPLATES / "describe.json")["ask"]


def captions(answer: str) -> tuple[str, str]:
    """The full and the short caption in `answer`: its first line is the short one.

    An answer of a single line is both. Raises PromptError where nothing was said.
    """
    told = plain_prompt(f" {BREAK} ".join(answer.splitlines()), MAX_BYTES)
    lines = [line for line in map(clean_prompt, told.split(BREAK)) if line]
    if not lines:
        raise PromptError("the language model said nothing about the footage: try another seed")
    short, *rest = lines
    return clean_prompt(" ".join(rest) or short, LONGEST), clean_prompt(short, SHORTEST)
