"""Nodes that say how large, how long and how fast a video will be."""

import torch
from comfy_api.latest import io

from ..sora_core.canvas import ASPECTS, Canvas, shaped
from ..sora_core.errors import SizeError
from ..sora_core.shapes import MAX_SIDE, MIN_SIDE
from .host.choices import chosen
from .host.files import free_memory
from .host.video import compression

CUSTOM = "custom"
COPIES = 6  # latents alive at once while a sampler runs: what it has, sees, predicts and averages

SoraCanvasType = io.Custom("SORA_CANVAS")


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
                    tooltip="custom takes width and height as they are; a ratio gives another "
                    "shape of about as many pixels.",
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
                    step=0.1,
                    tooltip="How long the video lasts; 0 is a single image.",
                ),
                io.Float.Input(
                    "fps",
                    default=8.0,
                    min=1.0,
                    max=240.0,
                    step=0.5,
                    tooltip="Frames per second. sora-mini has learned motion at 8.",
                ),
            ],
            outputs=[
                SoraCanvasType.Output(display_name="canvas", tooltip="For Sora Encode Canvas.")
            ],
        )

    @classmethod
    def execute(cls, aspect, width, height, seconds, fps) -> io.NodeOutput:
        if chosen("aspect", aspect, [CUSTOM, *ASPECTS]) != CUSTOM:
            width, height = shaped(aspect, width, height)
        return io.NodeOutput(Canvas(width=width, height=height, seconds=seconds, fps=fps))


class SoraEncodeCanvas(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraEncodeCanvas",
            display_name="Sora Encode Canvas",
            category="Sora/canvas",
            description="Turns a canvas into a latent that covers it, for any sampler. The latent "
            "remembers the canvas, so that decoding crops to exactly what was asked.",
            inputs=[
                SoraCanvasType.Input("canvas", tooltip="From Sora Canvas."),
                io.Vae.Input("vae", tooltip="The VAE of the model that will paint."),
            ],
            outputs=[io.Latent.Output(tooltip="Empty, for a sampler.")],
        )

    @classmethod
    def execute(cls, canvas, vae) -> io.NodeOutput:
        grid = canvas.grid(compression(vae))
        needed = COPIES * 4 * vae.latent_channels * grid.cells
        if needed > free_memory():
            raise SizeError(
                f"{canvas.size.frames} frames of {canvas.width}x{canvas.height} need "
                f"{needed / 1e9:.0f} GB: choose fewer seconds or pixels"
            )
        samples = torch.zeros(1, vae.latent_channels, *grid.shape)
        return io.NodeOutput({"samples": samples, "sora_canvas": canvas})
