"""Nodes that turn a canvas, or a video as it is, into a latent for any model."""

from dataclasses import replace

import torch
from comfy_api.latest import io, ui

from ..sora_core.canvas.canvas import Canvas
from ..sora_core.canvas.canvas_latent import CanvasLatent
from ..sora_core.canvas.encode import Encode, encode_canvas
from ..sora_core.canvas.rasterize import visible_frames
from ..sora_core.canvas.soundtrack import recorded_sound
from ..sora_core.errors import SizeError
from ..sora_core.shapes import MAX_FRAMES, MAX_SIDE, Compression, Size
from .canvas import SoraCanvasType
from .host.latents import latent_dict
from .host.media import Media
from .host.models.vae import VAE, HostVAE, video_compression
from .host.paths import free_memory, zeros_on_disk
from .host.sampling import counted
from .host.sockets.checked import checked_inputs
from .host.vae.encode import EncodeStrategy, encode_strategy, grey_latent
from .host.vae.sound import latent_with_sound
from .schema_inputs import clip_of, fit_input, fps_input, seconds_input, video_input

PIXEL_COPIES = 6  # latents alive at once while a sampler runs


@checked_inputs
class SoraEncodeCanvas(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraEncodeCanvas",
            display_name="Sora Encode Canvas",
            category="Sora/canvas",
            description="Encodes a canvas as a latent for any sampler: the known footage, and a "
            "noise mask of what to generate. The latent carries the canvas, so that decoding crops "
            "to exactly its size and length.",
            inputs=[
                SoraCanvasType.Input("canvas", tooltip="From Sora Canvas or any node that edits."),
                io.Vae.Input("vae", tooltip="The VAE of the model that will sample."),
                io.Vae.Input(
                    "audio_vae",
                    optional=True,
                    tooltip="The audio VAE of a model that generates video and sound, such as "
                    "LTX-2: the sound of the footage is encoded, and stays where the footage is.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    tooltip="For a sampler; connect it to Sora Guider too, which conditions "
                    "the model on the footage."
                )
            ],
        )

    @classmethod
    def execute(cls, canvas, vae, audio_vae=None) -> io.NodeOutput:
        pressed = video_compression(vae)
        grid = canvas.grid(pressed)
        sampling = PIXEL_COPIES * 4 * vae.latent_channels * grid.cells
        if not canvas.placements:
            check_memory(canvas, sampling)
            known = torch.zeros(1, vae.latent_channels, *grid.shape)
            mask = torch.ones(1, 1, *grid.shape)
            encoded = CanvasLatent(
                canvas=canvas,
                compression=pressed,
                known=known,
                mask=mask,
                encode=None if isinstance(vae, HostVAE) else encode_later(vae, canvas),
            )
            latent = latent_dict(encoded, noise_mask=False)
            if audio_vae is not None:
                latent = latent_with_sound(audio_vae, encoded, latent)
            return io.NodeOutput(latent)
        encoder = encoder_for(vae, canvas)
        check_memory(canvas, sampling, encoder)
        encoded = encoded_footage(vae, canvas, encoder)
        if not isinstance(vae, HostVAE):
            filler = grey_latent(vae, grid)
            encoded = replace(encoded, filler=filler, encode=encoder.encode)
        summary = f"Encoded {encoder.summary}."
        latent = latent_dict(encoded, noise_mask=True)
        if audio_vae is not None:
            latent = latent_with_sound(audio_vae, encoded, latent)
        return io.NodeOutput(latent, ui=ui.PreviewText(summary))


@checked_inputs
class SoraEncodeVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraEncodeVideo",
            display_name="Sora Encode Video",
            category="Sora/latent",
            description="Encodes a video a few frames at a time: any length in the same memory; "
            "large latents lie on the disk. The latent carries size, rate and sound, so that "
            "Sora Decode Video restores them.",
            inputs=[
                video_input("video", "A VIDEO of any length, or a batch of images at 8 fps."),
                io.Vae.Input("vae", tooltip="The VAE of the model that the latent is for."),
                seconds_input("start", 0.0, "Seconds to skip at the beginning.", optional=True),
                seconds_input("seconds", 0.0, "Seconds to encode; 0 is to the end.", optional=True),
                io.Int.Input(
                    "stride",
                    default=1,
                    min=1,
                    max=240,
                    optional=True,
                    tooltip="2 takes every second frame, and so on, in the same seconds.",
                ),
                fps_input(
                    "Frames per second, before the stride; each moment takes the frame nearest in "
                    "time. 0 is the video's own.",
                    optional=True,
                ),
                *(
                    io.Int.Input(
                        side,
                        default=0,
                        min=0,
                        max=MAX_SIDE,
                        optional=True,
                        tooltip=f"Pixels; 0 follows from the {other}, or is the video's own.",
                    )
                    for side, other in (("width", "height"), ("height", "width"))
                ),
                fit_input("crop", optional=True),
            ],
            outputs=[
                io.Latent.Output(
                    tooltip="The whole video, without a noise mask. If pad leaves a part of the "
                    "picture open, the mask marks it."
                )
            ],
        )

    @classmethod
    def execute(
        cls, video, vae, start=0.0, seconds=0.0, stride=1, fps=0.0, width=0, height=0, fit="crop"
    ) -> io.NodeOutput:
        video_compression(vae)  # refuses a VAE of images before the video is read
        clip = clip_of(video, None, fit)
        if start >= clip.seconds:
            raise SizeError(f"start {start:g} s of a video of {clip.seconds:g} s: choose less")
        clip = clip.last(clip.seconds - start).first(seconds)
        canvas = canvas_of_clip(clip, (fps or clip.fps) / stride, width, height)
        canvas = canvas.place(clip.on(canvas))
        encoder = encoder_for(vae, canvas)
        check_memory(canvas, 0, encoder)
        encoded = encoded_footage(vae, canvas, encoder)
        latent = latent_dict(encoded, noise_mask=bool(encoded.mask.any()))
        size = canvas.size
        summary = f"{size.frames} frames of {size.width}x{size.height} at {canvas.fps:g} fps"
        return io.NodeOutput(latent, ui=ui.PreviewText(f"{summary}, encoded {encoder.summary}."))


def canvas_of_clip(clip: Media, fps: float, width: int, height: int) -> Canvas:
    """An empty canvas for all of `clip`; a side of 0 follows from the other, or is its own."""
    if not width and not height:
        width, height = clip.width, clip.height
    width = width or even_side(height * clip.width / clip.height)
    height = height or even_side(width * clip.height / clip.width)
    frames = clip.frames(fps)
    if frames > MAX_FRAMES:
        raise SizeError(
            f"{frames} frames of video, at most {MAX_FRAMES} are encoded: choose fewer seconds, a "
            "lower fps or a larger stride"
        )
    return replace(
        Canvas(width=width, height=height, fps=fps), seconds=frames / fps if frames > 1 else 0.0
    )


def even_side(side: float) -> int:
    return 2 * round(side / 2)


def encode_later(vae: VAE, canvas: Canvas) -> Encode:
    """The encoder of `vae` for `canvas`, whose strategy is chosen when it is used."""
    return lambda chunks: encoder_for(vae, canvas).encode(chunks)


def encoder_for(vae: VAE, canvas: Canvas) -> EncodeStrategy:
    """The encoder of `vae` for footage on `canvas`, at the size that the latent covers."""
    pressed = video_compression(vae)
    _, height, width = pressed.covered(canvas.grid(pressed))
    return encode_strategy(vae, Size(width, height, canvas.size.frames))


def encoded_footage(vae: VAE, canvas: Canvas, encoder: EncodeStrategy) -> CanvasLatent:
    """`canvas` with its sound, encoded by `encoder`, with progress; large latents lie on disk."""
    pressed = video_compression(vae)
    encode = watched(encoder.encode, canvas, pressed)
    encoded = encode_canvas(canvas, encode, vae.latent_channels, pressed, zeros_on_disk)
    return replace(encoded, sound=recorded_sound(canvas, zeros_on_disk))


def watched(encode: Encode, canvas: Canvas, pressed: Compression) -> Encode:
    """`encode` with one progress bar over all footage on `canvas`."""
    through = counted(latent_frames(canvas, pressed), axis=2)
    return lambda chunks: through(encode(chunks))


def latent_frames(canvas: Canvas, pressed: Compression) -> int:
    """The number of latent frames of all footage on `canvas`."""
    lengths = (visible_frames(canvas, each) for each in canvas.placements if not each.is_latent)
    return sum(map(pressed.latent_frames, lengths))


def check_memory(canvas: Canvas, needed: int, encoding: EncodeStrategy | None = None) -> None:
    """SizeError if the latents need more main memory than is free."""
    if encoding is not None:
        needed += encoding.memory(canvas.width, canvas.height)
    if needed > free_memory():
        raise SizeError(
            f"{canvas.size.frames} frames of {canvas.width}x{canvas.height} need "
            f"{needed / 1e9:.0f} GB: choose fewer seconds or pixels"
        )
