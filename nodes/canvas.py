"""The node that sets the size, length and frame rate of a video."""

from comfy_api.latest import io

from ..sora_core.canvas.canvas import ASPECTS, Canvas, shaped
from ..sora_core.shapes import MAX_SIDE, MIN_SIDE
from .host.sockets.checked import checked_inputs
from .host.validation import checked_choice
from .schema_inputs import SoraCanvasType, canvas_output, canvas_result

__all__ = ["SoraCanvas", "SoraCanvasType"]

CUSTOM = "custom"


@checked_inputs
class SoraCanvas(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraCanvas",
            display_name="Sora Canvas",
            category="Sora/canvas",
            description="An empty video of any size, shape and length.",
            inputs=[
                io.Combo.Input(
                    "aspect",
                    options=[CUSTOM, *ASPECTS],
                    default=CUSTOM,
                    tooltip="custom uses width and height; a ratio changes the shape at about the "
                    "same number of pixels.",
                ),
                io.Int.Input(
                    "width", default=64, min=MIN_SIDE, max=MAX_SIDE, tooltip="Width in pixels."
                ),
                io.Int.Input(
                    "height", default=64, min=MIN_SIDE, max=MAX_SIDE, tooltip="Height in pixels."
                ),
                io.Float.Input(
                    "seconds",
                    default=2.0,
                    min=0.0,
                    max=3600.0,
                    step=0.05,
                    round=0.01,
                    tooltip="How long the video lasts; 0 is a single image.",
                ),
                io.Float.Input(
                    "fps",
                    default=8.0,
                    min=1.0,
                    max=240.0,
                    step=0.5,
                    tooltip="Frames per second. sora-mini was trained at 8.",
                ),
            ],
            outputs=[canvas_output()],
        )

    @classmethod
    def execute(cls, aspect, width, height, seconds, fps) -> io.NodeOutput:
        if checked_choice("aspect", aspect, [CUSTOM, *ASPECTS]) != CUSTOM:
            width, height = shaped(aspect, width, height)
        return canvas_result(Canvas(width=width, height=height, seconds=seconds, fps=fps))
