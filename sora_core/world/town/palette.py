"""Colours and lights of the toy town, in 8-bit sRGB; blends of two skies are linear in light."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import palette as toy
from ..palette import RGB, Sky, linear_light

TOWN_THINGS: dict[str, RGB] = toy.THINGS | {
    "pink": (250, 122, 176),
    "brown": (122, 70, 34),
    "turquoise": (28, 196, 204),
    "grey": (128, 132, 138),
    "black": (24, 24, 28),
}
TOWN_SECOND: dict[str, RGB] = {colour: (244, 242, 236) for colour in TOWN_THINGS} | {
    "white": (92, 94, 104)
}
MATERIALS: dict[str, RGB] = {
    "tyre": (30, 30, 34),
    "glass": (158, 206, 232),
    "light": (255, 240, 170),
    "white": (240, 240, 238),
    "skin": (232, 178, 136),
    "hair": (74, 44, 24),
    "trousers": (44, 52, 84),
    "dark": (26, 24, 26),
    "wood": (134, 88, 48),
    "roof": (150, 62, 46),
    "metal": (154, 160, 168),
    "nose": (214, 110, 120),
    "carrot": (244, 128, 24),
    "bulb": (186, 186, 176),
}
MORTAR: RGB = (206, 196, 184)
HUB: RGB = (176, 178, 184)
LIT: RGB = (255, 226, 140)

TOWN_FLOOR_COLOURS: dict[str, tuple[RGB, RGB]] = toy.FLOOR_COLOURS | {
    "water": ((40, 124, 176), (96, 178, 208)),
    "road": ((84, 86, 92), (236, 236, 226)),
    "brick": ((164, 88, 66), (206, 188, 168)),
    "dirt": ((150, 106, 68), (104, 70, 42)),
    "tiles": ((150, 202, 212), (244, 246, 246)),
}

TOWN_SKY_COLOURS: dict[str, Sky] = toy.SKY_COLOURS | {
    "dawn": Sky(
        horizon=(255, 198, 190),
        zenith=(112, 142, 206),
        clouds=(255, 178, 186),
        glow=(255, 244, 214),
        hills=(126, 112, 142),
        sun=(0.07, 0.05, 0.6),
        slant=(0.85, 0.55, -0.45),
        light=(220, 196, 190),
        skylight=(166, 164, 178),
        floor_light=(222, 186, 180),
        floor_skylight=(154, 148, 166),
    ),
    "cloudy": Sky(
        horizon=(192, 196, 202),
        zenith=(128, 136, 146),
        clouds=(214, 216, 220),
        glow=(214, 216, 220),
        hills=(112, 120, 126),
        sun=(0.9, 0.01, 0.0),
        slant=(0.3, 0.95, -0.4),
        light=(158, 160, 164),
        skylight=(184, 186, 190),
        floor_light=(142, 144, 148),
        floor_skylight=(176, 178, 182),
    ),
}
LEVELS = {"day": 1.0, "dawn": 0.7, "cloudy": 0.75, "sunset": 0.6, "night": 0.0}
"""Daylight by sky, 0 to 1: during a change of light it only rises or only falls."""


@dataclass(frozen=True, slots=True)
class Light:
    """The lights and the sky at each time; `level` is 1 by day and 0 at night."""

    lights: Float[ndarray, "t 5 3"]
    table: Float[ndarray, "t 6 3"]
    level: Float[ndarray, "t"]


def light_at(sky: str, later: str, share: Float[ndarray, "t"], side: float) -> Light:
    """The light where `sky` has turned into `later` by `share` in [0, 1]."""
    first, last = TOWN_SKY_COLOURS[sky], TOWN_SKY_COLOURS[later]
    weight = share[:, None, None]
    lights = first.lights(side) * (1 - weight) + last.lights(side) * weight
    lights[:, 0] /= np.linalg.norm(lights[:, 0], axis=-1, keepdims=True)
    table = first.table() * (1 - weight) + last.table() * weight
    return Light(lights, table, LEVELS[sky] * (1 - share) + LEVELS[later] * share)


def mixed(colour: str, later: str, share: Float[ndarray, "t"]) -> Float[ndarray, "t 3"]:
    """A colour turning into another, in linear light."""
    first, last = linear_light(TOWN_THINGS[colour]), linear_light(TOWN_THINGS[later or colour])
    return first + (last - first) * share[:, None]
