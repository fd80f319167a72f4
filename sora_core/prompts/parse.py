"""What a prompt states about a scene of the small world, and what in it goes beyond that world."""

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
    """One object as far as it was described; what was not said is empty."""

    shape: str = ""
    colour: str = ""
    size: str = ""
    pattern: str = ""
    motion: str = ""
    verb: str = ""
    manner: str = ""


@dataclass(slots=True)
class Facts:
    """All that was stated; `beyond` holds the words the world has no meaning for."""

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
        """Whether the whole prompt fits one simple scene, so that it can be said anew."""
        return not self.beyond


def parse(text: str, world: World) -> Facts:
    """What `text` states, in the world's own terms."""
    reader = _Reader(world)
    for phrase in world.phrases.find([reader.spelt(word) for word in words(text)]):
        reader.read(phrase)
    return reader.finish()


class _Reader:
    """Goes through a text once, and keeps what the next words may belong to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.facts = Facts()
        self.pending: dict[str, str] = {}
        self.coming = StatedThing()  # motion said before the thing that moves
        self.group: list[StatedThing] = []
        self.count = 0
        self.opened = True  # an article or "and" was said: adjectives belong to what follows
        self.referring = False
        self.joined = True  # the next thing shares the motion of the group
        self.viewing = False
        self.placing = False
        self.negated = ""
        self.paused = True  # nothing was said since the last mark
        self.moved = ""  # the motion last said
        self.inverted = False  # a place was said before the things: "near a cube, a ball rolls"

    def spelt(self, word: Word) -> Word:
        meant = self.world.spelling.mend(word.text)
        if meant != word.text:
            self.facts.misspelt.append((word.text, meant))
        return replace(word, text=meant)

    def read(self, phrase: Phrase) -> None:
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
        """Takes the words after "camera" as its movement; whether they were about it."""
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
        return all(getattr(thing, slot) == value for slot, value in self.pending.items())

    def settle(self) -> None:
        """Gives adjectives that follow a thing to that thing."""
        if self.opened or not self.group:
            return
        for slot, value in self.pending.items():
            for thing in self.group[-1:]:
                if getattr(thing, slot) not in ("", value):
                    self.unknown(value)
                setattr(thing, slot, value)
        self.pending = {}

    def forget(self) -> None:
        """Says of adjectives whose thing never came that they are unknown."""
        for value in self.pending.values():
            self.unknown(value)
        self.pending = {}

    def once(self, name: str, value: str, text: str) -> None:
        if getattr(self.facts, name) not in ("", value):
            self.unknown(text)
        else:
            setattr(self.facts, name, value)

    def exclude(self, slot: str, value: str) -> None:
        self.facts.excluded.add((slot, value))
        if slot == "shape" or self.negated not in ("no", "without", "never"):
            self.negated = ""

    def unknown(self, text: str) -> None:
        self.facts.beyond.append(text)
        self.facts.elsewhere |= self.placing or text in self.world.english["settings"]
        self.facts.viewed |= self.viewing

    def finish(self) -> Facts:
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
                self.unknown("not what it is")
        return facts
