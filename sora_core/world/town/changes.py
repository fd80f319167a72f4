"""Recipes of lasting changes of the world: strokes, tracks, light, lamps, colours, growth."""

from dataclasses import replace

from .actions import CROSSING, bystander, other_colour, single, travelling
from .draw import Draw
from .palette import LEVELS
from .scene import KINDS, TOWN_SKIES, LightChange, Move, Shot, Stroke, TownScene, TownThing

TRACKS = {"man": "footprints", "woman": "footprints", "dog": "footprints", "cat": "footprints"}


def _crossing(d: Draw, thing: TownThing) -> TownThing:
    """The thing, crossing the floor in front fast enough to leave a long mark within the clip."""
    side = d.side()
    span = min(d.seconds, 3.5)
    speed = min(max(2.2 / span, 0.7), 1.6)
    stop = span * d.uniform(0.7, 0.95)
    lean = d.uniform(-0.25, 0.25)
    z = d.uniform(-0.9, -0.2)
    return replace(
        thing,
        x=-side * 0.5 * speed * stop,
        z=z,
        moves=(d.go(speed, (side, lean), stop=stop),),
    )


def _marking(
    d: Draw, thing: TownThing, colour: str, style: str, width: float, floor: str
) -> TownScene:
    sky = d.asked.sky or d.pick(("day", "day", "dawn", "sunset", "night"))
    stage = d.stage([thing], strokes=(Stroke(0, colour, style, width),), sky=sky, floor=floor)
    camera = d.asked.camera or d.pick(("static", "static", "static", "handheld", "zoom in"))
    angle = "above" if d.chance(0.3 if style == "stroke" else 0.6) else "front"
    return TownScene((Shot(stage, d.view(stage.things, camera=camera, angle=angle)),))


def stroke(d: Draw) -> TownScene:
    """A roller lays a stroke of its colour on the floor, or a ball does."""
    thing = d.thing(("roller", "roller", "roller", "ball"))
    if thing.colour in ("grey", "brown", "white") and d.asked.colour is None:
        thing = replace(thing, colour=d.pick(("red", "blue", "yellow", "pink", "purple")))
    floor = d.asked.floor or d.pick(("grey", "tiles", "snow", "wood", "sand", "dirt", "checker"))
    if floor == "tiles" and thing.colour == "turquoise":
        floor = "grey"
    width = 0.72 if thing.kind == "roller" else 0.6
    return _marking(d, _crossing(d, thing), thing.colour, "stroke", width, floor=floor)


def tracks(d: Draw) -> TownScene:
    """A car or a walker leaves a track on snow or sand."""
    thing = d.thing(("car", "man", "woman", "dog", "bus"))
    floor = d.asked.floor or d.pick(("snow", "snow", "sand", "dirt"))
    style = TRACKS.get(thing.kind, "tracks")
    width = 1.15 if style == "tracks" else 0.7
    colour = {"snow": "grey", "sand": "brown", "dirt": "black"}.get(floor, "black")
    return _marking(d, _crossing(d, thing), colour, style, width, floor=floor)


def light(d: Draw) -> TownScene:
    """Day turns to night, or night to day."""
    sky = d.asked.sky or d.pick(TOWN_SKIES)
    later = d.pick([s for s in TOWN_SKIES if abs(LEVELS[s] - LEVELS[sky]) > 0.3])
    start = d.beat(0.0, 0.2)
    stop = start + max(min(d.seconds, 6.0) * d.uniform(0.5, 0.75), 0.2)
    thing = replace(d.thing(KINDS), x=d.uniform(-0.5, 0.5))
    change = LightChange(later, start, stop)
    return single(d, bystander(d, [thing]), sky=sky, light=change)


def lamp(d: Draw) -> TownScene:
    """A lamp is lit beside something, when it is dark."""
    lit = d.beat(0.25, 0.55)
    post = d.thing(("lamp",), ("small", "medium"), asked=d.asked.thing in (None, "lamp"))
    side = d.side()
    post = replace(post, x=side * d.uniform(0.5, 0.8), z=d.uniform(0.0, 0.4), lit_at=lit)
    others = []
    if d.chance(0.75):
        other = d.thing(KINDS[:12], ("small", "medium"), [post], asked=False)
        others = [replace(other, x=-side * d.uniform(0.6, 0.9), z=d.uniform(0.0, 0.4))]
    sky = d.asked.sky or d.pick(("night", "night", "night", "sunset"))
    return single(d, [post, *others], sky=sky)


def recolour(d: Draw) -> TownScene:
    """A thing changes its colour and keeps it."""
    thing = replace(d.thing(KINDS[:10]), pattern="plain", x=d.uniform(-0.5, 0.5))
    later = other_colour(d, thing.colour)
    thing = replace(thing, repaint=later, repaint_at=d.beat(0.3, 0.55))
    return single(d, bystander(d, [thing]))


def cross_and_recolour(d: Draw) -> TownScene:
    """A thing changes its colour while it travels, as in a connection of two clips."""
    thing = replace(travelling(d, ("ball", *CROSSING)), pattern="plain")
    later = other_colour(d, thing.colour)
    return single(d, [replace(thing, repaint=later, repaint_at=d.beat(0.3, 0.5))])


def grow(d: Draw) -> TownScene:
    """A thing grows, or shrinks."""
    thing = replace(
        d.thing(("ball", "cube", "cylinder", "cone", "tree", "snowman"), ("small", "medium"))
    )
    amount = d.uniform(1.5, 1.8) if thing.size == "small" else d.uniform(0.45, 0.6)
    start = d.beat(0.05, 0.25)
    move = Move("grow", start, start + d.beat(0.4, 0.6), amount=amount)
    return single(d, bystander(d, [replace(thing, x=d.uniform(-0.5, 0.5), moves=(move,))]))
