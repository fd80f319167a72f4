"""Captions of scenes: a short one, and a long one that states every fact."""

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.random import PCG64, Generator

from . import words
from .scene import Scene, Thing


@dataclass(frozen=True, slots=True)
class SceneCaptions:
    """A short and a long caption of one scene."""

    short: str
    long: str


def describe(scene: Scene, seed: int, still: bool = False) -> SceneCaptions:
    """The captions of `scene` in words chosen by `seed`; `still` leaves out all motion."""
    writer = _SceneWriter(Generator(PCG64([seed, 1])), still)
    return SceneCaptions(writer.short(scene), writer.long(scene))


class _SceneWriter:
    """Draws words at random and joins them to captions."""

    def __init__(self, rng: Generator, still: bool) -> None:
        self.rng = rng
        self.still = still

    def pick(self, choices: Sequence[str]) -> str:
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def short(self, scene: Scene) -> str:
        """A phrase with colour, shape and motion, usually the floor, sometimes sky and camera."""
        text = self.event(scene, rich=False)
        if self.chance(0.85):
            text = f"{text} {self.floor(scene)}"
        if self.chance(0.45):
            text = f"{text} {self.pick(words.SKY_PHRASES[scene.sky])}"
        moving = scene.camera != "static"
        if not self.still and self.chance(0.85 if moving else 0.15):
            text = f"{text}, {self.pick(words.WITH_CAMERA[scene.camera])}"
        return text

    def long(self, scene: Scene) -> str:
        """Two to four sentences in varied order that state every fact."""
        event = self.event(scene, rich=True)
        camera = self.pick(words.CAMERA_SENTENCES[scene.camera])
        light = self.pick(words.LIGHTS[scene.sky])
        match self.rng.integers(4):
            case 0:
                parts = [f"{event} {self.floor(scene)}.", light, camera]
            case 1:
                sky = self.pick(words.SKY_PHRASES[scene.sky])
                parts = [f"{event} {self.floor(scene)} {sky}.", camera]
            case 2:
                ground = self.pick(words.GROUNDS[scene.floor])
                parts = [f"{event}.", f"The ground is {ground}.", light, camera]
            case _:
                sky = self.pick(words.SKY_PHRASES[scene.sky])
                parts = [f"{sky}, {event} {self.floor(scene)}.", camera]
        if self.still:
            parts = parts[:-1]
        elif self.chance(0.25):
            parts = [parts[-1], *parts[:-1]]
        return " ".join(part[0].upper() + part[1:] for part in parts)

    def floor(self, scene: Scene) -> str:
        text = self.pick(words.FLOOR_PHRASES[scene.floor])
        moves = scene.things[0].motion in ("left", "right") and not self.still
        return text if moves else text.replace("across ", "on ")

    def event(self, scene: Scene, rich: bool) -> str:
        """A clause for the things and their motions, without the place; `rich` names all looks."""
        main = scene.things[0]
        subject = self.thing(main, rich)
        if len(scene.things) == 1:
            if self.still:
                wall = f" {self.pick(words.WALLS)}" if scene.wall else ""
                return f"{subject}{wall}" if not rich else f"{subject} {self.rests(main)}{wall}"
            happens = f"{subject} {self.moves(main)}"
            if scene.wall and (rich or self.chance(0.7)):
                happens = f"{happens} and {self.pick(words.BEHIND)}"
            return happens
        other = scene.things[1]
        second = self.thing(other, rich)
        if self.still:
            return self.pick((f"{subject} and {second}", f"{subject} beside {second}"))
        if scene.collision:
            happens = f"{subject} {self.moves(main)} and {self.pick(words.HITS)} {second}"
            return f"{happens}, and {self.pick(words.PUSHED)}" if rich else happens
        if main.motion == other.motion == "still":
            pair = self.pick((f"{subject} and {second}", f"{second} and {subject}"))
            return f"{pair} {self.pick(('stand still', 'rest side by side', 'do not move'))}"
        if other.motion == "still" and self.chance(0.5):
            place = self.pick(("beside", "next to", "near"))
            if main.motion in ("left", "right"):
                place = self.pick(("past", "in front of"))
            return f"{subject} {self.moves(main)} {place} {second}"
        link = self.pick(("while", "and"))
        return f"{subject} {self.moves(main)} {link} {second} {self.moves(other)}"

    def thing(self, thing: Thing, rich: bool) -> str:
        """A noun phrase with its article; size and look always if `rich`, else sometimes."""
        colour, shape = (
            self.pick(words.COLOUR_WORDS[thing.colour]),
            self.pick(words.SHAPE_WORDS[thing.shape]),
        )
        adjectives, after = [colour, shape], ""
        if thing.pattern == "striped" and (rich or self.chance(0.6)):
            if self.chance(0.5):
                adjectives = [self.pick(words.STRIPES), *adjectives]
            else:
                grey = thing.colour == "white"
                after = f" {self.pick(words.STRIPED_WITH_GREY if grey else words.STRIPED_WITH)}"
        elif thing.pattern == "plain" and self.chance(0.6 if rich else 0.08):
            adjectives = [self.pick(words.LOOKS), *adjectives]
        if rich or self.chance(0.0 if thing.size == "medium" else 0.3):
            adjectives = [self.pick(words.SIZE_WORDS[thing.size]), *adjectives]
        phrase = " ".join(adjectives)
        return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}{after}"

    def rests(self, thing: Thing) -> str:
        if thing.motion in ("fall", "bounce"):
            return self.pick(("is in the air", "hangs in the air", "floats"))
        return self.pick(words.STANDS)

    def moves(self, thing: Thing) -> str:
        """The verb phrase for the motion of `thing`; balls roll, other shapes slide."""
        text = self.pick(words.MOTION_PHRASES[thing.motion])
        if thing.motion not in ("left", "right", "toward", "away"):
            return text
        verbs = words.VERBS["roll" if thing.shape == "ball" else "slide"]
        if thing.motion in ("toward", "away") and self.chance(0.4):
            verbs = words.VERBS["go"]
        if text.startswith(("closer", "nearer", "farther")):
            verbs = ("comes", "moves") if thing.motion == "toward" else ("moves", "drifts")
        return f"{self.pick(verbs)} {text}"
