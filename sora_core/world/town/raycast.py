"""The compiled ray caster of the town. Axes: t frames, k bodies, g groups, m strokes.

Bodies are rows as in `world.raycast`, and one number more: the light that the body emits, 0 to 1.
A group is a thing: first body, number of bodies, middle (3), radius, gap to the floor and radius
of its footprint. A stroke is a row: from (2), to (2), half width, colour (3), style, its length.
"""

from math import exp, floor, inf, sqrt

import numpy as np
from numba import njit
from numpy import ndarray

from ..raycast import BODY, strike
from ..render import FLOOR, SKY
from ..surfaces import is_mortar, is_stripe, sky_colour
from .ground import ground_colour

FAST = {"contract", "reassoc", "nsz", "arcp"}
ROW = BODY + 1
GROUP = 8
STROKE = 10
MARK = 2  # a segment, after FLOOR and SKY of the first world


@njit(nogil=True, fastmath=FAST)
def passes(
    group: ndarray, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float
) -> bool:
    """Whether a ray comes as near to a group's middle as its radius."""
    px, py, pz = ox - group[2], oy - group[3], oz - group[4]
    along = px * dx + py * dy + pz * dz
    square = px * px + py * py + pz * pz
    if along > 0 and square > group[5] * group[5]:
        return False
    return square - along * along < group[5] * group[5]


@njit(nogil=True, fastmath=FAST)
def in_shadow(
    bodies: ndarray,
    groups: ndarray,
    x: float,
    y: float,
    z: float,
    lx: float,
    ly: float,
    lz: float,
) -> bool:
    """Whether a body lies between a place and the light."""
    for g in range(groups.shape[0]):
        if passes(groups[g], x, y, z, lx, ly, lz):
            first = int(groups[g, 0])
            for k in range(first, first + int(groups[g, 1])):
                if strike(bodies[k], x, y, z, lx, ly, lz)[0] < inf:
                    return True
    return False


@njit(nogil=True, fastmath=FAST)
def contact_shade(groups: ndarray, x: float, z: float) -> float:
    """The share of skylight that reaches the floor beside and under the things."""
    light = 1.0
    for g in range(groups.shape[0]):
        gap, spread = groups[g, 6], (0.75 + groups[g, 6]) * groups[g, 7]
        away = (x - groups[g, 2]) ** 2 + (z - groups[g, 4]) ** 2
        if away < 9 * spread * spread:
            light *= 1 - 0.62 / (1 + 2.2 * gap) * exp(-away / (spread * spread * 1.7))
    return light


@njit(nogil=True, fastmath=FAST)
def is_marked(stroke: ndarray, x: float, z: float) -> bool:
    """Whether a stroke covers a place on the floor. Styles: 0 full, 1 two tracks, 2 footprints."""
    ux, uz = stroke[2] - stroke[0], stroke[3] - stroke[1]
    length = sqrt(ux * ux + uz * uz)
    if length < 1e-6:
        return False
    ux, uz = ux / length, uz / length
    px, pz = x - stroke[0], z - stroke[1]
    along, across = px * ux + pz * uz, pz * ux - px * uz
    half, style = stroke[4], int(stroke[8])
    if along < 0 or along > length or abs(across) > half:
        return False
    if style == 0:
        return True
    if style == 1:
        return abs(across) > 0.55 * half
    step = floor(along / 0.42)
    if (step + 0.5) * 0.42 > length:
        return False
    side = 1.0 if int(step) % 2 == 0 else -1.0
    fx = (along - (step + 0.5) * 0.42) / 0.17
    fz = (across - side * 0.55 * half) / (0.42 * half)
    return fx * fx + fz * fz < 1


@njit(nogil=True, fastmath=FAST)
def nearest_hit(
    bodies: ndarray,
    groups: ndarray,
    active: ndarray,
    count: int,
    ray: tuple[float, float, float, float, float, float],
) -> tuple[float, int, float, float, float, float, float, float]:
    """Distance, body, and place and normal in its own axes, of the first body a ray strikes."""
    ox, oy, oz, dx, dy, dz = ray
    best, hit = inf, -1
    x = y = z = nx = ny = nz = 0.0
    for i in range(count):
        group = groups[active[i]]
        if passes(group, ox, oy, oz, dx, dy, dz):
            first = int(group[0])
            for k in range(first, first + int(group[1])):
                found = strike(bodies[k], ox, oy, oz, dx, dy, dz)
                if found[0] < best:
                    best, hit = found[0], k
                    _, x, y, z, nx, ny, nz = found
    return best, hit, x, y, z, nx, ny, nz


@njit(nogil=True, fastmath=FAST)
def shade_floor(
    bodies: ndarray,
    groups: ndarray,
    strokes: ndarray,
    place: ndarray,
    light: ndarray,
    sky: ndarray,
    lamp: ndarray,
    colours: ndarray,
    pixel: float,
    jitter: float,
    open_sky: float,
    best: float,
    ray: tuple[float, float, float, float, float, float],
) -> tuple[float, float, float, int]:
    """Red, green, blue and segment of the floor `best` along a ray."""
    ox, _, oz, dx, dy, dz = ray
    x, z = ox + dx * best, oz + dz * best
    blur = 0.5 * pixel * best / max(-dy, 1e-3)
    red, green, blue = ground_colour(
        int(place[5]), colours, x + place[0], z + place[1], blur, place[6]
    )
    segment = FLOOR
    for m in range(strokes.shape[0]):
        if is_marked(strokes[m], x, z):
            segment = MARK
            red, green, blue = strokes[m, 5], strokes[m, 6], strokes[m, 7]
    lx, ly, lz = light[0, 0] + 0.07 * jitter, light[0, 1], light[0, 2] - 0.07 * jitter
    sun = 0.0 if in_shadow(bodies, groups, x, 1e-3, z, lx, ly, lz) else ly
    near = 0.0
    if lamp[3] > 0:
        near = 2.6 * lamp[3] / (1 + 1.1 * ((x - lamp[0]) ** 2 + (z - lamp[2]) ** 2))
    red *= light[3, 0] * sun + light[4, 0] * open_sky + near * lamp[4]
    green *= light[3, 1] * sun + light[4, 1] * open_sky + near * lamp[5]
    blue *= light[3, 2] * sun + light[4, 2] * open_sky + near * lamp[6]
    fog = 1 - exp(-((best / place[4]) ** 2))
    return (
        red + (sky[0, 0] - red) * fog,
        green + (sky[0, 1] - green) * fog,
        blue + (sky[0, 2] - blue) * fog,
        segment,
    )


@njit(nogil=True, fastmath=FAST)
def shade_body(
    bodies: ndarray,
    groups: ndarray,
    light: ndarray,
    lamp: ndarray,
    jitter: float,
    found: tuple[float, int, float, float, float, float, float, float],
    ray: tuple[float, float, float, float, float, float],
) -> tuple[float, float, float]:
    """Red, green and blue of a body where a ray strikes it."""
    ox, oy, oz, dx, dy, dz = ray
    best, hit, x, y, z, nx, ny, nz = found
    body = bodies[hit]
    second = (body[22] == 1 and is_stripe(int(body[0]), body[1], x, z, nx, nz)) or (
        body[22] == 2 and is_mortar(x + z, y + body[2])
    )
    tone = 19 if second else 16
    red, green, blue = body[tone], body[tone + 1], body[tone + 2]
    if body[24] > 0.999:
        return red, green, blue
    wx, wy, wz = ox + dx * best, oy + dy * best, oz + dz * best
    gx = body[7] * nx + body[8] * ny + body[9] * nz
    gy = body[10] * nx + body[11] * ny + body[12] * nz
    gz = body[13] * nx + body[14] * ny + body[15] * nz
    lx, ly, lz = light[0, 0] + 0.07 * jitter, light[0, 1], light[0, 2] - 0.07 * jitter
    facing = gx * lx + gy * ly + gz * lz
    shine = 0.0
    if facing > 0:
        if in_shadow(bodies, groups, wx + 2e-3 * gx, wy + 2e-3 * gy, wz + 2e-3 * gz, lx, ly, lz):
            facing = 0.0
        elif body[22] != 2:
            mirror = 2 * (gx * dx + gy * dy + gz * dz)
            along = (dx - mirror * gx) * lx + (dy - mirror * gy) * ly + (dz - mirror * gz) * lz
            shine = 0.32 * max(along, 0.0) ** 22
    facing = max(facing, 0.0)
    open_sky = (0.68 + 0.32 * gy) * (0.55 + 0.45 * min(wy / 0.5, 1.0))
    near = 0.0
    if lamp[3] > 0:
        px, py, pz = lamp[0] - wx, lamp[1] - wy, lamp[2] - wz
        square = px * px + py * py + pz * pz
        toward = (gx * px + gy * py + gz * pz) / sqrt(square + 1e-6)
        near = 2.0 * lamp[3] * (0.35 + 0.65 * max(toward, 0.0)) / (1 + 1.1 * square)
    own = body[24]
    lit_red = light[1, 0] * facing + light[2, 0] * open_sky + near * lamp[4]
    lit_green = light[1, 1] * facing + light[2, 1] * open_sky + near * lamp[5]
    lit_blue = light[1, 2] * facing + light[2, 2] * open_sky + near * lamp[6]
    return (
        red * (lit_red * (1 - own) + own) + shine * light[1, 0],
        green * (lit_green * (1 - own) + own) + shine * light[1, 1],
        blue * (lit_blue * (1 - own) + own) + shine * light[1, 2],
    )


@njit(nogil=True, fastmath=FAST)
def project_groups(
    groups: ndarray, eye: ndarray, axes: ndarray, focal: float, bounds: ndarray
) -> None:
    """Fills `bounds`: left, right, low and high of each group's sphere on the screen."""
    for g in range(groups.shape[0]):
        right = up = ahead = 0.0
        for axis in range(3):
            away = groups[g, 2 + axis] - eye[axis]
            right += away * axes[0, axis]
            up += away * axes[1, axis]
            ahead += away * axes[2, axis]
        r = groups[g, 5]
        if ahead + r < 0:
            bounds[g, 0], bounds[g, 1], bounds[g, 2], bounds[g, 3] = inf, -inf, inf, -inf
        elif ahead - r < 0.2:
            bounds[g, 0], bounds[g, 1], bounds[g, 2], bounds[g, 3] = -inf, inf, -inf, inf
        else:
            near, far = focal / (ahead - r), focal / (ahead + r)
            bounds[g, 0] = min((right - r) * near, (right - r) * far)
            bounds[g, 1] = max((right + r) * near, (right + r) * far)
            bounds[g, 2] = min((up - r) * near, (up - r) * far)
            bounds[g, 3] = max((up + r) * near, (up + r) * far)


@njit(nogil=True, fastmath=FAST)
def draw(
    frames: ndarray,
    segments: ndarray,
    depth: ndarray,
    bodies: ndarray,
    groups: ndarray,
    strokes: ndarray,
    eye: ndarray,
    axes: ndarray,
    focal: float,
    place: ndarray,
    light: ndarray,
    sky: ndarray,
    lamp: ndarray,
    colours: ndarray,
) -> None:
    """Fills one frame, its segments and depth, with four rays to a pixel.

    `light` rows: direction, light and skylight on things, light and skylight on the floor. `place`:
    the floor's shift (2), the heading of the hills, the light's side, the fog's range, the kind of
    floor, the time. `lamp`: place (3), level, colour (3).
    """
    rows, columns = segments.shape
    unit = 2.0 / min(rows, columns)
    total = groups.shape[0]
    bounds, active, row_active = (
        np.empty((total, 4)),
        np.zeros(total, np.int64),
        np.zeros(total, np.int64),
    )
    project_groups(groups, eye, axes, focal, bounds)
    kinds, depths = np.zeros(4, np.int64), np.zeros(4)
    for row in range(rows):
        high, low = unit * (rows / 2 - row), unit * (rows / 2 - row - 1)
        in_row = 0
        for g in range(total):
            if bounds[g, 2] <= high and bounds[g, 3] >= low:
                row_active[in_row] = g
                in_row += 1
        for column in range(columns):
            left, right = unit * (column - columns / 2), unit * (column + 1 - columns / 2)
            count = 0
            for i in range(in_row):
                g = row_active[i]
                if bounds[g, 0] <= right and bounds[g, 1] >= left:
                    active[count] = g
                    count += 1
            red = green = blue = 0.0
            open_sky = -1.0
            alone = 0
            for sample in range(4):
                sx = unit * (column + 0.25 + 0.5 * (sample % 2) - columns / 2)
                sy = unit * (rows / 2 - row - 0.25 - 0.5 * (sample // 2))
                scale = 1 / sqrt(sx * sx + sy * sy + focal * focal)
                sx, sy, sz = sx * scale, sy * scale, focal * scale
                ray = (
                    eye[0],
                    eye[1],
                    eye[2],
                    axes[0, 0] * sx + axes[1, 0] * sy + axes[2, 0] * sz,
                    axes[0, 1] * sx + axes[1, 1] * sy + axes[2, 1] * sz,
                    axes[0, 2] * sx + axes[1, 2] * sy + axes[2, 2] * sz,
                )
                found = nearest_hit(bodies, groups, active, count, ray)
                reach = -eye[1] / ray[4] if ray[4] < -1e-6 else inf
                if found[0] < reach:
                    reach = found[0]
                    r, g_, b = shade_body(
                        bodies, groups, light, lamp, float(sample) - 1.5, found, ray
                    )
                    kind = int(bodies[found[1], 23])
                elif reach < inf:
                    if open_sky < 0:
                        open_sky = contact_shade(
                            groups, eye[0] + ray[3] * reach, eye[2] + ray[5] * reach
                        )
                    r, g_, b, kind = shade_floor(
                        bodies,
                        groups,
                        strokes,
                        place,
                        light,
                        sky,
                        lamp,
                        colours,
                        unit / focal,
                        float(sample) - 1.5,
                        open_sky,
                        reach,
                        ray,
                    )
                else:
                    r, g_, b = sky_colour(sky, place[2], place[3], ray[3], ray[4], ray[5])
                    kind = SKY
                    alone += 1
                red, green, blue = red + r, green + g_, blue + b
                kinds[sample], depths[sample] = kind, reach * sz
                if alone == 2 and sample == 1 and count == 0 and ray[4] > unit:
                    red, green, blue = 2 * red, 2 * green, 2 * blue  # an empty sky: two rays do
                    kinds[2], kinds[3] = SKY, SKY
                    depths[2], depths[3] = inf, inf
                    break
            frames[row, column, 0] = int(255 * min(red / 4, 1.0) ** (1 / 2.2) + 0.5)
            frames[row, column, 1] = int(255 * min(green / 4, 1.0) ** (1 / 2.2) + 0.5)
            frames[row, column, 2] = int(255 * min(blue / 4, 1.0) ** (1 / 2.2) + 0.5)
            most, votes = 0, 0
            for sample in range(4):
                same = 0
                for other in range(4):
                    same += kinds[other] == kinds[sample]
                if same > votes:
                    most, votes = sample, same
            segments[row, column] = kinds[most]
            depth[row, column] = depths[most]
