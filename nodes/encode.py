"""The node that turns a canvas into a latent, for any model."""

import torch
from comfy_api.latest import io

from ..sora_core.errors import SizeError
from .canvas import SoraCanvasType
from .host.files import free_memory
from .host.video import compression

COPIES = 6  # latents alive at once while a sampler runs: what it has, sees, predicts and averages


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
