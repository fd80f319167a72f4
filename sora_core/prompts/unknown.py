"""The words of a prompt that the shipped model's world does not know."""

import re
from itertools import pairwise

from .parse import ATTRIBUTES, parse
from .vocabulary import World
from .words import LEXICON, Phrase, Word, read_data, words

NAMED = 12  # words in a note
LONGEST = 40  # characters of a word in a note
MAX_READ = 4000  # characters: the text encoder reads 128 word pieces

_WEIGHT = re.compile(r":\s*[\d.]+\s*\)")


def unknown_words(prompt: str, world: World) -> list[str]:
    """The words of `prompt` without a meaning in `world`, as written, each once.

    Function words, weights such as `(word:1.3)`, times and negated words ("no people") do not
    count. A setting that the world only resembles, such as a street, counts unless the whole phrase
    occurs in training captions. So does a colour or size used as a noun, such as the cherry in "a
    cherry spins".
    """
    text = _WEIGHT.sub(")", prompt[:MAX_READ])
    refused = set(parse(text, world).refused)
    known = {*read_data(LEXICON / "grammar.json")["grammar"], *world.english["quiet"]}
    known.update(*(world.english[name] for name in ("function", "placing", "views_pass", "views")))
    phrases = list(world.phrases.find([_mended(word, world) for word in words(text)]))
    found: dict[str, str] = {}
    for phrase, following in pairwise([*phrases, Phrase("", len(text), len(text), None)]):
        if phrase.text in refused or not _is_beyond(phrase, following, world):
            continue
        for word in words(text[phrase.start : phrase.end]):
            if word.is_mark or word.text in known:
                continue
            if word.text.isdigit() and (not following.meaning or following.meaning.slot != "shape"):
                continue
            written = text[phrase.start + word.start : phrase.start + word.end]
            found.setdefault(word.text, written)
    return list(found.values())


def unknown_note(prompt: str, world: World) -> str:
    """One sentence that names the unknown words of `prompt`; empty where there are none."""
    unknown = unknown_words(prompt, world)
    if not unknown:
        return ""
    named = [w if len(w) <= LONGEST else f"{w[:LONGEST]}..." for w in unknown[:NAMED]]
    more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
    return (
        f"The small world of sora-mini does not know: {', '.join(named)}{more}. "
        "It shows balls, cubes, cylinders and cones on six floors, by day, at sunset and at night."
    )


def _mended(word: Word, world: World) -> Word:
    """`word` with its spelling corrected; the plural of an attribute ("mammoths") is no mistake."""
    meant = world.spelling.mend(word.text)
    meaning = world.phrases.meanings.get(meant)
    if word.text == f"{meant}s" and meaning and meaning.slot in ATTRIBUTES:
        return word
    return Word(meant, word.start, word.end)


def _is_beyond(phrase: Phrase, following: Phrase, world: World) -> bool:
    meaning = phrase.meaning
    if meaning is None or meaning.slot == "beyond":
        return True
    if meaning.slot in ATTRIBUTES and _names_a_thing(phrase, following, world):
        return True
    return phrase.text in world.english["settings"] and not meaning.trained


def _names_a_thing(phrase: Phrase, following: Phrase, world: World) -> bool:
    """Whether an attribute that can be a noun ("orange", "giant") is one: a verb follows it."""
    meaning = phrase.meaning
    can_name = phrase.text in world.english["nominal"] or phrase.text in ("giant", "mammoth")
    acts = following.meaning is not None and following.meaning.slot in ("motion", "verb", "hit")
    return bool(meaning) and can_name and acts
