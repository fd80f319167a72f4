"""Storyboards: shots with times from a text, with consistent descriptions, and their expansion."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from ..errors import PromptError
from .expansion import Language, expand
from .sanitize import clean_prompt, plain_prompt
from .shots import PromptShot, parse_shots
from .words import LEXICON, Word, read_data, words

RECENT = 4  # earlier shots that a shot can continue
ARTICLES = ("a", "an", "the")
PRONOUNS = ("it", "he", "she")


def read_storyboard(text: str, seconds: float) -> list[PromptShot]:
    """The shots of `text`, in order and without gaps; the last ends at `seconds`.

    Shots without times share the seconds evenly. Later shots repeat the first description of a
    thing (`consistent`). PromptError for a length that is not positive, a shot without text, and as
    from `parse_shots`.
    """
    if not 0 < seconds < float("inf"):
        raise PromptError(f"a storyboard of {seconds:g} seconds: give the canvas more than 0")
    clean_prompt(text)  # raises for a text that is too large to parse
    shots = parse_shots(text, seconds)
    texts = consistent([plain_prompt(shot.text) for shot in shots])
    for i, shot_text in enumerate(texts, 1):
        if not shot_text:
            raise PromptError(f"shot {i} has no text: describe it, or remove it")
    return [replace(shot, text=shot_text) for shot, shot_text in zip(shots, texts, strict=True)]


def expanded(
    shots: list[PromptShot], language: Language, *, style: str, level: str, seed: int
) -> list[PromptShot]:
    """`shots` with each text expanded; missing details are taken from the four shots before it."""
    done: list[PromptShot] = []
    for shot in shots:
        before = " ".join(earlier.text for earlier in done[: -RECENT - 1 : -1])  # latest first
        fuller = expand(shot.text, language, style=style, level=level, seed=seed, before=before)
        done.append(replace(shot, text=fuller.text))
    texts = consistent([shot.text for shot in done])
    return [replace(shot, text=text) for shot, text in zip(done, texts, strict=True)]


def script(shots: list[PromptShot]) -> str:
    """A text with a line for each shot; `read_storyboard` parses it to the same shots."""
    return "\n".join(f"{shot.start:.6g}-{shot.end:.6g}s: {shot.text}" for shot in shots)


@dataclass(frozen=True, slots=True)
class _Noun:
    """A noun phrase with its article: the `name` is its last word, the others describe it."""

    start: int
    end: int
    article: str
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.words[-1]


def consistent(texts: list[str]) -> list[str]:
    """`texts` in which each thing has its first description everywhere.

    A later "the fox" becomes "the old red fox". "It", "he" or "she" at the start of a text becomes
    the thing at the start of the text before. "Another fox" and "a fox" stay unchanged.
    """
    english = read_data(LEXICON / "english.json")
    ends, scenery = frozenset(english["noun ends"]), frozenset(english["scenery"])
    known: dict[str, tuple[str, ...]] = {}
    leading = ""
    done = []
    for text in texts:
        parsed = words(text)
        if parsed and parsed[0].text in PRONOUNS and leading:
            text = f"The {leading}{text[parsed[0].end :]}"
            parsed = words(text)
        nouns = _nouns(parsed, ends, known)
        for noun in reversed(nouns):
            full = known.get(noun.name)
            settled = noun.article != "the" or noun.name in scenery
            if settled or not full or not set(noun.words) < set(full):
                continue
            text = f"{text[: noun.start]}{' '.join(full)}{text[noun.end :]}"
        nouns = _nouns(words(text), ends, known)
        for noun in nouns:
            known.setdefault(noun.name, noun.words)
        if nouns and nouns[0].start <= 4:
            leading = " ".join(known[nouns[0].name])
        done.append(text)
    return done


def _nouns(parsed: list[Word], ends: frozenset[str], known: Collection[str]) -> list[_Noun]:
    """The noun phrases of a text: an article and the words up to a verb or preposition.

    "The fox darts" is about the fox if a fox is `known`; "a fox darts" may be about fox darts.
    """
    found = []
    for i, word in enumerate(parsed):
        if word.text not in ARTICLES:
            continue
        noun_words: list[Word] = []
        for after in parsed[i + 1 : i + 7]:
            if after.is_mark or after.text in ends or after.text in ARTICLES:
                break
            if noun_words and (after.text.endswith("ing") or after.text == "with"):
                break
            noun_words.append(after)
            if word.text == "the" and after.text in known:
                break
        if noun_words:
            texts = tuple(each.text for each in noun_words)
            found.append(_Noun(noun_words[0].start, noun_words[-1].end, word.text, texts))
    return found
