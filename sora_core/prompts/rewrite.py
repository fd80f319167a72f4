"""A prompt said more fully by a language model, and held to what the user stated."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .check import film_faults, scene_faults
from .expansion import LIMIT, Expansion, Language, check, expand, is_foreign
from .sanitize import clean_prompt, plain_prompt

INSTRUCTIONS = Path(__file__).parent / "instructions"
TOKENS = 512  # more than the longest paragraph that is asked for
READ = 20_000  # characters of an answer that are looked at

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
    said = plain_prompt(text, LIMIT)
    if level == "off" or not said:
        return expand(text, language, style=style, level=level, seed=seed)
    instruction = (INSTRUCTIONS / f"{style}.txt").read_text(encoding="utf-8")
    told = answer(write(f"{instruction}\nRequest: {said}"), instruction)
    if told and is_foreign(said, language.world):
        return Expansion(told, added=(told,), note="not in English: its facts are not checked")
    fault = faults(said, told, language, style) if told else "it said nothing"
    built_in = expand(said, language, style=style, level=level, seed=seed)
    if fault:
        notes = (f"language model not followed: {fault}", built_in.note)
        return replace(built_in, note="\n".join(filter(None, notes)))
    if style == "sora-mini":  # said again in the words that the model has learned
        told = expand(told, language, style=style, level=level, seed=seed).text
    return Expansion(told, built_in.kept, (told,), "by the language model")


def answer(written: str, instruction: str) -> str:
    """The description in what a model wrote; empty if there is none.

    Reasoning goes, also where it never ends or never began; so do prefaces, quotes and markup. An
    answer that recites its `instruction` is none.
    """
    visible = clean_prompt(written[:READ].encode("utf-8", "replace").decode(), READ)
    told = plain_prompt(_UNOPENED.sub(" ", _REASONED.sub(" ", visible)), READ)
    told = _PREFACE.sub("", told.replace("*", "")).strip(" \"'")
    if any(line and line in told for line in clean_prompt(instruction, READ).split(". ")):
        return ""
    if len(told) <= LIMIT:
        return told
    whole, stop, _ = told[:LIMIT].rpartition(". ")
    return f"{whole}." if stop else clean_prompt(told, LIMIT)


def faults(said: str, told: str, language: Language, style: str) -> str:
    """In a few words what `told` loses or contradicts; empty if nothing."""
    if style == "sora-mini":
        found = scene_faults(said, told, language.world)
    else:
        english = language.world.english
        quiet = frozenset((*english["quiet"], *english["function"])) | language.cinema.negations
        found = film_faults(said, told, language.cinema, quiet)
    return f"it lost or contradicts {', '.join(found[:5])}" if found else ""
