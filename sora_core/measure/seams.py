"""Seams: the step at a join relative to the usual step of the video, measured and plotted.

Axes: t frames, n steps, y rows, x columns.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..canvas.canvas import Canvas
from ..canvas.canvas_latent import whole_frames
from ..canvas.encode import openness
from ..errors import SizeError
from ..shapes import COMPRESSION, Compression, Frames, Mask
from ..video.flow import optical_flow

PAIRS = 8  # pairs of frames in one batch

SEAM_KINDS = ("pixels", "flow", "colour")
MIN_STEPS = {"pixels": 0.25, "flow": 0.02, "colour": 0.25}
"""Invisible steps; smaller ones are raised to these, so that a still video has ratios of 1."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The size of each step from a frame to the next; in a loop, the last step leads to frame 0.

    `pixels`: mean absolute difference, in levels of 255. `flow`: mean length of the optical flow,
    in pixels. `colour`: mean distance of the distributions of red, green and blue, in levels;
    motion does not change it, and a change of brightness by d levels is d.
    """

    pixels: Float[Tensor, " n"]
    flow: Float[Tensor, " n"]
    colour: Float[Tensor, " n"]

    def of(self, kind: str) -> Float[Tensor, " n"]:
        """The steps of one of `SEAM_KINDS`."""
        return {"pixels": self.pixels, "flow": self.flow, "colour": self.colour}[kind]


def steps(chunks: Iterable[Frames], loop: bool = False) -> Steps:
    """The steps of a video in chunks of any length; one chunk is in memory at a time.

    SizeError for fewer than 3 frames.
    """
    first, last, parts = None, None, []
    for chunk in chunks:
        first = chunk[:1] if first is None else first
        chunk = chunk if last is None else torch.cat([last, chunk])
        last = chunk[-1:]
        for i in range(0, len(chunk) - 1, PAIRS):
            end = min(i + PAIRS, len(chunk) - 1)
            parts.append(_between(chunk[i:end], chunk[i + 1 : end + 1]))
    if loop and parts and first is not None and last is not None:
        parts.append(_between(last, first))
    found = torch.cat(parts, dim=1) if parts else torch.empty(3, 0)
    if found.shape[1] < 2:
        raise SizeError("a video of less than 3 frames has no seams to measure: use a longer one")
    return Steps(*found)


@dataclass(frozen=True, slots=True)
class Seams:
    """The steps of a video, and its joins: the first frames of its parts, except frame 0.

    With `loop`, the last step is the wrap from the last frame to the first. SizeError for a join
    outside the video, and if no step is without a join.
    """

    steps: Steps
    joins: tuple[int, ...] = ()
    loop: bool = False

    def __post_init__(self) -> None:
        frames = len(self.steps.pixels) + (not self.loop)
        for join in self.joins:
            if not 1 <= join < frames:
                raise SizeError(f"join at frame {join} of {frames}: choose from 1 to {frames - 1}")
        if len(set(self.joins)) + self.loop >= len(self.steps.pixels):
            raise SizeError(
                f"{len(self.joins)} joins in {frames} frames leave no step between: mark fewer"
            )

    def usual(self, kind: str) -> float:
        """The median of all steps that are not at a join."""
        values = self.steps.of(kind)
        inside = torch.ones(len(values), dtype=torch.bool)
        inside[[join - 1 for join in self.joins]] = False
        if self.loop:
            inside[-1] = False
        return values[inside].quantile(0.5).item()

    def ratio(self, kind: str, join: int) -> float:
        """The step into frame `join` over the usual one: 1 is no seam, near 0 a doubled frame.

        Frame 0 is the wrap of a loop, and a SizeError elsewhere. Both steps are at least MIN_STEPS.
        """
        if join == 0 and not self.loop:
            raise SizeError("frame 0 is a join of loops only: choose a frame from 1 on")
        floor = MIN_STEPS[kind]
        step = self.steps.of(kind)[join - 1].item()
        return max(step, floor) / max(self.usual(kind), floor)

    def ratios(self, join: int) -> dict[str, float]:
        """The ratio at frame `join`, by kind."""
        return {kind: self.ratio(kind, join) for kind in SEAM_KINDS}

    def summary(self) -> dict[str, object]:
        """All numbers, ready for JSON: steps, usual steps, and the ratios of each join."""
        return {
            "frames": len(self.steps.pixels) + (not self.loop),
            "usual_step": {kind: round(self.usual(kind), 4) for kind in SEAM_KINDS},
            "joins": [{"frame": join} | _rounded_values(self.ratios(join)) for join in self.joins],
            "loop": _rounded_values(self.ratios(0)) if self.loop else None,
            "steps": {kind: _rounded_all(self.steps.of(kind).tolist()) for kind in SEAM_KINDS},
        }


def _between(before: Frames, after: Frames) -> Float[Tensor, "3 n"]:
    pixels = (after.float() - before.float()).abs().mean(dim=(1, 2, 3))
    moved = optical_flow(before, after).norm(dim=1).mean(dim=(1, 2))
    colour = [colour_distance(a, b) for a, b in zip(before, after, strict=True)]
    return torch.stack([pixels, moved, torch.tensor(colour)])


def colour_distance(a: UInt8[Tensor, "*any 3"], b: UInt8[Tensor, "*any 3"]) -> float:
    """The first Wasserstein distance of the distributions of levels, averaged over channels."""
    gap = (_spread(a) - _spread(b)).abs().sum(dim=1)
    return gap.mean().item()


def _spread(frames: UInt8[Tensor, "*any 3"]) -> Float[Tensor, "3 level"]:
    """The cumulative distribution of levels, by channel."""
    counts = [torch.bincount(channel.flatten(), minlength=256) for channel in frames.unbind(-1)]
    return torch.stack(counts).double().cumsum(dim=1) / (frames.numel() / 3)


def _rounded_values(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


def _rounded_all(values: Sequence[float]) -> list[float]:
    return [round(value, 3) for value in values]


GENERATED_SHARE = 0.5  # change of the mask between latent frames that counts as a join


def canvas_joins(canvas: Canvas, compression: Compression = COMPRESSION) -> tuple[int, ...]:
    """The frames at which generated follows known footage, or the reverse, anywhere in the frame.

    Footage files are opened for their length. The wrap of a loop, from its last frame to the first,
    is not among them.
    """
    return mask_joins(canvas, openness(canvas, compression), compression)


def mask_joins(
    canvas: Canvas, mask: Mask, compression: Compression = COMPRESSION
) -> tuple[int, ...]:
    """The joins of `canvas_joins`, from the `mask` that `encode_canvas` returned."""
    jumps = (mask[:, :, 1:] - mask[:, :, :-1]).abs().amax(dim=(0, 1, 3, 4)) > GENERATED_SHARE
    latent_frames = (jumps.nonzero().flatten() + 1).tolist()
    starts = (canvas.frames_of(i, compression).start for i in latent_frames)
    return tuple(frame for frame in starts if frame < canvas.size.frames)


def preserved_frames(
    canvas: Canvas, mask: Mask, compression: Compression = COMPRESSION
) -> tuple[int, ...]:
    """The frames of which every pixel is known footage with firmness 1."""
    whole_latent_frames = (i for i, whole in enumerate(whole_frames(mask)[0]) if whole)
    frames = (frame for i in whole_latent_frames for frame in canvas.frames_of(i, compression))
    return tuple(frame for frame in frames if frame < canvas.size.frames)


Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

PLOT_WIDTH, PLOT_BAND, PLOT_EDGE, PLOT_TOP = 640, 96, 12, 18
MAX_RATIO = 4.0  # usual steps; the curve is cut off there, and the number beside it is not
PLOT_PAPER, PLOT_FIELD, PLOT_INK, PLOT_FAINT = (
    (24, 24, 28),
    (36, 36, 42),
    (225, 225, 230),
    (90, 90, 100),
)
CURVES = {"pixels": (86, 156, 214), "flow": (120, 200, 160), "colour": (214, 157, 86)}
JOIN_COLOUR = (230, 90, 90)


def seam_plot(seams: Seams) -> UInt8[Tensor, "y x 3"]:
    """A plot of each step divided by the usual one, for pixels, flow and colour.

    Time runs from left to right; the horizontal line is 1. Joins are red, with their ratios; the
    wrap of a loop is at the right end.
    """
    image = Image.new(
        "RGB", (PLOT_WIDTH, len(SEAM_KINDS) * (PLOT_BAND + PLOT_TOP) + PLOT_EDGE), PLOT_PAPER
    )
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    for i, kind in enumerate(SEAM_KINDS):
        _draw_curve(pen, font, seams, kind, i * (PLOT_BAND + PLOT_TOP) + PLOT_TOP)
    return torch.from_numpy(np.array(image))


def _draw_curve(pen: ImageDraw.ImageDraw, font: Font, seams: Seams, kind: str, top: int) -> None:
    usual, floor = seams.usual(kind), MIN_STEPS[kind]
    heights = (seams.steps.of(kind).clamp(min=floor) / max(usual, floor)).tolist()
    pen.rectangle(
        (PLOT_EDGE, top, PLOT_WIDTH - PLOT_EDGE - 1, top + PLOT_BAND - 1), fill=PLOT_FIELD
    )
    pen.line(
        (PLOT_EDGE, _ratio_y(1, top), PLOT_WIDTH - PLOT_EDGE - 1, _ratio_y(1, top)), fill=PLOT_FAINT
    )
    unit = "px" if kind == "flow" else "/255"
    pen.text(
        (PLOT_EDGE, top - PLOT_TOP + 3), f"{kind}: usual step {usual:.2f} {unit}", PLOT_INK, font
    )
    joins = [*seams.joins, *([len(heights)] if seams.loop else [])]
    for join in joins:
        x = _step_x(join, heights)
        pen.line((x, top, x, top + PLOT_BAND - 1), fill=JOIN_COLOUR)
    points = [(_step_x(i + 1, heights), _ratio_y(height, top)) for i, height in enumerate(heights)]
    pen.line(points, fill=CURVES[kind], width=2)
    for join in joins:
        label = f"{heights[join - 1]:.2f}"
        x = min(
            _step_x(join, heights) + 3,
            PLOT_WIDTH - PLOT_EDGE - round(pen.textlength(label, font)) - 2,
        )
        pen.text((x, top + 2), label, JOIN_COLOUR, font)


def _step_x(step: int, heights: Sequence[float]) -> int:
    return PLOT_EDGE + round(
        (step - 1) / max(1, len(heights) - 1) * (PLOT_WIDTH - 2 * PLOT_EDGE - 1)
    )


def _ratio_y(ratio: float, top: int) -> int:
    return top + round((1 - min(ratio, MAX_RATIO) / MAX_RATIO) * (PLOT_BAND - 1))
