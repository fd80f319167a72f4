"""Nodes that decode a latent, to a video file or to images."""

from dataclasses import replace

import torch
from comfy_api.latest import io, ui
from einops import rearrange

from ..sora_core.canvas.soundtrack import retimed, sound_alone
from ..sora_core.errors import ConfigError, SizeError, SoraError
from ..sora_core.pipeline.decode import cropped
from ..sora_core.video.codecs import CODECS, CONTAINERS, QUALITIES, crf_for, suffix_for
from ..sora_core.video.frames import frames_from_video, resize
from ..sora_core.video.writer import write_video
from .host.latents import check_one
from .host.media import sound_from_audio
from .host.models.vae import VAE, HostVAE
from .host.paths import free_memory, workflow_notes
from .host.restorable import RestorableVideo
from .host.sampling import progress
from .host.sockets.checked import checked_inputs
from .host.temp_files import temp_path
from .host.vae.decode import decode_sampled
from .host.vae.sampled_latent import sampled_latent
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


def smooths_joins(choice: object, vae: VAE) -> bool:
    """Whether frames at joins are changed by `choice` for `vae`; ConfigError for no such choice."""
    chosen = checked_choice("smooth_joins", choice, SMOOTH_JOINS)
    return chosen == "on" or (chosen == "auto" and isinstance(vae, HostVAE))


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
        smooth = smooths_joins(smooth_joins, vae)
        sampled = sampled_latent(latent, vae)
        if audio_vae is not None and not sampled.sound:
            raise ConfigError(
                "audio_vae, and a latent without sound: connect the latent of a model that "
                "generates video and sound, or disconnect audio_vae"
            )
        check_one(sampled.samples)
        size, rate = sampled.size, fps or sampled.fps or DEFAULT_FPS
        notes, path = workflow_notes(cls.hidden), temp_path(suffix)

        def write() -> str:
            """Writes the video and returns how it was decoded."""
            decoding, own, track = decode_sampled(vae, sampled, smooth), None, None
            if sound and audio is not None:
                own = sound_from_audio(audio)
            elif sound and audio_vae is not None:
                own = decoded_sound(audio_vae, sampled.sound[0])
            if own is not None:
                track = sound_alone(own, size.frames, rate)
            elif sound and (encoded := sampled.encoded) is not None and encoded.sound is not None:
                track = retimed(encoded.sound, rate / encoded.canvas.fps)
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

        summary = " ".join(filter(None, (write(), sampled.lost)))
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
        smooth = smooths_joins(smooth_joins, vae)
        sampled = sampled_latent(latent, vae)
        size, count = sampled.size, len(sampled.samples)
        needed = 2 * count * size.frames * size.height * size.width * 3 * 4
        if needed > free_memory():
            raise SizeError(
                f"{size.frames} frames of {size.width}x{size.height} need {needed / 1e9:.1f} GB, "
                f"{free_memory() / 1e9:.1f} GB are free: use Sora Decode Video"
            )
        show = progress(count * size.frames)
        images = []
        for clip in sampled.samples.split(1):
            decoding = decode_sampled(vae, replace(sampled, samples=clip), smooth)
            for video in cropped(decoding, size):
                images += rearrange(video[0], "c t y x -> t y x c").add(1).div(2).clamp(0, 1)
                show(len(images))
        video, lost = torch.stack(images), sampled.lost
        return io.NodeOutput(video, ui=ui.PreviewText(lost)) if lost else io.NodeOutput(video)
