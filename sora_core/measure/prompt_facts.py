"""The facts of held-out prompts, and the faults of expansions, without the parser under test.

Facts are annotated by hand, and found in texts by regular expressions of their own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..prompts.expansion import Expansion
from ..world import scene, words

RETAINED = "kept"  # marks a prompt beyond the small world, of which no word may change


def plain_words(text: str) -> str:
    """`text` in lower case, without punctuation."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def plain_phrases(*phrases: Iterable[str]) -> tuple[str, ...]:
    """All `phrases` in one tuple, each as `plain_words`."""
    return tuple(plain_words(phrase) for some in phrases for phrase in some)


SETTING: Mapping[str, Mapping[str, Sequence[str]]] = {
    "floor": {
        floor: plain_phrases(
            phrases, (phrase.replace("across ", "on ") for phrase in phrases), words.GROUNDS[floor]
        )
        for floor, phrases in words.FLOOR_PHRASES.items()
    },
    "sky": {
        sky: plain_phrases(words.SKY_PHRASES[sky], words.LIGHTS[sky]) for sky in words.SKY_PHRASES
    },
    "camera": {
        camera: plain_phrases(words.CAMERA_SENTENCES[camera], words.WITH_CAMERA[camera])
        for camera in words.CAMERA_SENTENCES
    },
}
STATED_MOTIONS = {
    motion: plain_phrases(phrases, ("stand still",) if motion == "still" else ())
    for motion, phrases in words.MOTION_PHRASES.items()
}
NOUN = re.compile(
    r"(?:(small|little|tiny|medium-sized|mid-sized|medium|large|big|huge),? )?"
    r"(?:(striped|\w+) )??(red|orange|yellow|green|blue|purple|white) (ball|cube|cylinder|cone)"
)
AGAINST = {
    "night": r"day|sun|sunny|sunlight|daylight|clear natural",
    "day": r"night|moon|low|interior",
    "low": r"night|noon|moon|clear natural",
    "near": r"(wide|full|medium) shot|deep focus|24mm",
    "wide": r"close-up|medium|full shot|85mm|shallow",
    "static": r"pan|push|tracking|follow|follows|travels",
    "moving": r"camera|pan|push|tracking|steady|static",
    "travel": r"holds steady|static",
    "underwater": r"sun|sky|daylight|interior|warm",
    "space": r"sky|daylight|natural light|interior|blue",
    "drawn": r"mm|lens|shot on|35mm|50mm|85mm|24mm",
    "grey": r"warm|colou?r|blue|golden",
    "wet": r"sun|clear|warm",
    "mist": r"clear natural|warm",
    "light": r"light",
    "pace": r"motion",
    "mood": r"mood|atmosphere",
    "lens": r"lens",
}
"""By fact of a general prompt: a pattern of what an expansion of it must not add."""


@dataclass(frozen=True, slots=True)
class PromptCase:
    """A prompt and its annotated facts: words of the world, or keys of `AGAINST`; `!x` bans x."""

    prompt: str
    stated: str

    @property
    def things(self) -> list[list[str]]:
        """The facts about each thing, and about its place, in order of the things."""
        facts = [fact.replace("-", " ") for fact in re.findall(r"[^\s!]\S*|;", self.allowed)]
        ends = [i for i, fact in enumerate(facts) if fact == ";"]
        return [facts[a + 1 : b] for a, b in pairwise([-1, *ends, len(facts)])]

    @property
    def allowed(self) -> str:
        """The facts without the banned ones."""
        return re.sub(r"!\S+", "", self.stated)

    @property
    def banned(self) -> list[str]:
        """The banned words."""
        return re.findall(r"!(\S+)", self.stated)


@dataclass(frozen=True, slots=True)
class Faults:
    """The facts of a prompt that its expansion contradicts, and those that it loses."""

    against: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def read_cases(path: Path) -> list[PromptCase]:
    """The annotated prompts in the file at `path`, one per line: prompt => facts."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [PromptCase(*map(str.strip, line.partition("=>")[::2])) for line in lines]


def world_faults(case: PromptCase, expansion: Expansion) -> Faults:
    """The faults of a rewritten scene, or of sentences added to a prompt beyond the small world."""
    appended = bool(expansion.note)  # then the prompt itself has to stand, and loses nothing
    if appended and not stands_in(case.prompt, expansion.text):
        return Faults(lost=("words",))
    new = expansion.text
    if appended:
        new = plain_words(new)[len(plain_words(case.prompt)) :]
    if case.stated == RETAINED:
        return Faults(lost=() if appended else ("words",))
    setting, things = setting_of(new), things_of(new)
    against = [f"{slot} {found}" for slot, found in setting.items() if len(found) > 1]
    against += [f"not {value}" for value in case.banned if states(value, new)]
    lost = []
    if not appended and len(things) != len(case.things):
        lost.append(f"{len(case.things)} things, not {len(things)}")
    for i, values in enumerate(case.things):
        attributes, moves = things[i] if i < len(things) else (set(), [])
        for value in values:
            slot = slot_of(value)
            if slot:
                stated = value in setting[slot]
                if set(setting[slot]) - {value}:
                    against.append(value)
            elif value in scene.MOTIONS:
                stated = value in moves or (not moves and states(value, new))
            else:
                stated = value in attributes
            if not stated and not appended:
                lost.append(value)
    return Faults(tuple(against), tuple(lost))


def slot_of(value: str) -> str:
    """The slot of the setting that `value` fills; "" for a value of a thing."""
    slot, _, other = value.partition(":")
    return slot if other else next((name for name in SETTING if value in SETTING[name]), "")


def general_faults(case: PromptCase, expansion: Expansion) -> Faults:
    """The faults of an expansion that must retain the prompt's words and append to them."""
    new = " ".join(expansion.added).lower()
    stated = [tag for tag in case.allowed.split() if re.search(rf"\b({AGAINST[tag]})\b", new)]
    banned = [word for word in case.banned if any_phrase((word,), new)]
    lost = () if stands_in(case.prompt, expansion.text) else ("words",)
    return Faults((*stated, *banned), lost)


def things_of(text: str) -> list[tuple[set[str], list[str]]]:
    """The things in a caption, in order, each with its attributes and its motions."""
    found = list(NOUN.finditer(text.lower()))
    starts = [*(noun.start() for noun in found), len(text)]
    things = []
    for noun, end in zip(found, starts[1:], strict=True):
        clause = text[noun.end() : end].partition(".")[0]
        size, pattern, colour, shape = noun.groups()
        moves = [move for move, phrases in STATED_MOTIONS.items() if any_phrase(phrases, clause)]
        sizes = [value for value, phrases in words.SIZE_WORDS.items() if size in phrases]
        things.append(({*sizes, pattern, colour, shape}, moves))
    return things


def setting_of(text: str) -> dict[str, list[str]]:
    """The floors, skies and camera movements that a caption names."""
    return {
        slot: [value for value, phrases in values.items() if any_phrase(phrases, text)]
        for slot, values in SETTING.items()
    }


def states(value: str, text: str) -> bool:
    """Whether a caption states `value`; a word without a meaning in the world is searched as is."""
    things = things_of(text)
    if value in scene.COLOURS:
        return any(value in attributes for attributes, _ in things)
    if value in scene.MOTIONS:
        return any_phrase(STATED_MOTIONS[value], text)
    if any(value in values for values in SETTING.values()):
        return any(value in found for found in setting_of(text).values())
    return bool(re.search(rf"\b{re.escape(value.rstrip('s'))}", text.lower()))


def any_phrase(phrases: Sequence[str], text: str) -> bool:
    """Whether `text` contains any of the plain `phrases`."""
    plain = f" {plain_words(text)} "
    return any(f" {phrase} " in plain for phrase in phrases)


def stands_in(prompt: str, text: str) -> bool:
    """Whether `text` begins with the words of `prompt`."""
    return f"{plain_words(text)} ".startswith(f"{plain_words(prompt)} ")
