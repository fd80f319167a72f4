"""Colours and lights of the toy world, in 8-bit sRGB.

Times of day tint the sky and the floor; the light on things stays nearly neutral, so that a red
ball is red at night.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

RGB = tuple[int, int, int]

THINGS: dict[str, RGB] = {
    "red": (218, 28, 32),
    "orange": (250, 128, 14),
    "yellow": (250, 226, 42),
    "green": (24, 172, 84),
    "blue": (32, 82, 232),
    "purple": (148, 44, 196),
    "white": (240, 240, 242),
}
SECOND: dict[str, RGB] = {colour: (244, 242, 236) for colour in THINGS} | {"white": (92, 94, 104)}
BRICK: tuple[RGB, RGB] = ((158, 84, 66), (196, 182, 168))

FLOOR_COLOURS: dict[str, tuple[RGB, RGB]] = {
    "grass": ((138, 172, 66), (64, 108, 40)),
    "sand": ((236, 212, 162), (190, 158, 108)),
    "checker": ((206, 204, 198), (58, 60, 72)),
    "snow": ((248, 250, 253), (150, 178, 214)),
    "wood": ((196, 132, 72), (120, 66, 28)),
    "grey": ((172, 176, 182), (106, 110, 118)),
}


@dataclass(frozen=True, slots=True)
class Sky:
    """A time of day: `sun` is elevation, radius and halo; `slant` is the direction to the light."""

    horizon: RGB
    zenith: RGB
    clouds: RGB
    glow: RGB
    hills: RGB
    sun: tuple[float, float, float]
    slant: tuple[float, float, float]
    light: RGB
    skylight: RGB
    floor_light: RGB
    floor_skylight: RGB

    def table(self) -> Float[ndarray, "6 3"]:
        """The rows of `sky` that `surfaces.sky_colour` reads."""
        colours = (self.horizon, self.zenith, self.clouds, self.glow, self.hills)
        return np.stack([*map(linear_light, colours), np.array(self.sun)])

    def lights(self, side: float) -> Float[ndarray, "5 3"]:
        """The direction to the light, on the left for `side` -1, then the four light colours."""
        direction = np.array(self.slant) * (side, 1, 1)
        lights = (self.light, self.skylight, self.floor_light, self.floor_skylight)
        return np.stack([direction / np.linalg.norm(direction), *map(linear_light, lights)])


SKY_COLOURS: dict[str, Sky] = {
    "day": Sky(
        horizon=(196, 222, 244),
        zenith=(58, 124, 222),
        clouds=(248, 250, 252),
        glow=(255, 252, 236),
        hills=(112, 148, 158),
        sun=(0.9, 0.05, 0.0),
        slant=(0.62, 0.8, -0.5),
        light=(220, 216, 208),
        skylight=(170, 174, 182),
        floor_light=(214, 208, 196),
        floor_skylight=(166, 170, 178),
    ),
    "sunset": Sky(
        horizon=(252, 168, 96),
        zenith=(106, 66, 138),
        clouds=(240, 112, 104),
        glow=(255, 240, 176),
        hills=(108, 62, 92),
        sun=(0.085, 0.055, 0.75),
        slant=(0.85, 0.6, -0.45),
        light=(216, 196, 176),
        skylight=(160, 156, 164),
        floor_light=(226, 186, 152),
        floor_skylight=(150, 136, 146),
    ),
    "night": Sky(
        horizon=(58, 76, 128),
        zenith=(10, 14, 46),
        clouds=(46, 58, 104),
        glow=(236, 240, 250),
        hills=(20, 28, 58),
        sun=(0.115, 0.05, 0.22),
        slant=(0.5, 0.85, -0.5),
        light=(182, 186, 196),
        skylight=(138, 141, 153),
        floor_light=(124, 136, 166),
        floor_skylight=(92, 102, 130),
    ),
}


def linear_light(colour: RGB) -> Float[ndarray, "3"]:
    """Linear light in [0, 1] from an 8-bit colour, with gamma 2.2."""
    return (np.array(colour) / 255) ** 2.2
