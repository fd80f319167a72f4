"""The node that describes footage in words."""

from functools import partial

from comfy_api.latest import io, ui

from ..sora_core.checkpoints.captioner_file import load_captioner
from ..sora_core.errors import ConfigError, SizeError
from ..sora_core.pipeline.caption import Caption, caption, footage_clips, latent_clips, stills
from ..sora_core.prompts.rewrite import captions, question
from ..sora_core.shapes import Latent
from ..sora_core.video.frames import images_from_frames
from .host.latents import with_time
from .host.media import VideoInput, as_media
from .host.models.vae import VAE, HostVAE
from .host.sampling import progress
from .host.sockets.checked import checked_inputs
from .host.text_generation import Writer, generate_text
from .host.vae.encode import encode_chunked
from .host.validation import checked_choice
from .prompt import seed_input

OURS, MODEL = "sora", "language model"
NO_CERTAINTY = 0.0  # a language model reports none


@checked_inputs
class SoraCaptionVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraCaptionVideo",
            display_name="Sora Caption Video",
            category="Sora/prompt",
            description="Describes footage as fully as a prompt should, so that you can change a "
            "word and generate it again. Sora's own captioner covers the toy world of sora-mini, "
            "and labels other footage as unclear.",
            inputs=[
                io.MultiType.Input(
                    "video",
                    [io.Video, io.Image, io.Latent],
                    tooltip="A VIDEO, a batch of images (8 per second), or a latent of sora-mini. "
                    "Of a long one, 8 clips are captioned and the most certain caption is used.",
                ),
                io.Combo.Input(
                    "captioner",
                    options=[OURS, MODEL],
                    default=OURS,
                    tooltip="sora needs the VAE of Sora Load Model. language model uses the one at "
                    "the clip input, which must accept images and generate text.",
                ),
                io.Boolean.Input(
                    "varied",
                    default=False,
                    tooltip="Sample the words by seed, instead of taking the likeliest.",
                ),
                seed_input(),
                io.Vae.Input("vae", optional=True, tooltip="The VAE of Sora Load Model."),
                io.Clip.Input(
                    "clip", optional=True, tooltip="A vision language model, for that choice."
                ),
            ],
            outputs=[
                io.String.Output(display_name="caption", tooltip="The full description."),
                io.String.Output(display_name="short", tooltip="The same in a few words."),
                io.Float.Output(
                    display_name="certainty",
                    tooltip="Probability that every word of the caption is true, from 0 to 1. 0 "
                    "for a language model, which reports none.",
                ),
            ],
        )

    @classmethod
    def execute(cls, video, captioner, varied, seed, vae=None, clip=None) -> io.NodeOutput:
        if checked_choice("captioner", captioner, [OURS, MODEL]) == OURS:
            show, clips = progress(2), caption_clips(video, vae)
            show(1)
            result = caption(load_captioner(), clips, seed if varied else None)
            show(2)
        else:
            result = ask_model(video, clip, seed)
        text = f"{result.long}\n\ncertainty {result.certainty:.2f}"
        return io.NodeOutput(result.long, result.short, result.certainty, ui=ui.PreviewText(text))


def caption_clips(video: VideoInput | dict[str, Latent], vae: VAE | None) -> list[Latent]:
    """The latent clips of `video` that Sora's captioner reads."""
    if isinstance(video, dict):
        samples = with_time(video["samples"][:1])
        if samples.ndim != 5:
            raise SizeError("video: a LATENT without rows and columns: connect that of a video")
        return latent_clips(samples)
    if not isinstance(vae, HostVAE):
        raise ConfigError(
            "vae: the captioner sora takes latents of sora-mini: connect the VAE of Sora Load Model"
        )
    clip = as_media(video)
    size, channels = (clip.width, clip.height), vae.latent_channels
    return footage_clips(clip.placement, size, clip.seconds, partial(encode_chunked, vae), channels)


def ask_model(video: VideoInput | dict[str, Latent], clip: Writer | None, seed: int) -> Caption:
    """The caption of `video` by the language model behind `clip`."""
    if clip is None:
        raise ConfigError("captioner language model: connect one that takes images to clip")
    if isinstance(video, dict):
        raise ConfigError("video: a LATENT, and a language model takes images: decode it first")
    media = as_media(video)
    frames = stills(media.placement, (media.width, media.height), media.seconds)
    answer = generate_text(clip, question(), images_from_frames(frames), seed=seed)
    return Caption(*captions(answer), NO_CERTAINTY)
