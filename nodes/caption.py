"""The node that says in words what footage shows."""

from functools import partial

from comfy_api.latest import io, ui

from ..sora_core.errors import ConfigError
from ..sora_core.pipeline.caption import (
    Caption,
    caption,
    footage_clips,
    latent_clips,
    load_captioner,
    stills,
)
from ..sora_core.prompts.rewrite import captions, question
from ..sora_core.shapes import Latent
from ..sora_core.video.frames import images_from_frames
from .host.media import VideoInput, as_media
from .host.models.vae import VAE, HostVAE
from .host.sampling import progress
from .host.text_generation import Writer, generate_text
from .host.vae.encode import encode_chunked
from .host.validation import checked_choice
from .prompt import seed_input

OURS, MODEL = "sora", "language model"
NO_CERTAINTY = 0.0  # what a language model says of its own certainty


class SoraCaptionVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraCaptionVideo",
            display_name="Sora Caption Video",
            category="Sora/prompt",
            description="Says what footage shows, as fully as a prompt should: to change a word of "
            "it and paint it again. Sora's own captioner knows the small world of sora-mini, and "
            "says so where it sees something else.",
            inputs=[
                io.MultiType.Input(
                    "video",
                    [io.Video, io.Image, io.Latent],
                    tooltip="A VIDEO, a batch of images (8 a second), or a latent of sora-mini. A "
                    "long one is looked at in 8 places, and told of the one that is clearest.",
                ),
                io.Combo.Input(
                    "captioner",
                    options=[OURS, MODEL],
                    default=OURS,
                    tooltip="sora needs the VAE of Sora Load Model. language model asks the one "
                    "behind the clip input, which must be able to see, and to write text.",
                ),
                io.Boolean.Input(
                    "varied",
                    default=False,
                    tooltip="Draw the words by seed, instead of taking the likeliest.",
                ),
                seed_input(),
                io.Vae.Input("vae", optional=True, tooltip="The VAE of Sora Load Model."),
                io.Clip.Input(
                    "clip", optional=True, tooltip="A language model that sees, for that choice."
                ),
            ],
            outputs=[
                io.String.Output(display_name="caption", tooltip="All that is seen."),
                io.String.Output(display_name="short", tooltip="The same in a few words."),
                io.Float.Output(
                    display_name="certainty",
                    tooltip="How likely every word of the caption is true, from 0 to 1. A language "
                    "model does not say: 0.",
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
    """What Sora's captioner is shown of `video`."""
    if isinstance(video, dict):
        return latent_clips(video["samples"][:1])
    if not isinstance(vae, HostVAE):
        raise ConfigError(
            "the captioner sora reads latents of its own: connect the VAE of Sora Load Model"
        )
    clip = as_media(video)
    size, channels = (clip.width, clip.height), vae.latent_channels
    return footage_clips(clip.placement, size, clip.seconds, partial(encode_chunked, vae), channels)


def ask_model(video: VideoInput | dict[str, Latent], clip: Writer | None, seed: int) -> Caption:
    """What the language model behind `clip` says of `video`."""
    if clip is None:
        raise ConfigError("captioner language model: connect one that can see to clip")
    if isinstance(video, dict):
        raise ConfigError("a language model sees pictures: decode the latent first")
    media = as_media(video)
    frames = stills(media.placement, (media.width, media.height), media.seconds)
    answer = generate_text(clip, question(), images_from_frames(frames), seed=seed)
    return Caption(*captions(answer), NO_CERTAINTY)
