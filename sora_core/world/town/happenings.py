"""What happens in a scene and when: contacts, landings, cuts, changes of light and colour."""

from dataclasses import dataclass
from math import inf

from .motion import fall_seconds
from .scene import Shot, TownScene


@dataclass(frozen=True, slots=True)
class Happening:
    """Something at `time` seconds of the clip; `thing` and `other` are identities, -1 for none.

    Names: those of CONTACTS, "land", "cut", "lamp", "recolour", "light start", "light end".
    """

    name: str
    time: float
    thing: int = -1
    other: int = -1


def happenings(scene: TownScene, stop: float) -> tuple[Happening, ...]:
    """Everything that happens before `stop` seconds, in order of time."""
    found: list[Happening] = []
    for i, shot in enumerate(scene.shots):
        last = scene.shots[i + 1].start if i + 1 < len(scene.shots) else inf
        found += [h for h in _of_shot(shot) if shot.start <= h.time < min(last, stop)]
        if 0 < shot.start < stop:
            found.append(Happening("cut", shot.start))
    return tuple(sorted(found, key=lambda happening: happening.time))


def _of_shot(shot: Shot) -> list[Happening]:
    stage, shift = shot.stage, shot.start - shot.offset
    names = [thing.identity for thing in stage.things]
    found = [
        Happening(c.verb, c.time + shift, names[c.first], names[c.second]) for c in stage.contacts
    ]
    for thing in stage.things:
        for move in thing.moves:
            if move.verb in ("fall", "drop"):
                landing = move.start + fall_seconds(move.amount)
                found.append(Happening("land", landing + shift, thing.identity))
        if thing.lit_at < inf:
            found.append(Happening("lamp", thing.lit_at + shift, thing.identity))
        if thing.repaint_at < inf:
            found.append(Happening("recolour", thing.repaint_at + shift, thing.identity))
    if stage.light:
        found.append(Happening("light start", stage.light.start + shift))
        found.append(Happening("light end", stage.light.stop + shift))
    return found
