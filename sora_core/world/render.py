"""Rendering of scenes, with ground truth. Axes: k objects, t frames, y rows, x columns."""

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from torch import Tensor

from ..shapes import Frames, Size
from .motion import CameraPath, camera_path, rotations, thing_positions
from .palette import BRICK, FLOOR_COLOURS, SECOND, SKY_COLOURS, THINGS, linear_light
from .raycast import BODY, draw_frames, visible_share
from .scene import Scene, Thing, Wall

FLOOR, SKY, WALL, FIRST_THING = range(4)
SHAPE_KINDS = {"ball": 0, "cube": 1, "cylinder": 2, "cone": 3}
FLOOR_KINDS = {"grass": 0, "sand": 1, "checker": 2, "snow": 3, "wood": 4, "grey": 5}
FOG_RANGE = 24.0


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of a clip. Positions and the camera are in world units, the rest in pixels.

    `screen` counts columns and rows from the top left corner of the frame; `radius` is that of a
    ball of the object's size; `visible` is the share of its silhouette in view and not hidden.
    Rows of `axes` are the camera's right, up and forward; `focal` is in pixels.
    """

    positions: Float32[Tensor, "k t 3"]
    screen: Float32[Tensor, "k t 2"]
    radius: Float32[Tensor, "k t"]
    visible: Float32[Tensor, "k t"]
    eye: Float32[Tensor, "t 3"]
    axes: Float32[Tensor, "t 3 3"]
    focal: Float32[Tensor, "t"]


@dataclass(frozen=True, slots=True)
class RenderedClip:
    """A rendered scene.

    Segments: 0 floor, 1 sky, 2 wall, 3 + k object k. Depth is along the camera's forward axis,
    infinite for the sky.
    """

    frames: Frames
    segments: UInt8[Tensor, "t y x"]
    depth: Float32[Tensor, "t y x"]
    truth: Truth


def render(scene: Scene, size: Size, fps: float = 8.0, start: float = 0.0) -> RenderedClip:
    """The clip of `scene`, exactly `size`, whose first frame is `start` seconds into the scene.

    Motion depends on the time alone, so a longer clip begins with the frames of a shorter one.
    """
    seconds = start + np.arange(size.frames) / fps
    camera = camera_path(scene, seconds)
    centres = np.stack([thing_positions(thing, seconds) for thing in scene.things])
    rows = [
        _thing_rows(thing, seconds, centre, FIRST_THING + k)
        for k, (thing, centre) in enumerate(zip(scene.things, centres, strict=True))
    ]
    if scene.wall:
        rows.append(np.repeat(_wall_row(scene.wall)[None], size.frames, axis=0))
    bodies = rearrange(np.stack(rows), "k t body -> t k body").copy()

    shape = (size.frames, size.height, size.width)
    frames, segments = np.empty((*shape, 3), np.uint8), np.empty(shape, np.uint8)
    depth = np.empty(shape, np.float32)
    sky = SKY_COLOURS[scene.sky]
    draw_frames(
        frames,
        segments,
        depth,
        bodies,
        camera.eye,
        camera.axes,
        camera.focal,
        np.array([*scene.floor_shift, scene.heading, scene.light_side, FOG_RANGE]),
        sky.lights(scene.light_side),
        sky.table(),
        FLOOR_KINDS[scene.floor],
        np.stack([linear_light(colour) for colour in FLOOR_COLOURS[scene.floor]]),
    )
    truth = _truth(scene, size, centres, camera, bodies)
    pictures, labels, depths = map(torch.from_numpy, (frames, segments, depth))
    return RenderedClip(pictures, labels, depths, truth)


def _thing_rows(
    thing: Thing, seconds: Float[ndarray, "t"], centres: Float[ndarray, "t 3"], segment: int
) -> Float[ndarray, "t body"]:
    rows = np.empty((len(seconds), BODY))
    rows[:, 0] = SHAPE_KINDS[thing.shape]
    rows[:, 1:4] = thing.half
    rows[:, 4:7] = centres
    rows[:, 7:16] = rearrange(rotations(thing, seconds), "t i j -> t (i j)")
    rows[:, 16:19] = linear_light(THINGS[thing.colour])
    rows[:, 19:22] = linear_light(SECOND[thing.colour])
    rows[:, 22] = thing.pattern == "striped"
    rows[:, 23] = segment
    return rows


def _wall_row(wall: Wall) -> Float[ndarray, "body"]:
    half = (wall.width / 2, wall.height / 2, 0.14)
    centre = (wall.x, half[1], wall.z)
    return np.array(
        [
            1,
            *half,
            *centre,
            *np.eye(3).ravel(),
            *linear_light(BRICK[0]),
            *linear_light(BRICK[1]),
            2,
            WALL,
        ]
    )


def _truth(
    scene: Scene,
    size: Size,
    centres: Float[ndarray, "k t 3"],
    camera: CameraPath,
    bodies: Float[ndarray, "t k body"],
) -> Truth:
    half_side = min(size.width, size.height) / 2
    away = centres - camera.eye
    right, up, ahead = np.einsum("tij,ktj->ikt", camera.axes, away)
    focal = camera.focal * half_side
    scale = focal / np.maximum(ahead, 0.1)
    screen = np.stack([size.width / 2 + scale * right, size.height / 2 - scale * up], axis=-1)
    wide, tall = size.width / 2 / half_side, size.height / 2 / half_side
    visible = [
        [
            visible_share(bodies[t], k, camera.eye[t], camera.axes[t], camera.focal[t], wide, tall)
            for t in range(size.frames)
        ]
        for k in range(len(scene.things))
    ]
    radii = np.array([[thing.radius] for thing in scene.things])
    values = (centres, screen, radii * scale, visible, camera.eye, camera.axes, focal)
    return Truth(*(torch.from_numpy(np.asarray(value, np.float32)) for value in values))
