"""Prompt expansion without a network: a short prompt becomes as detailed as training captions.

`expand` rewrites a scene of the small world in trained words, and appends visible
details and words about filming to a prompt for other models. The same seed and prompt give the same
text.
"""

import unicodedata
from dataclasses import dataclass

from ..errors import PromptError, check_choice
from . import cinematic
from .caption import CaptionWriter
from .cinematic import Cinema, fill_template, film_facts, read_cinema
from .parse import Facts, parse
from .sanitize import plain_prompt
from .vocabulary import World, read_world
from .words import words

EXPANSION_LEVELS = ("full", "light", "off")
EXPANSION_STYLES = ("sora-mini", *cinematic.FILM_STYLES)
MAX_PROMPT_BYTES = 2000  # characters
LATIN_SHARE = 0.7  # of the letters: a prompt with fewer Latin ones is in another script


@dataclass(frozen=True, slots=True)
class Expansion:
    """The text for the model, the facts retained and added, and a note about the result."""

    text: str
    retained: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    note: str = ""

    def diff(self) -> str:
        """One line for each retained fact (=) and each added one (+), and the note."""
        lines = [f"= {retained}" for retained in self.retained] + [
            f"+ {added}" for added in self.added
        ]
        return "\n".join([*lines, self.note] if self.note else lines)


@dataclass(frozen=True, slots=True)
class Language:
    """All vocabularies; read once, they serve any number of prompts."""

    world: World
    cinema: Cinema


def read_language() -> Language:
    """The vocabularies in this package's data files."""
    return Language(read_world(), read_cinema())


def expand(
    text: str,
    language: Language,
    *,
    style: str = "sora-mini",
    level: str = "full",
    seed: int = 0,
    before: str = "",
) -> Expansion:
    """`text` with its missing details filled in; every stated fact stays true.

    For the style sora-mini, a simple scene is rewritten in trained words; any other text stays
    unchanged and gets sentences appended. `before` is the text of earlier shots of the same scene;
    nothing added contradicts it. Text in another language is returned unchanged, with a note.
    PromptError for an unknown `style` or `level`, and for a text above 100,000 bytes.
    """
    check(style, level)
    prompt = plain_prompt(text, MAX_PROMPT_BYTES)
    if level == "off" or not prompt:
        return Expansion(prompt, note="" if prompt else "the prompt is empty")
    if is_foreign(prompt, language.world):
        return Expansion(prompt, note="not in English: unchanged")
    if style == "sora-mini":
        return _as_caption(prompt, language.world, level == "full", seed, before)
    return _as_film(prompt, language.cinema, style, level == "full", seed, before)


def check(style: str, level: str) -> None:
    """Raises PromptError unless `style` and `level` exist."""
    check_choice("style", style, EXPANSION_STYLES, PromptError)
    check_choice("level", level, EXPANSION_LEVELS, PromptError)


def is_foreign(text: str, world: World) -> bool:
    """Whether `text` is not English, by a simple rule.

    True if less than 70 % of its letters are Latin, or if it has more function words of other
    languages than of English.
    """
    letters = [character for character in text if character.isalpha()]
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    if letters and latin < LATIN_SHARE * len(letters):
        return True
    prompt_words = [word.text for word in words(text)]
    foreign = sum(word in world.english["foreign"] for word in prompt_words)
    return foreign > sum(word in world.english["function"] for word in prompt_words)


def _as_caption(prompt: str, world: World, full: bool, seed: int, before: str) -> Expansion:
    stated = parse(prompt, world)
    writer = CaptionWriter(world, seed, full, stated.refused)
    retained = tuple(f"{meaning.slot}: {text}" for text, meaning in stated.mentions)
    if not stated.understood:
        added = _setting_sentences(stated, writer, parse(before, world) if before else None)
        note = f"beyond the small world, so not rewritten: {', '.join(stated.beyond[:6])}"
        return _appended(prompt, retained, added, note)
    missing = writer.missing(stated)
    if not missing and stated.trained:
        return Expansion(prompt, retained)
    facts = writer.completed(stated, parse(before, world) if before else None)
    caption = writer.caption(stated, facts)
    return Expansion(caption, _retained(stated, world, caption), _difference(stated, facts))


def _retained(stated: Facts, world: World, caption: str) -> tuple[str, ...]:
    """The stated facts, with the words for each in the caption where these are others."""
    caption_words = " ".join(word.text for word in words(caption))
    retained = []
    for text, meaning in stated.mentions:
        other = f" {text} " not in f" {caption_words} " and meaning.slot != "verb"
        known = f' as "{world.first(meaning.slot, meaning.value)}"' if other else ""
        retained.append(f"{meaning.slot}: {text}{known}")
    retained += [f"without {text}" for text in (*stated.denied, *stated.refused)]
    return (*retained, *(f'spelling: {typed} as "{meant}"' for typed, meant in stated.misspelt))


def _difference(stated: Facts, facts: Facts) -> tuple[str, ...]:
    added = []
    for old, new in zip(stated.things, facts.things, strict=True):
        names = ("shape", "colour", "size", "pattern", "motion")
        added += [
            f"{name} of the {new.shape}: {getattr(new, name)}"
            for name in names
            if getattr(new, name) and not getattr(old, name)
        ]
    names = ("floor", "sky", "camera")
    added += [f"{name}: {getattr(facts, name)}" for name in names if not getattr(stated, name)]
    return tuple(added)


def _setting_sentences(stated: Facts, writer: CaptionWriter, before: Facts | None) -> list[str]:
    """Sentences about ground, light and camera, for those that the prompt does not mention."""
    done = writer.completed(stated, before)
    added = []
    if not (stated.elsewhere or stated.floor):
        added.append(f"The ground is {writer.sentence('floor', '', done.floor)}.")
    if not (stated.elsewhere or stated.sky):
        added.append(writer.sentence("sky", "", done.sky))
    if not (stated.viewed or stated.camera):
        added.append(writer.sentence("camera", "", done.camera))
    return added


def _as_film(
    prompt: str, cinema: Cinema, style: str, full: bool, seed: int, before: str
) -> Expansion:
    facts = film_facts(prompt, cinema)
    setting = film_facts(before, cinema).tags if before else frozenset()
    added = fill_template(prompt, facts, cinema, style, full, seed, setting)
    if cinema.templates[style]["as"] == "tags" and added:
        tags = ", ".join(added)
        added = [f"{tags[0].upper()}{tags[1:]}."]
    return _appended(prompt, tuple(f"{slot}: {text}" for slot, text in facts.mentions), added)


def _appended(
    prompt: str, retained: tuple[str, ...], added: list[str], note: str = ""
) -> Expansion:
    """`prompt` as a sentence, followed by the sentences of `added` that fit within the limit."""
    if not added:
        return Expansion(prompt, retained, note=note)
    text = prompt[0].upper() + prompt[1:]
    text = text if text[-1] in ".!?" else f"{text.rstrip(',;: ')}."
    fitting: list[str] = []
    for sentence in added:
        if len(text) + 1 + len(sentence) <= MAX_PROMPT_BYTES:
            text = f"{text} {sentence}"
            fitting.append(sentence)
    if not fitting:
        return Expansion(prompt, retained, note=note)
    return Expansion(text, retained, tuple(fitting), note)
