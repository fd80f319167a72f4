"""Nodes that put footage, images and latents on a canvas, anywhere in time and space."""

from dataclasses import replace

from comfy_api.latest import io

from ..sora_core.canvas import edits
from ..sora_core.canvas.canvas import FITS, MAX_SPEED, MIN_SPEED, Box, Canvas, Placement, curve_of
from ..sora_core.canvas.edits import EDGES
from ..sora_core.canvas.media import Media
from ..sora_core.canvas.rasterize import visible_frames
from ..sora_core.errors import SizeError
from ..sora_core.shapes import MAX_SIDE
from .host.latents import check_one, with_time
from .host.sockets.checked import checked_inputs
from .host.validation import checked_choice
from .schema_inputs import (
    MAX_CANVAS_SECONDS,
    canvas_input,
    canvas_output,
    canvas_result,
    choice_input,
    clip_of,
    curve_input,
    firmness_input,
    fit_input,
    seconds_input,
    video_input,
)


@checked_inputs
class SoraPlaceVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraPlaceVideo",
            display_name="Sora Place Video",
            category="Sora/canvas",
            description="Places footage on a canvas, anywhere in time and space, with its sound. "
            "The model generates the rest. Later placements cover earlier ones.",
            inputs=[
                canvas_input(),
                video_input(
                    "video", "The footage. A batch of images plays at the rate of the canvas."
                ),
                seconds_input(
                    "start",
                    0.0,
                    "When the footage starts, in seconds of the canvas. Parts before or after "
                    "the canvas are cut.",
                    -MAX_CANVAS_SECONDS,
                ),
                edge_input(
                    "start: seconds from the start of the canvas to that of the footage; end: from "
                    "the end of the footage to that of the canvas."
                ),
                seconds_input("skip", 0.0, "Seconds to skip at the beginning of the footage."),
                seconds_input("seconds", 0.0, "How long it lasts; 0 is to its end."),
                io.Float.Input(
                    "speed",
                    default=1.0,
                    min=MIN_SPEED,
                    max=MAX_SPEED,
                    step=0.05,
                    tooltip="2 plays footage and sound twice as fast.",
                ),
                firmness_input(
                    1.0, "1 preserves the footage, 0 ignores it; in between it is changed."
                ),
                fit_input(),
                *region_inputs(),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White where the model may replace the footage. One mask for all "
                    "frames, or one for each frame.",
                ),
                curve_input(),
            ],
            outputs=[canvas_output()],
        )

    @classmethod
    def execute(
        cls, canvas, video, start, counted_from, skip, seconds, speed, firmness, fit, left, top,
        width, height, mask=None, curve="",
    ) -> io.NodeOutput:  # fmt: skip
        clip = clip_of(video, canvas, fit)
        edge = checked_choice("counted_from", counted_from, EDGES)
        placement = edits.media_placement(clip, canvas, start, edge, skip, seconds, speed, mask)
        box = region(canvas, left, top, width, height)
        firmness = curve_of(curve) or firmness
        return on_canvas(canvas, replace(placement, region=box, firmness=firmness), clip)


@checked_inputs
class SoraPlaceImage(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraPlaceImage",
            display_name="Sora Place Image",
            category="Sora/canvas",
            description="Places a still image on a canvas, as a key frame or for some seconds. A "
            "video passes through all images on its canvas.",
            inputs=[
                canvas_input(),
                io.Image.Input("image", tooltip="The image; of a batch, the first one."),
                seconds_input(
                    "start",
                    0.0,
                    "When the image starts, in seconds of the canvas.",
                    -MAX_CANVAS_SECONDS,
                ),
                edge_input(
                    "start: seconds from the start of the canvas; end: from its end, so that 0 is "
                    "the last frame."
                ),
                seconds_input("seconds", 0.0, "How long the image lasts; 0 is a single frame."),
                firmness_input(
                    1.0, "1 preserves the image, 0 ignores it; in between it is changed."
                ),
                fit_input("crop"),
                *region_inputs(),
                io.Mask.Input(
                    "mask", optional=True, tooltip="White where the model may replace the image."
                ),
                curve_input(),
            ],
            outputs=[canvas_output()],
        )

    @classmethod
    def execute(
        cls, canvas, image, start, counted_from, seconds, firmness, fit, left, top, width, height,
        mask=None, curve="",
    ) -> io.NodeOutput:  # fmt: skip
        edge = checked_choice("counted_from", counted_from, EDGES)
        placement = replace(
            edits.still_placement(image[:1, ..., :3], canvas, start, edge, seconds),
            region=region(canvas, left, top, width, height),
            fit=checked_choice("fit", fit, FITS),
            firmness=curve_of(curve) or firmness,
            mask=None if mask is None else mask[:1],
        )
        return on_canvas(canvas, placement)


@checked_inputs
class SoraPlaceLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraPlaceLatent",
            display_name="Sora Place Latent",
            category="Sora/canvas",
            description="Places a latent on a canvas, such as a sampled one to be continued, "
            "without decoding and encoding it. It must have the size of the canvas.",
            inputs=[
                canvas_input(),
                io.Latent.Input("latent", tooltip="From a sampler, or an encoded video."),
                seconds_input(
                    "start",
                    0.0,
                    "When it starts, in seconds of the canvas. A latent with the first frame of a "
                    "video belongs at 0, since that latent frame holds a single frame.",
                ),
                firmness_input(1.0, "1 preserves it, 0 ignores it; in between it is changed."),
                curve_input(),
            ],
            outputs=[canvas_output()],
        )

    @classmethod
    def execute(cls, canvas, latent, start, firmness, curve="") -> io.NodeOutput:
        samples = with_time(latent["samples"])
        if samples.ndim != 5:
            raise SizeError("latent: it has no time axis: place the latent of a video model")
        check_one(samples)
        firmness = curve_of(curve) or firmness
        return on_canvas(canvas, Placement(source=samples, start=start, firmness=firmness))


def on_canvas(canvas: Canvas, placement: Placement, *footage: Media) -> io.NodeOutput:
    """`canvas` with `placement` of `footage` on top; SizeError if the two do not overlap."""
    visible_frames(canvas, placement)
    return canvas_result(canvas.place(placement), *footage)


def edge_input(tooltip: str) -> io.Input:
    return choice_input("counted_from", EDGES, EDGES[0], tooltip)


def region_inputs() -> list[io.Input]:
    """Inputs for the region of footage on the canvas."""
    tooltips = {
        "left": "Pixels from the left edge of the canvas; footage may extend beyond it.",
        "top": "Pixels from the upper edge of the canvas.",
        "width": "Width of the region in pixels; 0 is that of the canvas.",
        "height": "Height of the region in pixels; 0 is that of the canvas.",
    }
    return [
        io.Int.Input(
            name,
            default=0,
            min=-MAX_SIDE if name in ("left", "top") else 0,
            max=MAX_SIDE,
            tooltip=tooltip,
        )
        for name, tooltip in tooltips.items()
    ]


def region(canvas: Canvas, left: int, top: int, width: int, height: int) -> Box:
    return Box(left, top, width or canvas.width, height or canvas.height)
