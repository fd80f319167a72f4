"""Recipes of things that move and meet."""

from dataclasses import replace
from math import cos, pi, sin

from .draw import MOVERS, Draw
from .motion import fall_seconds, jump_seconds
from .scene import (
    KINDS,
    PRIMITIVES,
    TOWN_COLOURS,
    Contact,
    LightChange,
    Move,
    Shot,
    TownScene,
    TownThing,
)
from .things import half_extents, height

CROSSING = ("cube", "cylinder", "cone")
LEFT, RIGHT, TOWARD, AWAY = (-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)
DIAGONALS = ((-0.64, -0.77), (0.64, -0.77), (-0.64, 0.77), (0.64, 0.77))
STANDING = ("cube", "cylinder", "cone", "tree", "house", "table", "snowman", "lamp", "car")


def single(
    d: Draw,
    things: list[TownThing],
    sky: str | None = None,
    light: LightChange | None = None,
    contacts: tuple[Contact, ...] = (),
) -> TownScene:
    """One shot of things, through a view that suits them."""
    stage = d.stage(things, sky=sky, light=light, contacts=contacts)
    return TownScene((Shot(stage, d.view(stage.things)),))


def bystander(d: Draw, things: list[TownThing], share: float = 0.3) -> list[TownThing]:
    """The things, and with probability `share` one more that stands farther back."""
    if not d.chance(share):
        return things
    other = d.thing(STANDING, unlike=things, asked=False)
    x = d.uniform(0.7, 1.4) * d.side()
    return [*things, replace(other, x=x, z=d.uniform(1.9, 2.4))]


def half_across(thing: TownThing) -> float:
    """Half the thing's length along x when it faces along x, its swinging legs included."""
    reach = 0.55 * thing.scale if thing.kind in ("man", "woman", "robot") else 0.0
    return max(half_extents(thing)[0], reach)


def travelling(d: Draw, kinds: tuple[str, ...], brake: float = 0.15) -> TownThing:
    """Something that crosses the stage in one of eight directions."""
    thing = d.thing(kinds)
    speed = d.pace(thing)
    direction = d.pick((LEFT, LEFT, RIGHT, RIGHT, TOWARD, AWAY, d.pick(DIAGONALS)))
    length = min(d.seconds, 3.0) * speed
    if direction[0]:
        x, z = -direction[0] * min(0.5 * length, 1.15), -direction[1] * 0.4 * length
    else:
        speed *= 1.35
        x, z = d.uniform(-0.4, 0.4), -direction[1] * min(0.5 * length, 1.1)
    if direction[1] < 0:
        z = d.uniform(1.2, 2.0)
    elif direction[1] > 0:
        z = d.uniform(-1.1, -0.6)
    stop = None
    if direction[1] < 0:
        stop = (z + 1.3) / (speed * -direction[1]) * 1.0
    if d.chance(brake):
        halt = d.beat(0.6, 0.9)
        stop = halt if stop is None else min(stop, halt)
    move = d.go(speed, direction, stop=stop, brake=False)
    return replace(
        thing, x=x, z=z + (d.uniform(-0.3, 0.3) if direction[1] == 0 else 0), moves=(move,)
    )


def still(d: Draw) -> TownScene:
    thing = d.thing(KINDS)
    return single(d, bystander(d, [replace(thing, x=d.uniform(-0.5, 0.5))]))


def fall(d: Draw) -> TownScene:
    thing = d.thing((*PRIMITIVES, *PRIMITIVES, "robot"))
    top = 2.3 - height(thing)
    start = 0.0 if d.chance(0.7) else d.beat(0.05, 0.25)
    move = Move("fall", start, amount=max(top, 0.5) * d.uniform(0.8, 1.0))
    return single(d, bystander(d, [replace(thing, x=d.uniform(-0.6, 0.6), moves=(move,))]))


def bounce(d: Draw) -> TownScene:
    """A thing that bounces, in one case of four while it moves sideways."""
    thing = d.thing(("ball", "ball", *PRIMITIVES))
    moves = [Move("bounce", amount=d.uniform(0.8, 1.15), phase=d.uniform(0, 1))]
    x = d.uniform(-0.6, 0.6)
    if d.chance(0.25):
        side = d.side()
        moves.append(d.go(d.uniform(0.5, 0.8), (side, 0.0)))
        x = -side * d.uniform(0.7, 1.0)
    return single(d, bystander(d, [replace(thing, x=x, moves=tuple(moves))]))


def roll(d: Draw) -> TownScene:
    return single(d, bystander(d, [travelling(d, ("ball",))]))


def slide(d: Draw) -> TownScene:
    return single(d, bystander(d, [travelling(d, CROSSING)]))


def walk(d: Draw) -> TownScene:
    return single(d, bystander(d, [travelling(d, ("man", "woman", "dog", "cat", "robot"))]))


def drive(d: Draw) -> TownScene:
    return single(d, bystander(d, [travelling(d, ("car", "car", "bus", "boat"))]))


def spin(d: Draw) -> TownScene:
    thing = d.thing(("cube", "cylinder", "cone", "man", "woman", "dog", "robot", "house", "car"))
    if thing.kind in ("cylinder", "cone"):
        thing = replace(thing, pattern="striped")
    move = Move("spin", amount=d.side() * d.uniform(1.7, 2.3))
    return single(d, bystander(d, [replace(thing, x=d.uniform(-0.5, 0.5), moves=(move,))]))


def jump(d: Draw) -> TownScene:
    thing = d.thing(("man", "woman", "dog", "cat", "robot", "ball", "cube"))
    tall = d.uniform(0.45, 0.75)
    start = d.beat(0.1, 0.4)
    move = Move("jump", start, start + jump_seconds(tall), amount=tall)
    return single(d, bystander(d, [replace(thing, x=d.uniform(-0.5, 0.5), moves=(move,))]))


def circle(d: Draw) -> TownScene:
    """A thing that circles around another."""
    thing = d.thing(("ball", "car", "man", "woman", "dog", "cat", "robot"), ("small", "medium"))
    middle = d.thing(
        ("tree", "cube", "cylinder", "cone", "lamp", "snowman"), unlike=[thing], asked=False
    )
    middle = replace(middle, size="small", x=0.0, z=0.4)
    angle, radius = d.uniform(0, 2 * pi), d.uniform(1.35, 1.5)
    dx, dz = radius * cos(angle), radius * sin(angle)
    move = Move("circle", dx=dx, dz=dz, period=d.side() * d.uniform(4.0, 6.0))
    return single(d, [replace(thing, x=-dx, z=0.4 - dz, moves=(move,)), middle])


def sway(d: Draw) -> TownScene:
    thing = d.thing(("tree",))
    move = Move("sway", phase=d.uniform(0, 1), period=d.uniform(1.4, 2.2))
    return single(d, bystander(d, [replace(thing, x=d.uniform(-0.5, 0.5), moves=(move,))]))


def sequence(d: Draw) -> TownScene:
    """First one motion, then another, or a halt."""
    thing = d.thing(MOVERS)
    speed, side = d.pace(thing), d.side()
    turn = d.beat(0.4, 0.55)
    first = d.go(speed, (side, 0.0), stop=turn)
    second = d.pick(("stop", "stop", "back", "jump", "bounce", "spin", "away"))
    moves = [first]
    match second:
        case "back":
            moves.append(d.go(speed, (-side, 0.0), start=turn))
        case "away":
            moves.append(d.go(speed, AWAY, start=turn))
        case "jump":
            moves.append(Move("jump", turn, turn + jump_seconds(0.5), amount=0.5))
        case "bounce":
            moves.append(Move("bounce", turn, amount=d.uniform(0.5, 0.8)))
        case "spin":
            moves.append(Move("spin", turn, amount=d.uniform(1.8, 2.4)))
    x = -side * min(0.9, 0.6 * speed * turn + 0.3)
    return single(d, bystander(d, [replace(thing, x=x, moves=tuple(moves))]))


def contact_positions(
    d: Draw, thing: TownThing, target: TownThing, hit: float
) -> tuple[float, float, float, float]:
    """Direction along x (-1 or 1), speed, and first x of two things that touch at `hit` seconds.

    `thing` starts at the third value and travels; `target` rests at the fourth.
    """
    side, speed = d.side(), d.uniform(1.1, 1.3)
    spot = side * d.uniform(0.15, 0.35)
    start = spot - side * (half_across(thing) + half_across(target) + speed * hit)
    return side, speed, start, spot


def collide(d: Draw) -> TownScene:
    """The first stops where it touches the second, which takes over most of its speed."""
    movers = ("ball", "ball", "cube", "cylinder", "car")
    thing = replace(d.thing(movers, ("small", "medium")), yaw=0.0)
    target = d.thing(("ball", "cube", "cylinder"), ("small", "medium"), [thing], asked=False)
    target = replace(target, yaw=0.0)
    hit = d.beat(0.3, 0.45)
    side, speed, x, spot = contact_positions(d, thing, target, hit)
    first = d.go(speed, (side, 0.0), stop=hit)
    second = d.go(0.7 * speed, (side, 0.0), start=hit)
    things = [replace(thing, x=x, moves=(first,)), replace(target, x=spot, moves=(second,))]
    return single(d, things, contacts=(Contact("hit", hit, 0, 1),))


def push(d: Draw) -> TownScene:
    """The first shoves the second along."""
    movers = ("man", "woman", "robot", "car", "bus", "ball", "cube")
    thing = replace(d.thing(movers, ("small", "medium")), yaw=0.0)
    target = d.thing(("cube", "cylinder", "cone", "table"), ("small",), [thing], asked=False)
    target = replace(target, yaw=0.0)
    hit = d.beat(0.25, 0.4)
    side, speed, x, spot = contact_positions(d, thing, target, hit)
    first = d.go(speed, (side, 0.0), stop=hit)
    on = d.go(0.65 * speed, (side, 0.0), start=hit)
    things = [replace(thing, x=x, moves=(first, on)), replace(target, x=spot, moves=(on,))]
    return single(d, things, contacts=(Contact("push", hit, 0, 1),))


def knock_over(d: Draw) -> TownScene:
    """The first runs into something tall, which falls over or falls apart."""
    thing = replace(d.thing(("ball", "cube", "car", "dog", "man"), ("small", "medium")), yaw=0.0)
    kinds = ("tower", "tower", "lamp", "cylinder", "robot", "snowman")
    target = d.thing(kinds, ("small", "medium"), [thing], asked=False)
    target = replace(target, yaw=pi / 2)
    hit = d.beat(0.25, 0.4)
    side, speed, x, spot = contact_positions(d, thing, target, hit)
    edge = (
        half_extents(target)[2] if target.kind in ("robot", "snowman") else half_extents(target)[0]
    )
    x = spot - side * (half_across(thing) + edge + speed * hit)
    first = d.go(speed, (side, 0.0), stop=hit)
    verb = "scatter" if target.kind == "tower" else "topple"
    second = Move(verb, hit, dx=side)
    things = [replace(thing, x=x, moves=(first,)), replace(target, x=spot, moves=(second,))]
    return single(d, things, contacts=(Contact("knock over", hit, 0, 1),))


def stack_fall(d: Draw) -> TownScene:
    """Something moves off the top of something else and falls to the floor."""
    under = d.thing(("table", "cube", "cylinder"), ("medium", "large"), asked=False)
    under = replace(under, yaw=0.0, x=d.uniform(-0.2, 0.2))
    thing = d.thing(("ball", "ball", "cube"), ("small",), [under])
    side, speed = d.side(), d.uniform(0.9, 1.2)
    edge = half_across(under) + 0.1
    start = d.beat(0.0, 0.15)
    over = start + edge / speed
    tall = height(under)
    rest = over + fall_seconds(tall) * 2
    first = d.go(speed, (side, 0.0), start=start, stop=rest)
    drop = Move("drop", over + 0.15 * half_across(thing) / speed, amount=tall)
    thing = replace(thing, x=under.x, base=tall, yaw=0.0, moves=(first, drop))
    stage = d.stage([thing, under])
    return TownScene((Shot(stage, d.view(stage.things, camera=d.asked.camera or "static")),))


def hidden(d: Draw) -> TownScene:
    """Passes behind a wall and comes out again."""
    kinds = ("ball", "ball", "cube", "cylinder", "cone", "man", "woman", "dog", "cat")
    thing = d.thing(kinds, ("small",) if d.chance(0.7) else ("medium",))
    wall = d.thing(("wall",), ("medium",), [thing], asked=False)
    wall = replace(wall, size="large", x=d.uniform(-0.1, 0.1), z=-0.5)
    side = d.side()
    middle = min(d.seconds, 4.0) * 0.5
    speed = min(max(1.75 / middle, 0.9), 3.2)
    thing = replace(thing, x=-side * speed * middle, z=0.9, moves=(d.go(speed, (side, 0.0)),))
    scene = single(d, [thing, wall])
    shot = scene.shots[0]
    return TownScene(
        (replace(shot, view=replace(d.view([thing], camera="static"), framing="medium")),)
    )


def _outside(thing: TownThing, z: float) -> float:
    """An x outside a frame of 16:9 at depth `z`."""
    return 16 / 9 * 2 / 5.5 * (5.7 + z) + 1.1 * half_across(thing) + 0.1


def leaves_and_returns(d: Draw) -> TownScene:
    """Leaves the frame at one side, and comes back from there."""
    thing = d.thing(("ball", "ball", "cube", "car", "man", "woman", "dog", "cat"), ("small",))
    z, side = -0.9, d.side()
    edge = _outside(thing, z)
    span = min(d.seconds, 6.0)
    x = side * d.uniform(0.3, 0.8)
    out = span * 0.4
    speed = (edge + 0.25 - abs(x)) / out
    stay = span * 0.08
    away = d.go(speed, (side, 0.0), stop=out)
    home = edge + 0.25 - d.uniform(-0.3, 0.3)
    back = Move("go", out + stay, out + stay + home / speed, dx=-side * home)
    thing = replace(thing, x=x, z=z, moves=(away, back))
    stage = d.stage(bystander(d, [thing]))
    return TownScene((Shot(stage, d.view(stage.things, camera="static")),))


def gone(d: Draw) -> TownScene:
    """Leaves the frame and does not return."""
    thing = d.thing(("ball", "cube", "car", "man", "woman", "dog", "cat"), ("small", "medium"))
    z, side = -0.9, d.side()
    x = side * d.uniform(-0.2, 0.6)
    out = min(d.seconds, 5.0) * d.uniform(0.6, 0.75)
    distance = _outside(thing, z) + 0.3 - side * x
    move = Move("go", 0.0, out, dx=side * distance)
    stage = d.stage(bystander(d, [replace(thing, x=x, z=z, moves=(move,))], 0.6))
    return TownScene((Shot(stage, d.view(stage.things, camera="static")),))


def enter(d: Draw) -> TownScene:
    """Comes into the frame from one side and stops."""
    thing = d.thing(("ball", "cube", "car", "man", "woman", "dog", "cat"), ("small", "medium"))
    z, side = -0.9, d.side()
    x = -side * (_outside(thing, z) + 0.2)
    goal = d.uniform(-0.4, 0.4)
    move = Move("go", 0.0, min(d.seconds, 5.0) * d.uniform(0.7, 0.85), dx=goal - x, brake=True)
    stage = d.stage(bystander(d, [replace(thing, x=x, z=z, moves=(move,))], 0.6))
    return TownScene((Shot(stage, d.view(stage.things, camera="static")),))


def other_colour(d: Draw, *colours: str) -> str:
    return d.pick([colour for colour in TOWN_COLOURS if colour not in colours])
