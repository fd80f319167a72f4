"""A prompt said more fully by a language model, and held to what the user stated."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import PromptError
from .check import film_faults, scene_faults
from .expansion import MAX_PROMPT_BYTES, Expansion, Language, check, expand, is_foreign
from .sanitize import MAX_BYTES, clean_prompt, plain_prompt
from .words import TEMPLATES, read_data

INSTRUCTIONS = Path(__file__).parent / "instructions"
TOKENS = 512  # more than the longest paragraph that is asked for
ANSWER_CHARACTERS = 20_000  # characters of an answer that are looked at

_REASONED = re.compile(
    r"<(think|thinking|reasoning|thought)>.*?(?:</\1>|$)", re.IGNORECASE | re.DOTALL
)
_UNOPENED = re.compile(r"^.*</(?:think|thinking|reasoning|thought)>", re.IGNORECASE | re.DOTALL)
_PREFACE = re.compile(
    r"^(?:(?:sure|certainly|here)\b[^.:]{0,80}:|(?:prompt|output|answer):)\s*", re.I
)


def rewrite(
    text: str,
    language: Language,
    write: Callable[[str], str],
    *,
    style: str = "sora-mini",
    level: str = "full",
    seed: int = 0,
) -> Expansion:
    """What `write` answers when asked to say `text` fully, if that keeps all that `text` states.

    Otherwise, and when nothing comes back, the built-in expansion, with a note that says why. No
    markup reaches `write`, and none of its answer is more than text of bounded length. Facts in
    other languages than English cannot be checked: the note says so.
    """
    check(style, level)
    prompt = plain_prompt(text, MAX_PROMPT_BYTES)
    if level == "off" or not prompt:
        return expand(text, language, style=style, level=level, seed=seed)
    instruction = (INSTRUCTIONS / f"{style}.txt").read_text(encoding="utf-8")
    answered = answer(write(f"{instruction}\nRequest: {prompt}"), instruction)
    if answered and is_foreign(prompt, language.world):
        return Expansion(
            answered, added=(answered,), note="not in English: its facts are not checked"
        )
    fault = faults(prompt, answered, language, style) if answered else "it said nothing"
    built_in = expand(prompt, language, style=style, level=level, seed=seed)
    if fault:
        notes = (f"language model not followed: {fault}", built_in.note)
        return replace(built_in, note="\n".join(filter(None, notes)))
    if style == "sora-mini":  # said again in the words that the model has learned
        answered = expand(answered, language, style=style, level=level, seed=seed).text
    return Expansion(answered, built_in.retained, (answered,), "by the language model")


def answer(written: str, instruction: str) -> str:
    """The description in what a model wrote; empty if there is none.

    Reasoning goes, also where it never ends or never began; so do prefaces, quotes and markup. An
    answer that recites its `instruction` is none.
    """
    visible = clean_prompt(
        written[:ANSWER_CHARACTERS].encode("utf-8", "replace").decode(), ANSWER_CHARACTERS
    )
    text = plain_prompt(_UNOPENED.sub(" ", _REASONED.sub(" ", visible)), ANSWER_CHARACTERS)
    text = _PREFACE.sub("", text.replace("*", "")).strip(" \"'")
    if any(
        line and line in text for line in clean_prompt(instruction, ANSWER_CHARACTERS).split(". ")
    ):
        return ""
    if len(text) <= MAX_PROMPT_BYTES:
        return text
    whole, stop, _ = text[:MAX_PROMPT_BYTES].rpartition(". ")
    return f"{whole}." if stop else clean_prompt(text, MAX_PROMPT_BYTES)


def faults(prompt: str, answered: str, language: Language, style: str) -> str:
    """In a few words what `answered` loses or contradicts; empty if nothing."""
    if style == "sora-mini":
        found = scene_faults(prompt, answered, language.world)
    else:
        english = language.world.english
        quiet = frozenset((*english["quiet"], *english["function"])) | language.cinema.negations
        found = film_faults(prompt, answered, language.cinema, quiet)
    return f"it lost or contradicts {', '.join(found[:5])}" if found else ""


MAX_CAPTION = 1200  # characters of the full caption
MAX_SHORT_CAPTION = 200  # and of the short one, at most
BREAK = "\u00b6"  # stands for the end of a line while reasoning, which may be of many, is removed


def question() -> str:
    """What to ask, beside some moments of the footage."""
    return read_data(TEMPLATES / "describe.json")["ask"]


def captions(answer: str) -> tuple[str, str]:
    """The full and the short caption in `answer`: its first line is the short one.

    An answer of a single line is both. Raises PromptError where nothing was said.
    """
    plain = plain_prompt(f" {BREAK} ".join(answer.splitlines()), MAX_BYTES)
    lines = [line for line in map(clean_prompt, plain.split(BREAK)) if line]
    if not lines:
        raise PromptError("the language model said nothing about the footage: try another seed")
    short, *rest = lines
    return clean_prompt(" ".join(rest) or short, MAX_CAPTION), clean_prompt(
        short, MAX_SHORT_CAPTION
    )
