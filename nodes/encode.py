"""The node that turns a canvas into a latent, for any model."""

import torch
from comfy_api.latest import io

from ..sora_core.encode import encode_canvas
from ..sora_core.errors import SizeError
from .canvas import SoraCanvasType
from .host.files import free_memory
from .host.video import HostVAE, encoder, encoding_memory, open_space, video_compression

COPIES = 6  # latents alive at once while a sampler runs: what it has, sees, predicts and averages


class SoraEncodeCanvas(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraEncodeCanvas",
            display_name="Sora Encode Canvas",
            category="Sora/canvas",
            description="Turns a canvas into a latent that covers it, for any sampler: what is "
            "known, and a noise mask of what is to be painted. The latent remembers the canvas, so "
            "that decoding crops to exactly what was asked.",
            inputs=[
                SoraCanvasType.Input("canvas", tooltip="From Sora Canvas or any node that edits."),
                io.Vae.Input("vae", tooltip="The VAE of the model that will paint."),
            ],
            outputs=[
                io.Latent.Output(
                    tooltip="For a sampler; connect it to Sora Guider too, which shows the model "
                    "what is known."
                )
            ],
        )

    @classmethod
    def execute(cls, canvas, vae) -> io.NodeOutput:
        pressed = video_compression(vae)
        grid = canvas.grid(pressed)
        needed = COPIES * 4 * vae.latent_channels * grid.cells + encoding_memory(vae, canvas)
        if needed > free_memory():
            raise SizeError(
                f"{canvas.size.frames} frames of {canvas.width}x{canvas.height} need "
                f"{needed / 1e9:.0f} GB: choose fewer seconds or pixels"
            )
        remembered = {"sora_canvas": canvas, "sora_compression": pressed}
        if not canvas.placements:
            samples = torch.zeros(1, vae.latent_channels, *grid.shape)
            return io.NodeOutput({"samples": samples} | remembered)
        known, mask = encode_canvas(canvas, encoder(vae), vae.latent_channels, pressed)
        latent = {"samples": known, "noise_mask": mask} | remembered
        if not isinstance(vae, HostVAE):
            latent["sora_open"] = open_space(vae, grid)
        return io.NodeOutput(latent)
