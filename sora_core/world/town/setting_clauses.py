"""Clauses about the surroundings of a shot: changes, floor, light, camera, and negations."""

from dataclasses import replace

from . import words
from .clauses import Clause, ShotWords
from .facts import Fact
from .scene import KINDS, TOWN_FLOORS

OPPOSITE_SKIES = {
    "day": ("night", "sunset"),
    "cloudy": ("night", "sunset"),
    "dawn": ("night",),
    "sunset": ("night",),
    "night": ("day", "sunset"),
}
"""By sky, the skies that nobody would confuse with it."""


def change_clauses(shot: ShotWords) -> list[Clause]:
    """Changes of light, lamps and colours."""
    talk, found = shot.talk, []
    names = {thing.identity: thing for thing in shot.stage.things}
    for fact in shot.true("light"):
        link = talk.pick(("while", "as", "and"))
        found.append(Clause(f"{link} {talk.pick(words.TOWN_LIGHTS[fact.value])}", [fact]))
    for fact in shot.true("lamp"):
        lamp = shot.noun(names[fact.thing], definite=True)
        link = talk.pick(("then ", "at the end ", ""))
        found.append(Clause(f"{link}{lamp.text} {talk.pick(words.LAMPS)}", [*lamp.facts, fact]))
    for fact in shot.true("recolour"):
        thing = shot.noun(names[fact.thing], definite=True)
        does = talk.pick(words.RECOLOURS).format(
            colour=talk.pick(words.TOWN_COLOUR_WORDS[fact.value])
        )
        found.append(Clause(f"then {thing.text} {does}", [*thing.facts, fact]))
    if len(shot.stage.things) == 1 and talk.chance(0.04):
        found.append(
            Clause("nothing else is there", [Fact("count", "1", shot=shot.index, of="thing")])
        )
    return found


def floor_clause(shot: ShotWords) -> Clause:
    phrase = shot.talk.pick(words.TOWN_FLOOR_PHRASES[shot.stage.floor])
    return Clause(phrase, [Fact("floor", shot.stage.floor, shot=shot.index)])


def sky_clause(shot: ShotWords) -> Clause | None:
    """Light and weather when the shot begins; None while the light changes."""
    skies = shot.true("sky")
    if not skies:
        return None
    text, facts = shot.talk.pick(words.TOWN_SKY_PHRASES[skies[0].value]), [skies[0]]
    if shot.true("light"):
        text = f"{shot.talk.pick(('at first', 'in the beginning'))} {text}"
    if shot.stage.weather != "dry" and shot.talk.chance(0.8):
        text = f"{text} {shot.talk.pick(words.WEATHER_PHRASES[shot.stage.weather])}"
        facts.append(Fact("weather", shot.stage.weather, shot=shot.index))
    return Clause(text, facts)


def camera_clause(shot: ShotWords) -> Clause | None:
    """The camera's motion, angle and framing."""
    parts, facts = [], []
    for fact in shot.true("camera"):
        if fact.value != "static" or shot.talk.chance(0.5):
            parts.append(shot.talk.pick(words.CAMERA_PHRASES[fact.value]))
            facts.append(fact)
    if shot.view.angle != "front" and shot.talk.chance(0.85):
        parts.append(f"seen {shot.talk.pick(words.ANGLE_PHRASES[shot.view.angle])}")
        facts += shot.true("angle")
    if shot.view.framing != "medium" and shot.talk.chance(0.7):
        parts.append(shot.talk.pick(words.FRAMING_PHRASES[shot.view.framing]))
        facts += shot.true("framing")
    return Clause(", ".join(parts), facts) if parts else None


def negation_clause(shot: ShotWords) -> Clause:
    """A statement that something is absent or does not happen."""
    talk, stage = shot.talk, shot.stage
    present = {thing.kind for thing in stage.things}
    choices = ["kind", "floor", "sky"] + (["camera", "motion"] if shot.seconds >= 0.5 else [])
    match talk.pick(choices):
        case "floor":
            wrong = shot.other(TOWN_FLOORS, stage.floor)
            text = f"{talk.pick(('no', 'without any'))} {talk.pick(words.FLOOR_NAMES[wrong])}"
            return Clause(text, [Fact("floor", wrong, shot=shot.index, negated=True)])
        case "sky" if shot.true("sky") and not shot.true("light"):
            wrong = talk.pick(OPPOSITE_SKIES[shot.true("sky")[0].value])
            text = talk.pick(("it is not {}", "not at {}")).format(wrong)
            text = text.replace("at day", "by day")
            return Clause(text, [Fact("sky", wrong, shot=shot.index, negated=True)])
        case "camera" if shot.view.camera == "static":
            text = talk.pick(("no camera movement", "without moving the camera"))
            return Clause(text, [Fact("camera", "moving", shot=shot.index, negated=True)])
        case "motion" if not any(m.verb in ("bounce", "jump") for m in shot.subject.moves):
            fact = Fact("motion", "bounce", shot.subject.identity, shot=shot.index, negated=True)
            if shot.subject.motions == ("still",):
                fact = replace(fact, value=talk.pick(("bounce", "spin", "left")))
                verb = shot.verb(shot.subject, fact.value)[1]
                return Clause(f"{shot.noun(shot.subject, True).text} is not {verb}", [fact])
    wrong = talk.pick([kind for kind in KINDS if kind not in present])
    word = talk.pick(words.KIND_NAMES[wrong])[1]
    text = talk.pick(("no {}", "without {}", "there are no {}")).format(word)
    return Clause(text, [Fact("kind", wrong, shot=shot.index, negated=True)])
