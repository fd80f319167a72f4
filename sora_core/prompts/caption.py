"""Captions for the facts of a prompt, in the words and sentences of the small world's captions."""

from collections.abc import Sequence
from dataclasses import replace

from .parse import Facts, StatedThing
from .vocabulary import World
from .words import seeded_choice, words

SIDEWAYS = ("left", "right")
DEPTH = ("toward", "away")


class CaptionWriter:
    """Completes the facts of a prompt and writes their caption; choices depend on `seed` alone.

    Stated facts get their most frequent trained words. `full` adds sizes and more sentences;
    `refused` words of the prompt are avoided.
    """

    def __init__(self, world: World, seed: int, full: bool, refused: Sequence[str] = ()) -> None:
        self.world = world
        self.seed = seed
        self.full = full
        self.refused = tuple(word.rstrip("s") for word in refused)  # "clouds" is no "cloud" either

    def completed(self, facts: Facts, before: Facts | None = None) -> Facts:
        """`facts` with every missing fact filled in, from `before` if stated there, else by seed.

        `before` holds the facts of earlier shots.
        """
        done = replace(facts, things=[replace(thing) for thing in facts.things])
        earlier = before.things if before else []
        done.camera = done.camera or self.camera(facts)
        for name in ("floor", "sky"):
            known = getattr(before, name) if before else ""
            stated = getattr(done, name)
            setattr(done, name, stated or known or self.choose(name, facts))
        for i, thing in enumerate(done.things):
            same = [known for known in earlier if known.shape == thing.shape or not thing.shape]
            known = same[0] if same else StatedThing()
            thing.shape = thing.shape or known.shape or self.choose("shape", facts, f"{i}")
            taken = {("colour", other.colour) for other in done.things if other is not thing}
            thing.colour = (
                thing.colour or known.colour or self.choose("colour", facts, f"{i}", taken)
            )
            if self.full:
                thing.size = thing.size or known.size or self.choose("size", facts, f"{i}")
            thing.pattern = thing.pattern or known.pattern
            ongoing = known.motion if known.motion in self.world.fill["motion"][done.camera] else ""
            thing.motion = thing.motion or ongoing or self.motion(i, thing, done)
        return done

    def missing(self, facts: Facts) -> list[str]:
        """The names of the facts that a caption needs and `facts` lack."""
        names = [name for name in ("floor", "sky", "camera") if not getattr(facts, name)]
        needed = ("shape", "colour", "size") if self.full else ("shape", "colour")
        for i, thing in enumerate(facts.things):
            names += [name for name in needed if not getattr(thing, name)]
            if not thing.motion and not (i and (facts.hit or facts.relation)):
                names.append("motion")
        return names

    def choose(
        self, slot: str, facts: Facts, which: str = "", taken: set[tuple[str, str]] | None = None
    ) -> str:
        """A value for `slot`, neither excluded by the prompt nor in `taken` if another is left.

        `which` distinguishes several choices for one slot.
        """
        barred = facts.excluded | (taken or set())
        free = [value for value in self.world.fill[slot] if (slot, value) not in barred]
        return seeded_choice(free or self.world.fill[slot], self.seed, slot + which)

    def camera(self, facts: Facts) -> str:
        """A camera for `facts`: static, unless the prompt excludes that."""
        if ("camera", "static") not in facts.excluded:
            return self.choose("camera", facts)
        instead = self.world.fill["camera instead"]
        free = [value for value in instead if ("camera", value) not in facts.excluded]
        return seeded_choice(free or instead, self.seed, "camera")

    def motion(self, i: int, thing: StatedThing, facts: Facts) -> str:
        """Still, unless the prompt has the thing move: a verb without a direction, a wall or a hit.

        These need a motion that fits the camera: sideways for a wall, a hit or a verb such as
        "rolls". A prompt that denies rest needs one too.
        """
        moves = thing.verb or facts.wall or facts.hit or ("motion", "still") in facts.excluded
        if not moves or (i and (facts.hit or facts.relation)):
            return "still"
        free: list[str] = self.world.fill["motion"][facts.camera]
        if facts.wall or facts.hit or thing.verb in ("roll", "slide", "go"):
            free = list(SIDEWAYS)
        allowed = [move for move in free if ("motion", move) not in facts.excluded]
        return seeded_choice(allowed or ["still"], self.seed, f"motion{i}")

    def caption(self, stated: Facts, facts: Facts) -> str:
        """A caption for `facts` in two to four sentences; `stated` are those of the prompt."""
        event = self.event(facts)
        floor = self.phrase("floor", stated.floor, facts.floor, facts.things[0])
        sky = self.phrase("sky", stated.sky, facts.sky, facts.things[0])
        camera = self.sentence("camera", stated.camera, facts.camera)
        forms = ["together", "sky first"]
        if self.full and not stated.sky:
            forms += ["light", "light", "ground"] if not stated.floor else ["light", "light"]
        match seeded_choice(forms, self.seed, "form"):
            case "light":
                parts = [f"{event} {floor}.", self.sentence("sky", "", facts.sky), camera]
            case "ground":
                ground = self.sentence("floor", "", facts.floor)
                light = self.sentence("sky", "", facts.sky)
                parts = [f"{event}.", f"The ground is {ground}.", light, camera]
            case "sky first":
                parts = [f"{sky}, {event} {floor}.", camera]
            case _:
                parts = [f"{event} {floor} {sky}.", camera]
        return " ".join(part[0].upper() + part[1:] for part in parts)

    def phrase(self, slot: str, stated: str, value: str, main: StatedThing) -> str:
        """A phrase for `value` within a sentence about `main`.

        The most frequent phrase for a stated value, else one drawn by seed. "across" needs a
        sideways motion.
        """
        phrases = self.unrefused(self.world.table[slot][value]["trained"])
        if stated:
            return phrases[0]
        fit = [
            phrase
            for phrase in phrases
            if not phrase.startswith("across ") or main.motion in SIDEWAYS
        ]
        return seeded_choice(fit, self.seed, f"{slot} phrase")

    def sentence(self, slot: str, stated: str, value: str) -> str:
        """A sentence of its own for `value`: the most frequent if `stated`, else drawn by seed."""
        phrases = self.unrefused(self.world.table[slot][value]["alone"])
        return phrases[0] if stated else seeded_choice(phrases, self.seed, f"{slot} sentence")

    def unrefused(self, phrases: list[str]) -> list[str]:
        """The `phrases` without a refused word, or all of them if each has one."""
        free = [
            phrase
            for phrase in phrases
            if not any(w.text.startswith(self.refused) for w in words(phrase))
        ]
        return free or phrases

    def event(self, facts: Facts) -> str:
        """The clause about the things of a scene: their motions, a wall, a hit or a relation."""
        main, *others = facts.things
        clause = f"{self.noun(main)} {self.moves(main)}"
        if not others:
            behind = self.world.first("wall", "behind")
            return f"{clause} and {behind}" if facts.wall else clause
        second = self.noun(others[0])
        if facts.hit:
            hit = self.world.table["hit"]["hit"]
            return f"{clause} and {hit['trained'][0]} {second}, and {hit['alone'][0]}"
        if facts.relation and others[0].motion == "still":
            return f"{clause} {facts.relation} {second}"
        if main.motion == others[0].motion == "still":
            return f"{self.noun(main)} and {second} stand still"
        return f"{clause} while {second} {self.moves(others[0])}"

    def noun(self, thing: StatedThing) -> str:
        """The noun phrase for `thing` with its article, such as "a small striped red ball"."""
        pattern = self.world.first("pattern", thing.pattern) if thing.pattern else ""
        size = self.world.first("size", thing.size) if thing.size else ""
        colour, shape = (
            self.world.first("colour", thing.colour),
            self.world.first("shape", thing.shape),
        )
        phrase = " ".join(filter(None, (size, pattern, colour, shape)))
        return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"

    def moves(self, thing: StatedThing) -> str:
        """The verb phrase for the motion of `thing`, such as "rolls slowly to the left"."""
        where = self.world.first("motion", thing.motion)
        manner = f"{thing.manner} " if thing.manner else ""
        if thing.motion not in (*SIDEWAYS, *DEPTH):
            return f"{manner}{where}"
        natural = "roll" if thing.shape == "ball" else "slide"
        verb = thing.verb if thing.verb in ("roll", "slide") else natural
        return f"{self.world.first('verb', verb)} {manner}{where}"
