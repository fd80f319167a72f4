"""Words for one shot: noun phrases and verbs, each with the facts that they state."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from numpy.random import Generator

from . import words
from .draw import Choice
from .facts import Fact
from .scene import TOWN_COLOURS, TownScene, TownThing
from .things import gait


@dataclass(slots=True)
class Clause:
    """A text and the facts that it states."""

    text: str
    facts: list[Fact] = field(default_factory=list)


class WordChoice:
    """Random choices of words."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng

    def pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)


class ShotWords:
    """Words for shot `index` of a scene, chosen so that all that they state is in `facts`.

    `named` has the identities of the things named so far: a later phrase refers back to them.
    `detail`, from 0 to 1, is the share of optional details that a phrase states.
    """

    def __init__(
        self, talk: WordChoice, scene: TownScene, index: int, facts: list[Fact], seconds: float
    ) -> None:
        self.talk, self.scene, self.index, self.facts = talk, scene, index, facts
        self.seconds = seconds
        self.stage = scene.shots[index].stage
        self.view = scene.shots[index].view
        self.named: set[int] = set()
        self.detail = 0.5
        subjects = [t for t in self.stage.things if t.identity == scene.subject]
        self.subject = (subjects or list(self.stage.things))[0]

    def true(self, what: str, thing: int | None = None) -> list[Fact]:
        return [f for f in self.facts if f.what == what and thing in (None, f.thing)]

    def noun(self, thing: TownThing, definite: bool = False) -> Clause:
        """A thing with its article and as many attributes as `detail` asks for."""
        talk, k = self.talk, thing.identity
        again = k in self.named
        same = bool(self.true("same", k)) and not again
        self.named.add(k)
        word = talk.pick(words.KIND_NAMES[thing.kind])[0]
        facts = [Fact("kind", thing.kind, k, shot=self.index)]
        if again and talk.chance(0.6) and self.alone_of(thing):
            return Clause(f"the {word}", facts)
        colour = next(f.value for f in self.facts if f.what == "colour" and f.thing == k)
        facts.append(Fact("colour", colour, k, shot=self.index))
        name = talk.pick(words.TOWN_COLOUR_WORDS[colour])
        front, after = [name, word], ""
        if thing.kind in words.DRESSED and talk.chance(0.6):
            after = f" in a {name} {talk.pick(words.DRESSES[thing.kind])}"
            front = [word]
        elif talk.chance(0.06):
            front, after = [word], f" that is {name}"
        elif talk.chance(0.05):
            wrong = self.other(TOWN_COLOURS, colour)
            front, after = [word], f" that is not {wrong} but {name}"
            facts.append(Fact("colour", wrong, k, shot=self.index, negated=True))
        if thing.pattern == "striped" and talk.chance(0.35 + 0.6 * self.detail):
            front = ["striped", *front]
            facts.append(Fact("pattern", "striped", k, shot=self.index))
        share = 0.55 * self.detail * (0.4 if thing.size == "medium" else 1.0)
        if talk.chance(share):
            front = [talk.pick(words.SIZE_PHRASES[thing.size]), *front]
            facts.append(Fact("size", thing.size, k, shot=self.index))
        phrase = " ".join(front)
        if same and talk.chance(0.7):
            facts.append(Fact("same", "", k, shot=self.index))
            return Clause(f"the same {phrase}{after}", facts)
        if definite or again:
            return Clause(f"the {phrase}{after}", facts)
        return Clause(f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}{after}", facts)

    def alone_of(self, thing: TownThing) -> bool:
        return sum(t.kind == thing.kind for t in self.stage.things) == 1

    def other(self, choices: Sequence[str], but: str) -> str:
        return self.talk.pick([choice for choice in choices if choice != but])

    def motions(self, thing: TownThing, motions: list[Fact]) -> Clause:
        """ "rolls left", "first walks left, then jumps", "is spinning"."""
        talk = self.talk
        groups = [list(g) for _, g in groupby(motions, key=lambda fact: fact.order)]
        progressive = len(groups) == 1 and talk.chance(0.3)
        phrases = []
        for group in groups:
            forms = [self.verb(thing, fact.value) for fact in group]
            phrases.append(" and ".join(f[1] if progressive else f[0] for f in forms))
        if progressive:
            text = phrases[0] if phrases[0].startswith("not ") else f"is {phrases[0]}"
            text = "is not moving" if text == "not moving" else text
        elif len(phrases) == 1:
            text = phrases[0]
        elif len(phrases) == 2:
            form = talk.pick(
                ("first {}, then {}", "{} and then {}", "{}, then {}", "{}; at the end it {}")
            )
            if "stop" not in (fact.value for fact in motions):
                form = talk.pick((form, form, "{} before it {}"))
            text = form.format(*phrases)
        else:
            text = "first " + ", then ".join(phrases[:-1]) + f" and finally {phrases[-1]}"
        return Clause(text, list(motions))

    def verb(self, thing: TownThing, name: str) -> words.Forms:
        if name in words.DIRECTION_PHRASES:
            verb = self.talk.pick(words.TRAVEL_PHRASES[gait(thing)])
            direction = self.talk.pick(words.DIRECTION_PHRASES[name])
            return f"{verb[0]} {direction}", f"{verb[1]} {direction}"
        return self.talk.pick(words.TOWN_MOTION_PHRASES[name])
