"""Nodes that decode a latent, to a video file or to images."""

import torch
from comfy_api.latest import io, ui
from einops import rearrange
from torch import Tensor

from ..sora_core.canvas.canvas_latent import CanvasLatent
from ..sora_core.canvas.soundtrack import retimed, sound_alone
from ..sora_core.errors import ConfigError, SizeError, SoraError
from ..sora_core.pipeline.decode import cropped
from ..sora_core.seams.colour_fade import colour_fades
from ..sora_core.shapes import Compression, Latent, Size
from ..sora_core.video.codecs import CODECS, CONTAINERS, QUALITIES, crf_for, suffix_for
from ..sora_core.video.frames import frames_from_video, resize
from ..sora_core.video.writer import write_video
from .host.latents import (
    LatentDict,
    canvas_of,
    covered_canvas,
    footage_mask,
    lost_footage,
    opened_frames,
    streams_of,
    video_alone,
    with_time,
)
from .host.media import sound_from_audio
from .host.models.vae import VAE, HostVAE, compression
from .host.paths import free_memory, workflow_notes
from .host.restorable import RestorableVideo
from .host.sampling import progress
from .host.sockets.checked import checked_inputs
from .host.temp_files import temp_path
from .host.vae.decode import VideoDecoding
from .host.vae.sound import decoded_sound
from .host.validation import checked_choice
from .schema_inputs import choice_input, fps_input

DEFAULT_FPS = 8.0  # of a latent without a canvas
VAE_TOOLTIP = "The VAE of the model that generated the latent."
SMOOTH_JOINS = ("auto", "on", "off")


def smooth_joins_input() -> io.Input:
    """The input `smooth_joins`: whether decoded frames at joins with footage are changed."""
    return choice_input(
        "smooth_joins",
        SMOOTH_JOINS,
        "auto",
        "Changes decoded frames beside footage: those after it begin in its colours, those before "
        "it move towards it. auto: with the VAE of sora-mini alone. on: with any VAE. off: the "
        "frames as decoded.",
        optional=True,
    )


def samples_for(latent: LatentDict, vae: VAE) -> Tensor:
    """The samples of `latent`; for a video VAE those of an image are one latent frame each."""
    samples = latent["samples"]
    return with_time(samples) if vae.latent_dim == 3 else samples


def check_channels(samples: Tensor, vae: VAE) -> None:
    """ConfigError if `samples` do not have the channels and the time axis that `vae` decodes."""
    channels, wanted = samples.shape[1], vae.latent_channels
    timeless = isinstance(vae, HostVAE) and samples.ndim != 5
    if channels != wanted or timeless:
        raise ConfigError(
            f"a latent of {channels} channels{' without time' if timeless else ''}, for a VAE of "
            f"{wanted}: connect the VAE of the model that generated it"
        )


def decoded_size(samples: Tensor, encoded: CanvasLatent | None, pressed: Compression) -> Size:
    """The size of the decoded video: that of the canvas, if there is one."""
    if encoded is not None:
        return encoded.canvas.size
    height, width = samples.shape[-2] * pressed.rows, samples.shape[-1] * pressed.columns
    frames = pressed.pixel_frames(samples.shape[2] if samples.ndim == 5 else 1)
    return Size(width, height, frames)


def decodable(latent: LatentDict, vae: VAE) -> tuple[Latent, CanvasLatent | None, Size]:
    """The samples of `latent`, the encoded canvas that they cover, if any, and the decoded size.

    ConfigError for the latent of another model.
    """
    samples = samples_for(latent, vae)
    check_channels(samples, vae)
    encoded = covered_canvas(latent, compression(vae))
    return samples, encoded, decoded_size(samples, encoded, compression(vae))


def video_of(
    latent: LatentDict,
    samples: Latent,
    encoded: CanvasLatent | None,
    vae: VAE,
    smooth_joins: object = SMOOTH_JOINS[0],
) -> VideoDecoding:
    """The decoding of `samples`, a part of the batch of `latent`, with the joins of `encoded`.

    `smooth_joins` is one of SMOOTH_JOINS; ConfigError for another value.
    """
    smooth = checked_choice("smooth_joins", smooth_joins, SMOOTH_JOINS)
    if encoded is None:
        return VideoDecoding(vae, samples)
    ring, mask = encoded.canvas.ring, footage_mask(latent, encoded)
    if mask is None:
        return VideoDecoding(vae, samples, ring=ring)
    joins, opened = encoded.joins, opened_frames(latent, encoded)
    if opened:
        mask = mask.clone()
        mask[:, :, opened] = 1
        joins = tuple(join for join in joins if join.at not in opened)
    if smooth == "off" or (smooth == "auto" and not isinstance(vae, HostVAE)):
        return VideoDecoding(vae, samples, ring=ring, mask=mask)
    fades = colour_fades(encoded.canvas, mask, encoded.compression)
    return VideoDecoding(vae, samples, ring=ring, joins=joins, fades=fades, mask=mask)


def file_suffix(codec: object, container: object) -> str:
    """The suffix of the file to be written; SoraError if this build cannot write it."""
    container = checked_choice("container", container, CONTAINERS)
    return suffix_for(checked_choice("codec", codec, list(CODECS)), container)


@checked_inputs
class SoraDecodeVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraDecodeVideo",
            display_name="Sora Decode Video",
            category="Sora/latent",
            description="Decodes a latent straight into a video file, a few frames at a time: any "
            "length in the same memory, cropped to exactly the canvas.",
            inputs=[
                io.Latent.Input("latent", tooltip="A finished latent."),
                io.Vae.Input("vae", tooltip=VAE_TOOLTIP),
                fps_input("Frames per second; 0 is the rate of the canvas."),
                io.Int.Input(
                    "upscale",
                    default=1,
                    min=1,
                    max=8,
                    tooltip="Enlarges the frames (bicubic), for models that generate small ones.",
                ),
                io.Boolean.Input(
                    "sound",
                    default=True,
                    optional=True,
                    tooltip="Adds the sound of the footage, at its time on the canvas.",
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="Another sound instead, from the start of the video, cut to fit.",
                ),
                choice_input(
                    "codec",
                    CODECS,
                    "h264",
                    "h264 plays everywhere, h265 and av1 make smaller files and take longer, ffv1 "
                    "is lossless.",
                    optional=True,
                ),
                choice_input(
                    "quality",
                    QUALITIES,
                    "standard",
                    "Each step about doubles the size of the file. Standard has no visible loss.",
                    optional=True,
                ),
                choice_input(
                    "container",
                    CONTAINERS,
                    "auto",
                    "auto is mp4, and mkv for ffv1. Save Video copies the stream into an mp4 of "
                    "its own; ComfyUI reads workflows from mp4 and mov.",
                    optional=True,
                ),
                io.Vae.Input(
                    "audio_vae",
                    optional=True,
                    tooltip="The audio VAE of a model that generates video and sound, such as "
                    "LTX-2: the video gets the sound of the latent, unless `audio` is connected.",
                ),
                smooth_joins_input(),
            ],
            outputs=[io.Video.Output(tooltip="For Save Video.")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def validate_inputs(cls, codec="h264", container="auto") -> bool | str:
        """True, or the error of a file that this build cannot write, before anything is sampled."""
        try:
            file_suffix(codec, container)
        except SoraError as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls,
        latent,
        vae,
        fps,
        upscale,
        sound=True,
        audio=None,
        codec="h264",
        quality="standard",
        container="auto",
        audio_vae=None,
        smooth_joins=SMOOTH_JOINS[0],
    ) -> io.NodeOutput:
        suffix = file_suffix(codec, container)
        crf = crf_for(codec, checked_choice("quality", quality, list(QUALITIES)))
        latent, sounds = video_alone(latent), streams_of(latent["samples"])[1:]
        if audio_vae is not None and not sounds:
            raise ConfigError(
                "audio_vae, and a latent without sound: connect the latent of a model that "
                "generates video and sound, or disconnect audio_vae"
            )
        samples, encoded, size = decodable(latent, vae)
        origin = canvas_of(latent)
        if len(samples) > 1:
            raise SizeError(f"{len(samples)} latents in one batch: choose one with LatentFromBatch")
        rate = fps or (origin.fps if origin else DEFAULT_FPS)
        notes, path = workflow_notes(cls.hidden), temp_path(suffix)

        def write() -> str:
            """Writes the video and returns how it was decoded."""
            track = None
            if sound and audio is not None:
                track = sound_alone(sound_from_audio(audio), size.frames, rate)
            elif sound and audio_vae is not None:
                track = sound_alone(decoded_sound(audio_vae, sounds[0]), size.frames, rate)
            elif sound and encoded is not None and encoded.sound is not None:
                track = retimed(encoded.sound, rate / encoded.canvas.fps)
            decoding = video_of(latent, samples, encoded, vae, smooth_joins)
            frames = (
                resize(frames_from_video(chunk[0]), size.width * upscale, size.height * upscale)
                for chunk in cropped(decoding, size)
            )
            write_video(
                path,
                frames,
                rate,
                codec=codec,
                crf=crf,
                audio=track,
                metadata=notes,
                on_frame=progress(size.frames),
            )
            return decoding.summary

        summary = " ".join(filter(None, (write(), lost_footage(latent))))
        return io.NodeOutput(RestorableVideo(path, write), ui=ui.PreviewText(summary))


@checked_inputs
class SoraDecodeFrames(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraDecodeFrames",
            display_name="Sora Decode Frames",
            category="Sora/latent",
            description="Decodes a latent into images, all in memory, cropped to exactly the "
            "canvas. For long videos use Sora Decode Video.",
            inputs=[
                io.Latent.Input("latent", tooltip="A finished latent."),
                io.Vae.Input("vae", tooltip=VAE_TOOLTIP),
                smooth_joins_input(),
            ],
            outputs=[io.Image.Output(tooltip="One image for each frame.")],
        )

    @classmethod
    def execute(cls, latent, vae, smooth_joins=SMOOTH_JOINS[0]) -> io.NodeOutput:
        latent = video_alone(latent)
        samples, encoded, size = decodable(latent, vae)
        needed = 2 * len(samples) * size.frames * size.height * size.width * 3 * 4
        if needed > free_memory():
            raise SizeError(
                f"{size.frames} frames of {size.width}x{size.height} need {needed / 1e9:.1f} GB, "
                f"{free_memory() / 1e9:.1f} GB are free: use Sora Decode Video"
            )
        show = progress(len(samples) * size.frames)
        images = []
        for clip in samples.split(1):
            decoding = video_of(latent, clip, encoded, vae, smooth_joins)
            for video in cropped(decoding, size):
                images += rearrange(video[0], "c t y x -> t y x c").add(1).div(2).clamp(0, 1)
                show(len(images))
        lost = lost_footage(latent)
        video = torch.stack(images)
        return io.NodeOutput(video, ui=ui.PreviewText(lost)) if lost else io.NodeOutput(video)
