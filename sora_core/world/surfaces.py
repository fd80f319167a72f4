"""Procedural textures of floors, skies, things and walls, in linear light, compiled by numba."""

from math import atan2, exp, floor, pi, sin, sqrt

from numba import njit
from numpy import ndarray


@njit(nogil=True, fastmath=True)
def scramble(i: int, j: int) -> float:
    """A number in [0, 1) that looks random, for each pair of whole numbers."""
    n = (i * 374761393 + j * 668265263) & 0xFFFFFFFF
    n = ((n ^ (n >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((n ^ (n >> 16)) & 0xFFFF) / 65536.0


@njit(nogil=True, fastmath=True)
def hill_noise(x: float, y: float) -> float:
    """Smooth random hills in [0, 1], one unit wide."""
    i, j = floor(x), floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    top = scramble(i, j) * (1 - u) + scramble(i + 1, j) * u
    low = scramble(i, j + 1) * (1 - u) + scramble(i + 1, j + 1) * u
    return top * (1 - v) + low * v


@njit(nogil=True, fastmath=True)
def ramp(low: float, high: float, x: float) -> float:
    """0 below `low`, 1 above `high`, smooth between."""
    s = min(max((x - low) / (high - low), 0.0), 1.0)
    return s * s * (3 - 2 * s)


@njit(nogil=True, fastmath=True)
def floor_tone(kind: int, x: float, z: float) -> float:
    """How far from the floor's first colour to its second.

    Only joints of planks and slabs are finer than half a unit, a latent cell at 64 pixels.
    """
    if kind == 0:  # grass: large soft tufts
        return ramp(
            0.3, 0.7, 0.75 * hill_noise(x / 1.3, z / 1.6) + 0.25 * hill_noise(x / 0.6 + 9, z / 0.8)
        )
    if kind == 1:  # sand: wind ripples
        bend = 1.6 * hill_noise(x / 2.1, z / 2.1)
        return 0.5 + 0.5 * sin(2 * pi * (z / 1.5 + 0.22 * x + bend))
    if kind == 2:  # checker
        return float((floor(x / 1.25) + floor(z / 1.25)) & 1)
    if kind == 3:  # snow: blue drifts
        return ramp(0.3, 0.72, hill_noise(x / 1.5 + 5, z / 1.8))
    if kind == 4:  # wood: planks that run away from the camera
        plank = floor(x / 0.85)
        across = x / 0.85 - plank
        piece = floor(z / 3.6 + scramble(plank, 3))
        joint = 1.0 if across < 0.09 else 0.0
        return max(0.85 * scramble(plank, piece), 1.35 * joint)
    across, along = x / 1.7 - floor(x / 1.7), z / 1.7 - floor(z / 1.7)  # grey: slabs
    joint = 1.5 if across < 0.07 or along < 0.07 else 0.0
    return max(0.8 * scramble(floor(x / 1.7), floor(z / 1.7)), joint)


@njit(nogil=True, fastmath=True)
def floor_colour(
    kind: int, colours: ndarray, x: float, z: float, blur: float
) -> tuple[float, float, float]:
    """The floor at (x, z), fading to its mean where one pixel covers `blur` units."""
    tone = 0.45 + (floor_tone(kind, x, z) - 0.45) / (1 + (blur / 0.8) ** 2)
    return (
        colours[0, 0] + (colours[1, 0] - colours[0, 0]) * tone,
        colours[0, 1] + (colours[1, 1] - colours[0, 1]) * tone,
        colours[0, 2] + (colours[1, 2] - colours[0, 2]) * tone,
    )


@njit(nogil=True, fastmath=True)
def sky_colour(
    sky: ndarray, heading: float, side: float, dx: float, dy: float, dz: float
) -> tuple[float, float, float]:
    """The sky in a direction: a gradient, soft clouds, sun or moon, and hills along the horizon.

    Rows of `sky`: horizon, zenith, clouds, glow, hills, and the sun's elevation, radius and halo.
    """
    azimuth = atan2(dx, dz)
    up = max(dy, 0.0)
    height = 1 - exp(-up * 4.2)
    cloud = 0.6 * hill_noise(azimuth * 4.6 + heading * 5, up * 11 + 3) + 0.4 * hill_noise(
        azimuth * 9 + heading * 7, up * 20
    )
    cloud = 0.75 * ramp(0.48, 0.78, cloud) * ramp(0.0, 0.12, up)
    away_x, away_y = azimuth - 0.2 * side, dy - sky[5, 0]
    away = sqrt(away_x * away_x + away_y * away_y)
    disc = 1 - ramp(0.8 * sky[5, 1], 1.2 * sky[5, 1], away)
    glow = min(disc + sky[5, 2] * exp(-away * away * 22), 1.0)
    ridge = 0.018 + 0.075 * hill_noise(azimuth * 5.5 + heading * 3, 0.5)
    hill = 0.8 * (1 - ramp(ridge - 0.008, ridge + 0.008, up))
    red = sky[0, 0] + (sky[1, 0] - sky[0, 0]) * height
    green = sky[0, 1] + (sky[1, 1] - sky[0, 1]) * height
    blue = sky[0, 2] + (sky[1, 2] - sky[0, 2]) * height
    red, green, blue = (
        red + (sky[2, 0] - red) * cloud,
        green + (sky[2, 1] - green) * cloud,
        blue + (sky[2, 2] - blue) * cloud,
    )
    red, green, blue = (
        red + (sky[3, 0] - red) * glow,
        green + (sky[3, 1] - green) * glow,
        blue + (sky[3, 2] - blue) * glow,
    )
    return (
        red + (sky[4, 0] - red) * hill,
        green + (sky[4, 1] - green) * hill,
        blue + (sky[4, 2] - blue) * hill,
    )


@njit(nogil=True, fastmath=True)
def is_stripe(kind: int, half: float, x: float, z: float, nx: float, nz: float) -> bool:
    """Whether a place on a striped thing has the second colour: wedges, or a band on cube faces."""
    if kind != 1:
        return sin(3 * atan2(z, x)) > 0
    across = z if abs(nx) > abs(nz) else x
    return abs(across) < 0.36 * half


@njit(nogil=True, fastmath=True)
def is_mortar(x: float, y: float) -> bool:
    """Whether a place on a brick wall lies between bricks."""
    course = floor(y / 0.42)
    along = x / 0.8 + 0.5 * (course % 2)
    return y / 0.42 - course < 0.17 or along - floor(along) < 0.09
