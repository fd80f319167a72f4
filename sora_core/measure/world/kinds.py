"""The kinds of scenes that rulers measure: by name and seed, from the training world."""

from collections.abc import Mapping
from dataclasses import replace

from ...errors import check_choice
from ...world.scene import Domain, Scene, sample_scene

FIRST_SEED = 990_000_000  # used by no training, reader or other measurement
SPACING = 100_000  # seeds of one kind, so that kinds share no scene


def _lone_thing(motions: tuple[str, ...], camera: str = "static", shapes: str = "") -> Domain:
    cameras = ("pan left", "pan right") if camera == "pan" else (camera,)
    if camera == "zoom":
        cameras = ("zoom in", "zoom out")
    return Domain(
        shapes=tuple(shapes.split()) or Domain().shapes,
        motions=motions,
        cameras=cameras,
        two_objects=0,
        collisions=0,
        walls=0,
        striped=0,
        static_camera=1,
    )


DOMAINS: Mapping[str, Domain] = {
    "bounce": _lone_thing(("bounce",)),
    "fall": _lone_thing(("fall",)),
    "roll": _lone_thing(("left", "right"), shapes="ball"),
    "travel": _lone_thing(("left", "right")),
    "still": _lone_thing(("still",)),
    "collide": Domain(
        motions=("left", "right"), cameras=("static",), collisions=1, walls=0, striped=0
    ),
    "hide": Domain(
        motions=("left", "right"), cameras=("static",), collisions=0, walls=1, striped=0
    ),
    "pair": Domain(
        motions=("still", "bounce"),
        cameras=("static",),
        collisions=0,
        walls=0,
        two_objects=1,
        striped=0,
    ),
    "same": replace(
        _lone_thing(("left",), shapes="ball"),
        colours=("red",),
        sizes=("medium",),
        floors=("grass",),
        skies=("day",),
    ),
    "orbit": _lone_thing(("still",), "orbit"),
    "pan": _lone_thing(("still",), "pan"),
    "rise": _lone_thing(("still",), "rise"),
    "zoom": _lone_thing(("still",), "zoom"),
}


def scene_of_kind(kind: str, seed: int) -> Scene:
    """Scene number `seed`, from 0 on, of a kind in `DOMAINS`."""
    check_choice("kind", kind, DOMAINS)
    return sample_scene(drawn_from(kind, seed), DOMAINS[kind])


def drawn_from(kind: str, seed: int) -> int:
    """The world's own seed of scene number `seed` of `kind`; captions are phrased by it too."""
    return FIRST_SEED + SPACING * list(DOMAINS).index(kind) + seed
