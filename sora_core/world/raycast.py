"""The ray caster, compiled: tables of numbers to pixels. Axes: t frames, k bodies.

A body is a row: kind (0 ball, 1 box, 2 cylinder, 3 cone), half extents (3), centre (3), turn (9, to
world axes), first colour (3), second colour (3), pattern (0 plain, 1 striped, 2 bricks), segment.
"""

from math import exp, inf, sqrt

import numpy as np
from numba import njit
from numpy import ndarray

from .surfaces import floor_colour, is_mortar, is_stripe, sky_colour

BODY = 24
MIN_DISTANCE = 1e-4


@njit(nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def strike(
    body: ndarray, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float
) -> tuple[float, float, float, float, float, float, float]:
    """Distance along a ray (inf: missed), then place and normal there, in the body's own axes."""
    px, py, pz = ox - body[4], oy - body[5], oz - body[6]
    a, b, c = body[1], body[2], body[3]
    reach = a * a + b * b + c * c
    nearest = px * dx + py * dy + pz * dz
    miss = px * px + py * py + pz * pz - nearest * nearest
    if miss > reach:
        return inf, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    x = body[7] * px + body[10] * py + body[13] * pz
    y = body[8] * px + body[11] * py + body[14] * pz
    z = body[9] * px + body[12] * py + body[15] * pz
    u = body[7] * dx + body[10] * dy + body[13] * dz
    v = body[8] * dx + body[11] * dy + body[14] * dz
    w = body[9] * dx + body[12] * dy + body[15] * dz
    kind = int(body[0])
    best, nx, ny, nz = inf, 0.0, 0.0, 0.0
    if kind == 0:
        root = nearest * nearest - (px * px + py * py + pz * pz - a * a)
        if root > 0:
            t = -nearest - sqrt(root)
            if t > MIN_DISTANCE:
                best = t
                nx, ny, nz = (x + u * t) / a, (y + v * t) / a, (z + w * t) / a
    elif kind == 1:
        u = u if abs(u) > 1e-9 else 1e-9
        v = v if abs(v) > 1e-9 else 1e-9
        w = w if abs(w) > 1e-9 else 1e-9
        tx, ty, tz = -x / u - abs(a / u), -y / v - abs(b / v), -z / w - abs(c / w)
        far = min(-x / u + abs(a / u), -y / v + abs(b / v), -z / w + abs(c / w))
        t = max(tx, ty, tz)
        if MIN_DISTANCE < t < far:
            best = t
            if t == tx:
                nx = -1.0 if u > 0 else 1.0
            elif t == ty:
                ny = -1.0 if v > 0 else 1.0
            else:
                nz = -1.0 if w > 0 else 1.0
    else:
        lid = b if kind == 2 else -b  # a cylinder's top; a cone's base, seen only from below
        if kind == 2:
            qa, qb, qc = u * u + w * w, x * u + z * w, x * x + z * z - a * a
            slope = 0.0
        else:
            slope = a / (2 * b)
            rim, fall = slope * (b - y), -slope * v
            qa = u * u + w * w - fall * fall
            qb = x * u + z * w - rim * fall
            qc = x * x + z * z - rim * rim
        root = qb * qb - qa * qc
        if root > 0 and abs(qa) > 1e-12:
            for sign in (-1.0, 1.0):
                t = (-qb + sign * sqrt(root)) / qa
                at = y + v * t
                if MIN_DISTANCE < t < best and -b < at < b:
                    best = t
                    nx, nz = x + u * t, z + w * t
                    ny = slope * sqrt(nx * nx + nz * nz)
                    size = sqrt(nx * nx + ny * ny + nz * nz)
                    nx, ny, nz = nx / size, ny / size, nz / size
        if abs(v) > 1e-9:
            for cap in (lid, -b):
                t = (cap - y) / v
                if MIN_DISTANCE < t < best and (x + u * t) ** 2 + (z + w * t) ** 2 < a * a:
                    best, nx, ny, nz = t, 0.0, (1.0 if cap > 0 else -1.0), 0.0
    return best, x + u * best, y + v * best, z + w * best, nx, ny, nz


@njit(nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def is_dark(bodies: ndarray, x: float, y: float, z: float, lx: float, ly: float, lz: float) -> bool:
    """Whether something stands between a place and the light."""
    for k in range(bodies.shape[0]):  # noqa: SIM110 (numba compiles no generators)
        if strike(bodies[k], x, y, z, lx, ly, lz)[0] < inf:
            return True
    return False


@njit(nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def contact(bodies: ndarray, x: float, z: float) -> float:
    """The share of skylight that reaches the floor beside and under the bodies."""
    light = 1.0
    for k in range(bodies.shape[0]):
        body = bodies[k]
        gap = max(body[5] - body[2], 0.0)
        # A body farther up shades less, but wider.
        spread = (0.75 + gap) * body[1]
        away = (x - body[4]) ** 2 + (z - body[6]) ** 2
        light *= 1 - 0.62 / (1 + 2.2 * gap) * exp(-away / (spread * spread * 1.7))
    return light


@njit(nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def shade(
    bodies: ndarray,
    place: ndarray,
    light: ndarray,
    sky: ndarray,
    floor_kind: int,
    floor_colours: ndarray,
    pixel: float,
    jitter: float,
    ray: tuple[float, float, float, float, float, float],
) -> tuple[float, float, float, float, int]:
    """Red, green, blue, distance and segment along one ray.

    `light` rows: direction, light and skylight on things, light and skylight on the floor.
    `place`: the floor's shift (2), the heading of the hills, the light's side, the fog's range.
    """
    ox, oy, oz, dx, dy, dz = ray
    best, hit = inf, -1
    lx, ly, lz = light[0, 0] + 0.07 * jitter, light[0, 1], light[0, 2] - 0.07 * jitter
    x = y = z = nx = ny = nz = 0.0
    for k in range(bodies.shape[0]):
        found = strike(bodies[k], ox, oy, oz, dx, dy, dz)
        if found[0] < best:
            best, hit = found[0], k
            _, x, y, z, nx, ny, nz = found
    if dy < -1e-6 and -oy / dy < best:
        best, hit = -oy / dy, -2
    if hit == -1:
        red, green, blue = sky_colour(sky, place[2], place[3], dx, dy, dz)
        return red, green, blue, inf, 1
    wx, wy, wz = ox + dx * best, oy + dy * best, oz + dz * best
    if hit == -2:
        blur = pixel * best / max(-dy, 1e-3)
        red, green, blue = floor_colour(
            floor_kind, floor_colours, wx + place[0], wz + place[1], 0.5 * blur
        )
        sun = 0.0 if is_dark(bodies, wx, 1e-3, wz, lx, ly, lz) else ly
        open_sky = contact(bodies, wx, wz)
        red *= light[3, 0] * sun + light[4, 0] * open_sky
        green *= light[3, 1] * sun + light[4, 1] * open_sky
        blue *= light[3, 2] * sun + light[4, 2] * open_sky
        fog = 1 - exp(-((best / place[4]) ** 2))
        red += (sky[0, 0] - red) * fog
        green += (sky[0, 1] - green) * fog
        blue += (sky[0, 2] - blue) * fog
        return red, green, blue, best, 0
    body = bodies[hit]
    second = (body[22] == 1 and is_stripe(int(body[0]), body[1], x, z, nx, nz)) or (
        body[22] == 2 and is_mortar(x, y + body[2])
    )
    tone = 19 if second else 16
    red, green, blue = body[tone], body[tone + 1], body[tone + 2]
    gx = body[7] * nx + body[8] * ny + body[9] * nz
    gy = body[10] * nx + body[11] * ny + body[12] * nz
    gz = body[13] * nx + body[14] * ny + body[15] * nz
    facing = gx * lx + gy * ly + gz * lz
    shine = 0.0
    if facing > 0:
        if is_dark(bodies, wx + 2e-3 * gx, wy + 2e-3 * gy, wz + 2e-3 * gz, lx, ly, lz):
            facing = 0.0
        else:
            mirror = 2 * (gx * dx + gy * dy + gz * dz)
            along = (dx - mirror * gx) * lx + (dy - mirror * gy) * ly + (dz - mirror * gz) * lz
            shine = 0.32 * max(along, 0.0) ** 22 if body[22] != 2 else 0.0
    facing = max(facing, 0.0)
    open_sky = (0.68 + 0.32 * gy) * (0.55 + 0.45 * min(wy / 0.5, 1.0))
    red = red * (light[1, 0] * facing + light[2, 0] * open_sky) + shine * light[1, 0]
    green = green * (light[1, 1] * facing + light[2, 1] * open_sky) + shine * light[1, 1]
    blue = blue * (light[1, 2] * facing + light[2, 2] * open_sky) + shine * light[1, 2]
    return red, green, blue, best, int(body[23])


@njit(nogil=True)
def draw_frames(
    frames: ndarray,
    segments: ndarray,
    depth: ndarray,
    bodies: ndarray,
    eye: ndarray,
    axes: ndarray,
    focal: ndarray,
    place: ndarray,
    light: ndarray,
    sky: ndarray,
    floor_kind: int,
    floor_colours: ndarray,
) -> None:
    """Fills `frames`, `segments` and `depth`, with four rays to a pixel."""
    count, rows, columns = segments.shape
    unit = 2.0 / min(rows, columns)
    kinds, depths = np.zeros(4, np.int64), np.zeros(4)
    for t in range(count):
        for row in range(rows):
            for column in range(columns):
                red = green = blue = 0.0
                for sample in range(4):
                    sx = unit * (column + 0.25 + 0.5 * (sample % 2) - columns / 2)
                    sy = unit * (rows / 2 - row - 0.25 - 0.5 * (sample // 2))
                    scale = 1 / sqrt(sx * sx + sy * sy + focal[t] * focal[t])
                    sx, sy, sz = sx * scale, sy * scale, focal[t] * scale
                    ray = (
                        eye[t, 0],
                        eye[t, 1],
                        eye[t, 2],
                        axes[t, 0, 0] * sx + axes[t, 1, 0] * sy + axes[t, 2, 0] * sz,
                        axes[t, 0, 1] * sx + axes[t, 1, 1] * sy + axes[t, 2, 1] * sz,
                        axes[t, 0, 2] * sx + axes[t, 1, 2] * sy + axes[t, 2, 2] * sz,
                    )
                    r, g, b, reach, kind = shade(
                        bodies[t],
                        place,
                        light,
                        sky,
                        floor_kind,
                        floor_colours,
                        unit / focal[t],
                        float(sample) - 1.5,
                        ray,
                    )
                    red, green, blue = red + r, green + g, blue + b
                    kinds[sample], depths[sample] = kind, reach * sz
                frames[t, row, column, 0] = int(255 * min(red / 4, 1.0) ** (1 / 2.2) + 0.5)
                frames[t, row, column, 1] = int(255 * min(green / 4, 1.0) ** (1 / 2.2) + 0.5)
                frames[t, row, column, 2] = int(255 * min(blue / 4, 1.0) ** (1 / 2.2) + 0.5)
                most, votes = 0, 0
                for sample in range(4):
                    same = 0
                    for other in range(4):
                        same += kinds[other] == kinds[sample]
                    if same > votes:
                        most, votes = sample, same
                segments[t, row, column] = kinds[most]
                depth[t, row, column] = depths[most]


@njit(nogil=True)
def visible_share(
    bodies: ndarray, k: int, eye: ndarray, axes: ndarray, focal: float, wide: float, tall: float
) -> float:
    """The share of body `k`'s silhouette that is inside the frame and not behind another body.

    `wide` and `tall` are half the frame's sides, in half smaller sides.
    """
    body = bodies[k]
    right = up = ahead = 0.0
    for axis in range(3):
        away = body[4 + axis] - eye[axis]
        right += away * axes[0, axis]
        up += away * axes[1, axis]
        ahead += away * axes[2, axis]
    if ahead < 0.1:
        return 0.0
    reach = 1.05 * sqrt(body[1] ** 2 + body[2] ** 2 + body[3] ** 2) * focal / ahead
    whole = visible = 0
    for row in range(24):
        for column in range(24):
            sx = right * focal / ahead + reach * (column - 11.5) / 12
            sy = up * focal / ahead + reach * (row - 11.5) / 12
            scale = 1 / sqrt(sx * sx + sy * sy + focal * focal)
            dx = (axes[0, 0] * sx + axes[1, 0] * sy + axes[2, 0] * focal) * scale
            dy = (axes[0, 1] * sx + axes[1, 1] * sy + axes[2, 1] * focal) * scale
            dz = (axes[0, 2] * sx + axes[1, 2] * sy + axes[2, 2] * focal) * scale
            own = strike(body, eye[0], eye[1], eye[2], dx, dy, dz)[0]
            if own == inf:
                continue
            whole += 1
            if abs(sx) > wide or abs(sy) > tall:
                continue
            hidden = False
            for other in range(bodies.shape[0]):
                if other != k:
                    hidden |= strike(bodies[other], eye[0], eye[1], eye[2], dx, dy, dz)[0] < own
            visible += not hidden
    return visible / whole if whole else 0.0
