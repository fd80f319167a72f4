"""Random video prompts from a wide grammar: things, counts, relations, changes, cameras, shots."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from numpy.random import PCG64, Generator

PHRASES = Path(__file__).with_name("phrasing.json")
NOUNS = ("toys", "toys", "beings", "vehicles", "plants")

GrammarPhrases = Mapping[str, Sequence[str]]


def read_phrases() -> GrammarPhrases:
    """The words and clauses of the grammar, by kind."""
    return json.loads(PHRASES.read_text(encoding="utf-8"))


def prompt(seed: int, phrases: GrammarPhrases) -> str:
    """A random prompt, the same for the same `seed`."""
    return _Phrasing(Generator(PCG64([seed, 7])), phrases).prompt()


class _Phrasing:
    """Draws words and joins them to clauses."""

    def __init__(self, rng: Generator, phrases: GrammarPhrases) -> None:
        self.rng, self.phrases = rng, phrases

    def pick(self, choices: str | Sequence[str]) -> str:
        """One of `choices`, or of the phrases of that kind."""
        if isinstance(choices, str):
            choices = self.phrases[choices]
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def prompt(self) -> str:
        """A noun phrase, a list of tags, a storyboard, or one to several sentences."""
        match int(self.rng.integers(12)):
            case 0:
                return self.thing(self.noun())
            case 1:
                return self.tags()
            case 2:
                return self.storyboard()
            case 3 | 4:
                return self.written(self.sentence(), self.sentence(), self.camera())
            case 5:
                parts = [self.sentence() for _ in range(int(self.rng.integers(2, 5)))]
                return self.written(*parts, self.camera(), self.pick("styles"))
            case _:
                return self.sentence() + (f", {self.camera()}" if self.chance(0.3) else "")

    def noun(self) -> str:
        return self.pick(self.pick(NOUNS))

    def thing(self, noun: str) -> str:
        """A noun phrase for `noun` with colour, look, count or determiner at random."""
        words = [noun]
        if self.chance(0.6):
            words.insert(0, self.pick("colours"))
        if self.chance(0.4):
            words.insert(0, self.pick("looks"))
        phrase = " ".join(words)
        if self.chance(0.15):
            plural = noun if noun.endswith(("sh", "s", "people")) else f"{noun}s"
            return f"{self.pick('counts')} {' '.join([*words[:-1], plural])}"
        if self.chance(0.15):
            which = self.pick(("the", "the other", "another", "one", "his", "her", "this"))
            return f"{which} {phrase}"
        return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"

    def clause(self) -> str:
        """A clause about an action, an interaction, a position or a change."""
        match int(self.rng.integers(10)):
            case 0 | 1 | 2:
                return f"{self.thing(self.pick('toys'))} {self.pick('moves')}"
            case 3:
                return f"{self.thing(self.pick('beings'))} {self.pick('acts')}"
            case 4:
                return f"{self.thing(self.pick('vehicles'))} {self.pick('drives')}"
            case 5:
                deed = self.pick("deeds")
                return f"{self.thing(self.noun())} {deed} {self.thing(self.noun())}"
            case 6:
                deed = self.pick("passives")
                return f"{self.thing(self.noun())} {deed} {self.thing(self.noun())}"
            case 7:
                where = f"{self.pick('relations')} {self.thing(self.noun())}"
                verb = self.pick(("is", "stands", "sits", "rests", "lies", "waits"))
                return f"{self.thing(self.noun())} {verb} {where}"
            case 8:
                return self.filled(self.pick("changes"))
            case _:
                verb = self.pick(("there is", "we see", "a video of", "a shot of", "imagine"))
                return f"{verb} {self.thing(self.noun())}"

    def filled(self, pattern: str) -> str:
        """`pattern` with {a} and {b} replaced by things, {c} by a colour and {n} by a noun."""
        return (
            pattern.replace("{a}", self.thing(self.noun()))
            .replace("{b}", self.thing(self.noun()))
            .replace("{c}", self.pick("colours"))
            .replace("{n}", self.noun())
        )

    def sentence(self) -> str:
        """A clause with floor, place, light, a second clause, negation and time at random."""
        text = self.clause()
        if self.chance(0.5):
            text += f" {self.pick(('on', 'on', 'across', 'over'))} {self.pick('floors')}"
        if self.chance(0.25):
            text += f" {self.pick('places')}"
        if self.chance(0.4):
            text = self.joined(text, self.pick("lights"))
        if self.chance(0.25):
            link = self.pick(("and", "while", "then", "and then", "before", "after", "as", "until"))
            text += f" {link} {self.clause()}"
        if self.chance(0.12):
            text += f", {self.filled(self.pick('negations'))}"
        return f"{self.pick('times')}, {text}" if self.chance(0.1) else text

    def joined(self, text: str, light: str) -> str:
        return f"{light}, {text}" if self.chance(0.25) else f"{text} {light}"

    def camera(self) -> str:
        return self.filled(self.pick("cameras"))

    def tags(self) -> str:
        parts = [self.thing(self.noun()), self.pick("floors"), self.pick("lights"), self.camera()]
        return ", ".join([*parts, self.pick("styles")][: int(self.rng.integers(2, 6))])

    def storyboard(self) -> str:
        shots = int(self.rng.integers(2, 4))
        head = self.pick(("Shot {}:", "Scene {}.", "{}.", "[{}s]"))
        return " ".join(f"{head.format(i + 1)} {self.sentence()}." for i in range(shots))

    def written(self, *parts: str) -> str:
        return " ".join(f"{part[0].upper()}{part[1:]}." for part in parts)
