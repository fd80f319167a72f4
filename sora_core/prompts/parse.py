"""The facts that a prompt states about a scene of the small world, and its words beyond that world.

The parser reads a prompt phrase by phrase, from left to right, and assigns adjectives, motions and
places to things by simple rules of English word order.
"""

from dataclasses import dataclass, field, replace

from .vocabulary import World
from .words import Meaning, Phrase, Word, words

ATTRIBUTES = ("colour", "size", "pattern")
AS_CAMERA = {
    "left": "pan left",
    "right": "pan right",
    "toward": "zoom in",
    "away": "zoom out",
    "still": "static",
}


@dataclass(slots=True)
class StatedThing:
    """The stated attributes of one object; an attribute that was not stated is empty."""

    shape: str = ""
    colour: str = ""
    size: str = ""
    pattern: str = ""
    motion: str = ""
    verb: str = ""
    manner: str = ""


@dataclass(slots=True)
class Facts:
    """The facts of a prompt; those that were not stated are empty or False.

    `beyond`: words and facts that a scene of the world cannot show. `elsewhere`, `viewed`: some of
    these are about the place, or about the camera. `excluded`: negated (slot, value) pairs;
    `denied` and `refused`: the negated words that have a meaning, and those that have none.
    `trained`: every phrase is one of the training captions. `pushed`: a second thing is hit and
    moves. `mentions`, `misspelt`: each phrase and its meaning, each corrected word and its form.
    """

    things: list[StatedThing] = field(default_factory=list)
    floor: str = ""
    sky: str = ""
    camera: str = ""
    relation: str = ""
    hit: bool = False
    pushed: bool = False
    wall: bool = False
    elsewhere: bool = False
    viewed: bool = False
    trained: bool = True
    excluded: set[tuple[str, str]] = field(default_factory=set)
    beyond: list[str] = field(default_factory=list)
    mentions: list[tuple[str, Meaning]] = field(default_factory=list)
    misspelt: list[tuple[str, str]] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def understood(self) -> bool:
        """Whether one simple scene can show the whole prompt, so that it can be rewritten."""
        return not self.beyond


def parse(text: str, world: World) -> Facts:
    """The facts that `text` states, as values of the world's vocabulary."""
    parser = _Parser(world)
    for phrase in world.phrases.find([parser.spelt(word) for word in words(text)]):
        parser.read(phrase)
    return parser.finish()


class _Parser:
    """Reads a text once, phrase by phrase; its attributes say to what the next phrase belongs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.facts = Facts()
        self.pending: dict[str, str] = {}  # adjectives without a noun so far
        self.coming = StatedThing()  # a motion that precedes the thing that moves
        self.group: list[StatedThing] = []  # the things to which the next motion belongs
        self.count = 0  # a number word before the next noun
        self.opened = True  # after an article or "and": adjectives belong to the next noun
        self.referring = False  # after "the": the noun may be a thing that is known already
        self.joined = True  # the next thing shares the motion of the group
        self.viewing = False  # after "camera": the next words are about its movement
        self.placing = False  # after a preposition of place: unknown words name a place
        self.negated = ""  # the negation whose scope has not ended
        self.paused = True  # at the start, and after a punctuation mark
        self.moved = ""  # the last motion
        self.inverted = False  # the place precedes the things: "near a cube, a ball rolls"

    def spelt(self, word: Word) -> Word:
        """`word` with its spelling corrected; the correction is recorded."""
        meant = self.world.spelling.mend(word.text)
        if meant != word.text:
            self.facts.misspelt.append((word.text, meant))
        return replace(word, text=meant)

    def read(self, phrase: Phrase) -> None:
        """Takes the next phrase of the text into the facts."""
        english = self.world.english
        if phrase.text in ".,;:!?":
            self.settle()
            self.viewing = self.placing = False
            self.negated, self.paused = "", True
            return
        if self.negated and phrase.text in english["enders"]:
            self.negated = ""
        if self.viewing and self.view(phrase):
            return
        if phrase.text in english["placing"]:
            self.placing = True
        slot = phrase.meaning.slot if phrase.meaning else "unknown"
        match phrase.meaning:
            case Meaning("articles"):
                self.settle()
                if phrase.text not in ("and", "while") and not self.paused:
                    self.forget()
                self.opened = True
                self.referring = phrase.text == "the"
            case Meaning("count"):
                self.settle()
                self.opened, self.count = True, english["counts"][phrase.text]
            case Meaning("negations"):
                self.settle()
                self.negated = phrase.text
            case Meaning("quiet"):
                pass
            case Meaning("tails", value):
                if not self.negated and self.moved not in english["tails"][value]:
                    self.unknown(value)
            case Meaning("views"):
                self.settle()
                self.viewing = True
            case Meaning("manner", value):
                self.settle()
                for thing in self.group or [self.coming]:
                    thing.manner = value
            case None if self.negated:
                self.facts.refused.append(phrase.text)
            case None | Meaning("beyond"):
                self.settle()
                self.unknown(phrase.text)
            case Meaning(slot, value) as meaning:
                self.viewing = self.placing = False
                if self.negated:
                    self.facts.denied.append(f"{slot}: {phrase.text}")
                    self.exclude(slot, value)
                else:
                    self.facts.mentions.append((phrase.text, meaning))
                    self.facts.trained &= meaning.trained
                    self.state(slot, value, phrase.text)
        self.paused = False

    def view(self, phrase: Phrase) -> bool:
        """Whether `phrase`, after "camera", is about its movement, which it then records."""
        english = self.world.english
        meaning = phrase.meaning
        value = english["views_mean"].get(phrase.text, "")
        if meaning and meaning.slot == "motion":
            value = AS_CAMERA.get(meaning.value, value)
        if value and not self.negated:
            self.facts.trained = False
            self.facts.mentions.append((phrase.text, Meaning("camera", value)))
            self.once("camera", value, phrase.text)
            return True
        if phrase.text in english["views_pass"] or (meaning and meaning.slot in ("verb", "manner")):
            return True
        if meaning is None:
            self.facts.viewed = True
        return False

    def state(self, slot: str, value: str, text: str) -> None:
        """Records the fact `slot`: `value`, stated as `text`; a contradiction counts as unknown."""
        if slot in ATTRIBUTES:
            if self.pending.setdefault(slot, value) != value:
                self.unknown(text)
            return
        if slot == "shape":
            self.shape(value, text)
            return
        self.settle()
        match slot:
            case "motion" | "verb":
                self.moved = value
                for thing in [self.coming] if self.opened else self.group:
                    if getattr(thing, slot) not in ("", value):
                        self.unknown(text)
                    setattr(thing, slot, value)
                self.joined = False
            case "hit":
                pushed = text in self.world.table["hit"]["hit"]["alone"]
                self.facts.pushed |= pushed
                if not pushed:
                    self.facts.hit, self.joined = True, False
            case "wall":
                self.facts.wall = True
            case "beside":
                self.once("relation", value, text)
                self.joined, self.inverted = False, not self.facts.things
            case _:
                self.once(slot, value, text)

    def shape(self, value: str, text: str) -> None:
        """Records a noun: a known thing after "the", else as many new things as it counts.

        They take the pending adjectives and a motion that preceded them.
        """
        known = [thing for thing in self.facts.things if thing.shape == value]
        if self.referring and known and self.agrees(known[0]) and not self.coming.motion:
            self.group, self.pending = [known[0]], {}
        else:
            plural = text.endswith("s")
            if not self.joined:
                self.group = []
            for _ in range(self.count or (2 if plural else 1)):
                thing = StatedThing(value, **self.pending)
                thing.motion, thing.verb = self.coming.motion, self.coming.verb
                thing.manner = self.coming.manner
                self.group.append(thing)
                self.facts.things.append(thing)
            self.joined = not (self.coming.motion or self.inverted)
            self.coming = StatedThing()
        self.pending, self.count = {}, 0
        self.opened = self.referring = False

    def agrees(self, thing: StatedThing) -> bool:
        """Whether `thing` has all pending adjectives."""
        return all(getattr(thing, slot) == value for slot, value in self.pending.items())

    def settle(self) -> None:
        """Assigns adjectives that follow a thing to that thing."""
        if self.opened or not self.group:
            return
        for slot, value in self.pending.items():
            for thing in self.group[-1:]:
                if getattr(thing, slot) not in ("", value):
                    self.unknown(value)
                setattr(thing, slot, value)
        self.pending = {}

    def forget(self) -> None:
        """Records pending adjectives that never got a noun as unknown."""
        for value in self.pending.values():
            self.unknown(value)
        self.pending = {}

    def once(self, name: str, value: str, text: str) -> None:
        """Records the fact `name`: `value`; a second, different value counts as unknown."""
        if getattr(self.facts, name) not in ("", value):
            self.unknown(text)
        else:
            setattr(self.facts, name, value)

    def exclude(self, slot: str, value: str) -> None:
        """Records a negated fact; "no", "without" and "never" last up to a noun, others end."""
        self.facts.excluded.add((slot, value))
        if slot == "shape" or self.negated not in ("no", "without", "never"):
            self.negated = ""

    def unknown(self, text: str) -> None:
        """Records `text` as beyond the world, and whether it is about the place or the camera."""
        self.facts.beyond.append(text)
        self.facts.elsewhere |= self.placing or text in self.world.english["settings"]
        self.facts.viewed |= self.viewing

    def finish(self) -> Facts:
        """The facts, after the last phrase.

        Adjectives and motions without a noun become a thing without a shape, if there is no other.
        Whatever exceeds one simple scene, or contradicts the prompt itself, counts as unknown.
        """
        self.settle()
        facts = self.facts
        if not facts.things:
            for text, meaning in facts.mentions:
                if meaning.slot == "colour" and text in self.world.english["nominal"]:
                    self.unknown(text)
            loose = StatedThing(**self.pending)
            loose.motion, loose.verb = self.coming.motion, self.coming.verb
            loose.manner, self.coming, self.pending = self.coming.manner, StatedThing(), {}
            facts.things.append(loose)
        if not any(thing.motion or thing.verb for thing in self.group):
            for thing in self.group:
                thing.motion, thing.verb = self.coming.motion, self.coming.verb
        elif self.coming.motion or self.coming.verb:
            self.unknown(self.coming.motion or self.coming.verb)
        self.forget()
        pair = len(facts.things) == 2
        if pair and self.inverted:
            facts.things.reverse()
        moves = {thing.motion for thing in facts.things}
        if (
            len(facts.things) > 2
            or ((facts.hit or facts.pushed or facts.relation) and not pair)
            or (facts.wall and (pair or not moves <= {"", "left", "right"}))
            or (facts.hit and facts.relation)
            or facts.pushed > facts.hit
        ):
            self.unknown("more than one simple scene")
        for thing in facts.things:
            mentioned = [(slot, getattr(thing, slot)) for slot in ("shape", "motion", *ATTRIBUTES)]
            if facts.excluded & set(mentioned):
                self.unknown("a contradiction")
        return facts
