"""Recipes of cameras and cuts."""

from dataclasses import replace

from . import actions, changes, crowds
from .draw import MOVERS, Draw
from .scene import KINDS, TOWN_CAMERAS, TOWN_FLOORS, TOWN_SKIES, Shot, TownScene

TEXTURED = ("checker", "wood", "grey", "brick", "tiles", "road")
PARTS = (
    actions.still,
    actions.roll,
    actions.walk,
    actions.drive,
    actions.slide,
    actions.bounce,
    actions.spin,
    crowds.relation,
    crowds.crowd,
    changes.stroke,
)


def _camera_scene(d: Draw, cameras: tuple[str, ...]) -> TownScene:
    """A camera of a kind over a floor whose texture shows its motion."""
    camera = d.asked.camera or d.pick(cameras)
    things = [replace(d.thing(KINDS), x=d.uniform(-0.5, 0.5), z=d.uniform(-0.2, 0.4))]
    if d.chance(0.35):
        things[0] = crowds.own_motion(d, things[0])
    things = actions.bystander(d, things, 0.5)
    floor = d.asked.floor
    if floor is None and things[0].kind != "boat":
        floor = d.pick(TEXTURED)
    stage = d.stage(things, floor=floor)
    return TownScene((Shot(stage, d.view(stage.things, camera=camera)),))


def pan(d: Draw) -> TownScene:
    return _camera_scene(d, ("pan left", "pan right"))


def zoom(d: Draw) -> TownScene:
    return _camera_scene(d, ("zoom in", "zoom out"))


def rise(d: Draw) -> TownScene:
    return _camera_scene(d, ("rise",))


def orbit(d: Draw) -> TownScene:
    return _camera_scene(d, ("orbit", "orbit right"))


def camera(d: Draw) -> TownScene:
    return _camera_scene(d, tuple(c for c in TOWN_CAMERAS if c not in ("static", "follow")))


def follow(d: Draw) -> TownScene:
    """The camera travels beside something that crosses the stage."""
    thing = d.thing(MOVERS)
    side = d.side()
    thing = replace(thing, x=-side * 0.8, moves=(d.go(d.pace(thing), (side, 0.0)),))
    things = actions.bystander(d, [thing], 0.8)
    stage = d.stage(things, floor=d.asked.floor or d.floor([thing]))
    return TownScene((Shot(stage, d.view(stage.things, camera="follow")),))


def cuts(d: Draw, count: int) -> list[float]:
    """When `count` shots start: evenly, on quarters of a second where the clip allows."""
    span = min(d.seconds, 4.0 * count)
    step = 0.25 if span / count >= 0.5 else 0.01
    return [round(i * span / count / step) * step for i in range(count)]


def cut_same_thing(d: Draw) -> TownScene:
    """The same thing, elsewhere: another floor, another light, another motion."""
    first = d.thing((*MOVERS, "robot", "snowman", "tree"))
    number = 2 if d.seconds < 3 or d.chance(0.7) else 3
    built, floors, skies, used = [], list(TOWN_FLOORS[:6] + TOWN_FLOORS[8:]), list(TOWN_SKIES), 1
    for i, start in enumerate(cuts(d, number)):
        thing = crowds.own_motion(d, replace(first, x=d.uniform(-0.4, 0.4)))
        if first.kind in MOVERS and first.kind != "cone" and d.chance(0.5):
            side = d.side()
            thing = replace(thing, x=-side * 0.8, moves=(d.go(d.pace(first), (side, 0.0)),))
        floor = d.asked.floor if d.asked.floor and i == 0 else d.pick(floors)
        sky = d.asked.sky if d.asked.sky and i == 0 else d.pick(skies)
        floors, skies = [f for f in floors if f != floor], [s for s in skies if s != sky]
        things = actions.bystander(d, [thing], 0.3)
        stage = d.stage(things, floor=floor, sky=sky)
        numbered = [replace(stage.things[0], identity=0)]
        for other in stage.things[1:]:
            numbered.append(replace(other, identity=used))
            used += 1
        view = d.view(stage.things, static=0.8, framing=d.pick(("close", "medium", "medium")))
        built.append(Shot(replace(stage, things=tuple(numbered)), view, start))
    return TownScene(tuple(built))


def cut_view(d: Draw) -> TownScene:
    """The same stage seen from elsewhere; its clock goes on through the cut."""
    pair = d.pick((actions.walk, actions.drive, actions.roll, actions.bounce, crowds.relation))
    stage = pair(d).shots[0].stage
    angles = [("front", "medium"), ("side", "medium"), ("above", "medium"), ("low", "medium")]
    angles += [("behind", "medium"), ("front", "close"), ("front", "wide")]
    number = 2 if d.seconds < 3 or d.chance(0.75) else 3
    built, last = [], None
    for i, start in enumerate(cuts(d, number)):
        choice = angles[0] if i == 0 and d.chance(0.6) else d.pick([a for a in angles if a != last])
        last = choice
        view = d.view(stage.things, camera="static", angle=choice[0], framing=choice[1])
        built.append(Shot(stage, view, start, offset=start))
    return TownScene(tuple(built))


def storyboard(d: Draw) -> TownScene:
    """Two to four shots of different things in different places."""
    number = 2 if d.seconds < 3 else int(d.rng.integers(2, 5))
    starts = cuts(d, number)
    part = Draw(d.rng, max(d.seconds / number, 0.25), d.asked)
    built, used = [], 0
    for start in starts:
        shot = d.pick(PARTS)(part).shots[0]
        things = tuple(replace(t, identity=used + t.identity) for t in shot.stage.things)
        used += len(things)
        built.append(replace(shot, stage=replace(shot.stage, things=things), start=start))
    return TownScene(tuple(built))
