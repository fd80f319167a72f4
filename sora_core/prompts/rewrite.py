"""Texts by a language model: prompts rewritten in more detail, and captions of footage.

An answer is untrusted: markup is removed, its length is bounded, and a rewritten prompt must retain
every fact that the user stated.
"""

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
TOKENS = 512  # more than the longest paragraph that the instructions ask for
ANSWER_CHARACTERS = 20_000  # of an answer that are read

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
    """`text` rewritten in detail by `write`, if the answer retains every fact that `text` states.

    Otherwise, and for an empty answer, the built-in expansion, with a note that gives the reason.
    `write` gets an instruction and the prompt without markup. The facts of a text in another
    language than English are not checked, which the note states. PromptError as from `expand`.
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
    fault = faults(prompt, answered, language, style) if answered else "its answer is empty"
    built_in = expand(prompt, language, style=style, level=level, seed=seed)
    if fault:
        notes = (f"language model not followed: {fault}", built_in.note)
        return replace(built_in, note="\n".join(filter(None, notes)))
    if style == "sora-mini":  # put into the words of the model's training captions
        answered = expand(answered, language, style=style, level=level, seed=seed).text
    return Expansion(answered, built_in.retained, (answered,), "by the language model")


def answer(written: str, instruction: str) -> str:
    """The description in a language model's output; empty if there is none.

    Reasoning is removed, even if its start or end tag is missing, and so are prefaces, quotes and
    markup. An output that repeats a sentence of its `instruction` counts as empty.
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
    """A phrase that names up to five facts that `answered` loses or contradicts; empty if none."""
    if style == "sora-mini":
        found = scene_faults(prompt, answered, language.world)
    else:
        english = language.world.english
        quiet = frozenset((*english["quiet"], *english["function"])) | language.cinema.negations
        found = film_faults(prompt, answered, language.cinema, quiet)
    return f"it lost or contradicts {', '.join(found[:5])}" if found else ""


MAX_LONG_CAPTION = 1200  # characters of the full caption, at most
MAX_SHORT_CAPTION = 200  # characters of the short caption, at most
BREAK = "\u00b6"  # replaces line ends while reasoning, which can span lines, is removed


def question() -> str:
    """The question that accompanies frames of the footage."""
    return read_data(TEMPLATES / "describe.json")["ask"]


def captions(answer: str) -> tuple[str, str]:
    """The full and the short caption in `answer`, whose first line is the short one.

    A single line serves as both. PromptError for an empty answer.
    """
    plain = plain_prompt(f" {BREAK} ".join(answer.splitlines()), MAX_BYTES)
    lines = [line for line in map(clean_prompt, plain.split(BREAK)) if line]
    if not lines:
        raise PromptError("the language model's answer is empty: try another seed")
    short, *rest = lines
    return clean_prompt(" ".join(rest) or short, MAX_LONG_CAPTION), clean_prompt(
        short, MAX_SHORT_CAPTION
    )
