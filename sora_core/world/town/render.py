"""Scenes of the town as pixels, with the truth about them.

Axes: k identities, t frames, y rows, x columns, g groups of bodies (one a thing).
"""

from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from ...errors import SizeError
from ...shapes import Frames, Size
from ..render import FIRST_THING, FOG_RANGE
from .bodies import Bodies, lamp_level, stage_bodies, stroke_rows
from .cameras import view_path
from .ground import GROUND_KINDS, precipitate
from .happenings import Happening, happenings
from .motion import centres, pose
from .palette import LIT, TOWN_FLOOR_COLOURS, Light, light_at, linear_light
from .raycast import draw
from .scene import Shot, Stage, TownScene
from .things import half_extents
from .visibility import share_in_view


@dataclass(frozen=True, slots=True)
class TownTruth:
    """The ground truth of a clip; k counts the identities of all shots, in order.

    `positions` are centres in world units, `screen` columns and rows from the top left corner,
    `radius` half the thing's longest side in pixels, `turn` its own axes in the world's; all are
    nan where the shot does not have the thing. `visible` is the share of its silhouette that is in
    view and not hidden. Rows of `axes` are the camera's right, up and forward; `focal` is in
    pixels. `light` is 1 by day and 0 at night, `lamp` the level of a lamp in [0, 1],
    `stroke` the area of floor that strokes cover, in square world units.
    """

    positions: Float32[Tensor, "k t 3"]
    screen: Float32[Tensor, "k t 2"]
    radius: Float32[Tensor, "k t"]
    turn: Float32[Tensor, "k t 3 3"]
    visible: Float32[Tensor, "k t"]
    present: Bool[Tensor, "k t"]
    eye: Float32[Tensor, "t 3"]
    axes: Float32[Tensor, "t 3 3"]
    focal: Float32[Tensor, "t"]
    shot: Int64[Tensor, "t"]
    light: Float32[Tensor, "t"]
    lamp: Float32[Tensor, "t"]
    stroke: Float32[Tensor, "t"]
    happenings: tuple[Happening, ...]


@dataclass(frozen=True, slots=True)
class Clip:
    """A rendered scene.

    Segments: 0 floor, 1 sky, 2 a stroke on the floor, 3 + k the thing of identity k. Depth is along
    the camera's forward axis, infinite for the sky.
    """

    frames: Frames
    segments: UInt8[Tensor, "t y x"]
    depth: Float32[Tensor, "t y x"]
    truth: TownTruth


def shot_indices(scene: TownScene, seconds: Float[ndarray, "t"]) -> Int64[ndarray, "t"]:
    """Which shot each time belongs to; a shot begins exactly at its start."""
    starts = np.array([shot.start for shot in scene.shots])
    return np.searchsorted(starts, seconds + 1e-9, side="right") - 1


def light_of(stage: Stage, clock: Float[ndarray, "t"]) -> Light:
    """The stage's light at each time of its clock."""
    if stage.light is None:
        return light_at(stage.sky, stage.sky, np.zeros_like(clock), stage.light_side)
    change = stage.light
    share = np.clip((clock - change.start) / (change.stop - change.start), 0, 1)
    return light_at(stage.sky, change.sky, share, stage.light_side)


def render_town(scene: TownScene, size: Size, fps: float = 8.0, start: float = 0.0) -> Clip:
    """The clip of `scene`, exactly `size`, its first frame `start` seconds into the scene.

    Frames at equal times are equal, whatever the rate and the length. Raises SizeError for a rate
    or a start that is not a positive number.
    """
    if not 0 < fps < inf or not 0 <= start < inf:
        raise SizeError(
            f"{fps} frames a second from {start} s: choose a rate above 0, a start >= 0"
        )
    seconds = start + np.arange(size.frames) / fps
    shape = (size.frames, size.height, size.width)
    frames, segments = np.empty((*shape, 3), np.uint8), np.empty(shape, np.uint8)
    depth = np.empty(shape, np.float32)
    known = max((thing.identity for thing in scene.things), default=-1) + 1
    truth = _Arrays(known, size.frames)
    indices = shot_indices(scene, seconds)
    for i, shot in enumerate(scene.shots):
        chosen = np.flatnonzero(indices == i)
        if len(chosen):
            _render_shot(shot, size, seconds[chosen], chosen, (frames, segments, depth), truth)
    truth.shot[:] = indices
    pictures, labels, depths = map(torch.from_numpy, (frames, segments, depth))
    stop = seconds[-1] + 1 / fps
    return Clip(pictures, labels, depths, truth.finished(happenings(scene, float(stop))))


class _Arrays:
    """The truth being filled, shot by shot."""

    def __init__(self, known: int, frames: int) -> None:
        self.positions = np.full((known, frames, 3), np.nan, np.float32)
        self.screen = np.full((known, frames, 2), np.nan, np.float32)
        self.radius = np.full((known, frames), np.nan, np.float32)
        self.turn = np.full((known, frames, 3, 3), np.nan, np.float32)
        self.visible = np.zeros((known, frames), np.float32)
        self.present = np.zeros((known, frames), bool)
        self.eye, self.axes = (
            np.zeros((frames, 3), np.float32),
            np.zeros((frames, 3, 3), np.float32),
        )
        self.focal, self.shot = np.zeros(frames, np.float32), np.zeros(frames, np.int64)
        self.light, self.lamp, self.stroke = (np.zeros(frames, np.float32) for _ in range(3))

    def finished(self, events: tuple[Happening, ...]) -> TownTruth:
        """The collected arrays as a Truth, with `events` as its happenings."""
        tensor = torch.from_numpy
        return TownTruth(
            positions=tensor(self.positions),
            screen=tensor(self.screen),
            radius=tensor(self.radius),
            turn=tensor(self.turn),
            visible=tensor(self.visible),
            present=tensor(self.present),
            eye=tensor(self.eye),
            axes=tensor(self.axes),
            focal=tensor(self.focal),
            shot=tensor(self.shot),
            light=tensor(self.light),
            lamp=tensor(self.lamp),
            stroke=tensor(self.stroke),
            happenings=events,
        )


def _render_shot(
    shot: Shot,
    size: Size,
    seconds: Float[ndarray, "t"],
    chosen: Int64[ndarray, "t"],
    pictures: tuple[ndarray, ndarray, ndarray],
    truth: _Arrays,
) -> None:
    frames, segments, depth = pictures
    stage = shot.stage
    local = seconds - shot.start
    clock = local + shot.offset
    camera = view_path(shot.view, stage, local, clock)
    light = light_of(stage, clock)
    bodies: Bodies = stage_bodies(stage, clock, FIRST_THING)
    strokes, area = stroke_rows(stage, clock)
    lamp = _lamp(stage, clock)
    colours = np.stack([linear_light(colour) for colour in TOWN_FLOOR_COLOURS[stage.floor]])
    shift_z = 0.0 if stage.floor == "road" else stage.floor_shift[1]
    for i, t in enumerate(chosen):
        place = np.array(
            [
                stage.floor_shift[0],
                shift_z,
                stage.heading,
                stage.light_side,
                FOG_RANGE,
                GROUND_KINDS[stage.floor],
                clock[i],
            ]
        )
        draw(
            frames[t],
            segments[t],
            depth[t],
            bodies.rows[i],
            bodies.groups[i],
            strokes[i],
            camera.eye[i],
            camera.axes[i],
            camera.focal[i],
            place,
            light.lights[i],
            light.table[i],
            lamp[i],
            colours,
        )
        if stage.weather != "dry":
            precipitate(frames[t], clock[i], stage.weather == "snowfall")
    half_side = min(size.width, size.height) / 2
    truth.eye[chosen], truth.axes[chosen] = camera.eye, camera.axes
    truth.focal[chosen] = camera.focal * half_side
    truth.light[chosen], truth.lamp[chosen], truth.stroke[chosen] = light.level, lamp[:, 3], area
    for g, thing in enumerate(stage.things):
        k, middle = thing.identity, centres(thing, clock)
        right, up, ahead = np.einsum("tij,tj->it", camera.axes, middle - camera.eye)
        scale = camera.focal * half_side / np.maximum(ahead, 0.1)
        truth.positions[k, chosen], truth.present[k, chosen] = middle, True
        truth.screen[k, chosen, 0] = size.width / 2 + scale * right
        truth.screen[k, chosen, 1] = size.height / 2 - scale * up
        at = pose(thing, clock)
        truth.radius[k, chosen] = scale * max(half_extents(thing)) * at.grow
        truth.turn[k, chosen] = at.turn
        for i, t in enumerate(chosen):
            truth.visible[k, t] = share_in_view(
                bodies.rows[i],
                bodies.groups[i],
                g,
                camera.eye[i],
                camera.axes[i],
                camera.focal[i],
                size.width / 2 / half_side,
                size.height / 2 / half_side,
            )


def _lamp(stage: Stage, clock: Float[ndarray, "t"]) -> Float[ndarray, "t 7"]:
    """Place, level and colour of the light of the stage's first lamp."""
    lamp = np.zeros((len(clock), 7))
    for thing in stage.things:
        if thing.kind == "lamp":
            at = pose(thing, clock)
            lamp[:, :3] = at.origin + 1.84 * thing.scale * at.turn[:, :, 1]
            lamp[:, 3] = lamp_level(thing, clock)
            lamp[:, 4:] = linear_light(LIT)
            break
    return lamp
