"""The floors of the town and its rain and snow: compiled functions, in linear light."""

from math import floor, pi, sin

from numba import njit
from numpy import ndarray

from ..surfaces import floor_tone, hill_noise, ramp, scramble

GROUND_KINDS = {
    "grass": 0,
    "sand": 1,
    "checker": 2,
    "snow": 3,
    "wood": 4,
    "grey": 5,
    "water": 6,
    "road": 7,
    "brick": 8,
    "dirt": 9,
    "tiles": 10,
}
ROAD_HALF, LANE = 2.3, 0.75  # half the width of a road, and where its dashes lie


@njit(nogil=True, fastmath=True)
def ground_tone(kind: int, x: float, z: float, seconds: float) -> float:
    """The blend of the floor's two colours at (x, z), from 0 (first) to 1 (second)."""
    if kind < 6:
        return floor_tone(kind, x, z)
    if kind == 6:  # water: waves that run toward the camera
        bend = 2.2 * hill_noise(x / 1.7, z / 1.7)
        wave = 0.5 + 0.5 * sin(2 * pi * (z / 1.1 + 0.3 * seconds) + 2.4 * bend)
        return wave * wave
    if kind == 7:  # road: a dashed line along x
        if abs(abs(z - LANE) - ROAD_HALF) < 0.09:
            return 1.0
        dash = x / 1.9 - floor(x / 1.9)
        return 0.95 if abs(z - LANE) < 0.1 and dash < 0.55 else 0.1 * hill_noise(x / 0.7, z / 0.7)
    if kind == 8:  # brick: a running bond
        course = floor(z / 0.55)
        along = x / 1.1 + 0.5 * (course % 2)
        brick = floor(along)
        joint = z / 0.55 - course < 0.13 or along - brick < 0.07
        return 1.0 if joint else 0.3 * scramble(int(brick), int(course))
    if kind == 9:  # dirt
        return ramp(
            0.25, 0.75, 0.6 * hill_noise(x / 0.9, z / 1.1) + 0.4 * hill_noise(x / 0.35, z / 0.4)
        )
    across, along = x / 0.9 - floor(x / 0.9), z / 0.9 - floor(z / 0.9)  # tiles
    return 1.0 if across < 0.1 or along < 0.1 else 0.12 * scramble(floor(x / 0.9), floor(z / 0.9))


@njit(nogil=True, fastmath=True)
def ground_colour(
    kind: int, colours: ndarray, x: float, z: float, blur: float, seconds: float
) -> tuple[float, float, float]:
    """The floor at (x, z), fading to its mean where one pixel covers `blur` units."""
    mean = 0.45 if kind != 7 and kind < 8 else 0.2
    tone = mean + (ground_tone(kind, x, z, seconds) - mean) / (1 + (blur / 0.8) ** 2)
    return (
        colours[0, 0] + (colours[1, 0] - colours[0, 0]) * tone,
        colours[0, 1] + (colours[1, 1] - colours[0, 1]) * tone,
        colours[0, 2] + (colours[1, 2] - colours[0, 2]) * tone,
    )


@njit(nogil=True, fastmath=True)
def precipitate(frame: ndarray, seconds: float, snow: bool) -> None:
    """Draws falling rain or snow over a frame; the size of drops follows that of the frame."""
    rows, columns = frame.shape[0], frame.shape[1]
    unit = 2.0 / min(rows, columns)
    wide, tall, speed, strength = (0.035, 0.32, 3.4, 0.4) if not snow else (0.055, 0.055, 0.55, 0.8)
    for row in range(rows):
        for column in range(columns):
            sx, sy = unit * (column + 0.5 - columns / 2), unit * (rows / 2 - row - 0.5)
            for layer in range(2):
                size = 1.0 + 0.6 * layer
                lane = floor((sx + (0.12 * sy if not snow else 0.0)) / (wide * size))
                pace = speed * size * (0.8 + 0.4 * scramble(int(lane), 7 + layer))
                drop = floor((sy + pace * seconds) / (tall * size))
                chance = 0.05 if not snow else 0.03
                if scramble(int(lane) + 131 * layer, int(drop)) < chance:
                    for c in range(3):
                        value = float(frame[row, column, c])
                        frame[row, column, c] = int(value + (236 - value) * strength / size)
