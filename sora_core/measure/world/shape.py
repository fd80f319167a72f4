"""Shape: whether a thing keeps its outline while it moves. Axes: t frames, y rows, x columns.

The silhouette of each frame is centred and compared with the median silhouette of the clip; the
constancy of a clip is the intersection over union of the worst tenth of its frames. A clip passes
if it is at least as constant as the worst 5 % of true clips through the autoencoder, measured on
other scenes.
"""

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from ...shapes import Frames
from .clips import Clips, Sample, calibration_readings, read_all
from .row import Row
from .tracker import Track, overlap, track

WORST = 0.1  # of the frames
PASSING = 0.05  # of the calibration clips lie below the bar
OUTSIDE_SHARE = 0.05  # of the calibration clips may miss one range or another
WHOLE_FRAMES = 5  # frames with the thing wholly in view, else the clip fails


def constancy(sample: Sample, frames: Frames) -> float:
    """The constancy of the first thing's silhouette in its worst tenth of frames, 0 to 1."""
    return track_constancy(track(frames, sample.tints[0]))


def track_constancy(found: Track) -> float:
    """The constancy of a track: without frames at the border; frames without the thing are 0."""
    counted = found.inside | ~found.found
    if found.inside.sum() < WHOLE_FRAMES:
        return 0.0
    centred = centre(found.matte[found.inside], found.x[found.inside], found.y[found.inside])
    outline = centred.median(0).values > 0.5
    scores = np.zeros(counted.sum())
    scores[found.inside[counted]] = overlap(centred > 0.5, outline.expand(len(centred), -1, -1))
    return float(np.quantile(scores, WORST))


def centre(
    matte: Float[Tensor, "t y x"], x: Float[ndarray, "t"], y: Float[ndarray, "t"]
) -> Float[Tensor, "t y x"]:
    """`matte`, with the place (`x`, `y`) of each frame moved to the middle, between pixels too."""
    height, width = matte.shape[1:]
    shift = np.stack([2 * x / width - 1, 2 * y / height - 1], axis=-1)
    turn = torch.eye(2).expand(len(matte), 2, 2)
    moves = torch.cat([turn, torch.from_numpy(shift).float()[..., None]], dim=2)
    grid = affine_grid(moves, [len(matte), 1, height, width], align_corners=False)
    return grid_sample(matte[:, None], grid, align_corners=False)[:, 0]


def rows(clips: Clips, count: int, calibration: int) -> list[Row]:
    """`shape/{bounce,fall,roll}`: the share of clips that pass."""
    return [_passing(clips, kind, count, calibration) for kind in ("bounce", "fall", "roll")]


def _passing(clips: Clips, kind: str, count: int, calibration: int) -> Row:
    bar = float(np.quantile(calibration_readings(clips, kind, calibration, constancy), PASSING))
    trio = read_all(clips, clips.samples(kind, count), constancy)
    return trio.shares(f"shape/{kind}", lambda value: value >= bar)
