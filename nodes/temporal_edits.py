"""Edit nodes in time: image to video, extension, transitions, morphs and loops.

The canvas has the size and rate of the footage, and exactly the length of the footage and the
requested seconds; an optional canvas sets size and rate.
"""

import torch
from comfy_api.latest import io

from ..sora_core.canvas import edits
from ..sora_core.errors import ConfigError
from .host.sockets.checked import checked_inputs
from .host.validation import checked_choice
from .schema_inputs import (
    FOOTAGE_TOOLTIP,
    canvas_output,
    canvas_result,
    clip_of,
    firmness_input,
    fit_input,
    overlap_input,
    seconds_input,
    size_input,
    video_input,
)


@checked_inputs
class SoraImageToVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraImageToVideo",
            display_name="Sora Image To Video",
            category="Sora/edits",
            description="A video that begins with an image, and may end with another.",
            inputs=[
                io.Image.Input("image", tooltip="The first frame."),
                seconds_input("seconds", 2.0, "How long the video lasts, the image included."),
                fit_input("crop"),
                io.Image.Input("last_image", optional=True, tooltip="The last frame (optional)."),
                size_input(),
            ],
            outputs=[canvas_output()],
        )

    @classmethod
    def execute(cls, image, seconds, fit, last_image=None, canvas=None) -> io.NodeOutput:
        first = clip_of(first_image(image), canvas, fit)
        last = None if last_image is None else first_image(last_image)
        return canvas_result(edits.video_from_image(first, seconds, last))


def first_image(image: torch.Tensor) -> torch.Tensor:
    """The first image of a batch, without its transparency."""
    return image[:1, ..., :3]


@checked_inputs
class SoraExtendVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraExtendVideo",
            display_name="Sora Extend Video",
            category="Sora/edits",
            description="Continues footage, or generates what came before it. The footage and its "
            "sound stay.",
            inputs=[
                video_input("video", FOOTAGE_TOOLTIP),
                seconds_input("seconds", 2.0, "Seconds to add; with both, at each end."),
                io.Combo.Input(
                    "direction",
                    options=list(edits.DIRECTIONS),
                    default=edits.DIRECTIONS[0],
                    tooltip="forward adds what comes after, backward what came before.",
                ),
                overlap_input("of footage, next to the new part,"),
                fit_input(),
                size_input(),
            ],
            outputs=[canvas_output()],
        )

    @classmethod
    def execute(cls, video, seconds, direction, keep, fit, canvas=None) -> io.NodeOutput:
        direction = checked_choice("direction", direction, edits.DIRECTIONS)
        clip = clip_of(video, canvas, fit)
        return canvas_result(edits.extend_media(clip, seconds, direction, keep), clip)


@checked_inputs
class SoraConnectVideos(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraConnectVideos",
            display_name="Sora Connect Videos",
            category="Sora/edits",
            description="One video that begins with the first footage and ends with the second. "
            "The model generates the transition.",
            inputs=[
                video_input("first", "What the video begins with. " + FOOTAGE_TOOLTIP),
                video_input("second", "What the video ends with."),
                seconds_input("seconds", 1.0, "How long the part between them lasts."),
                overlap_input("of each, next to the new part,"),
                fit_input(),
                size_input(),
            ],
            outputs=[canvas_output()],
        )

    @classmethod
    def execute(cls, first, second, seconds, keep, fit, canvas=None) -> io.NodeOutput:
        begin = clip_of(first, canvas, fit)
        end = clip_of(second, begin.canvas(), fit)
        return canvas_result(edits.connect_media(begin, end, seconds, keep), begin, end)


@checked_inputs
class SoraMorphVideos(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraMorphVideos",
            display_name="Sora Morph Videos",
            category="Sora/edits",
            description="One video turns into another while both play. The sound changes in the "
            "middle.",
            inputs=[
                video_input("first", "What the video begins as. " + FOOTAGE_TOOLTIP),
                video_input("second", "What the video becomes."),
                seconds_input(
                    "seconds",
                    1.0,
                    "How long the change takes, in seconds: the end of the first video overlaps "
                    "the beginning of the second.",
                ),
                firmness_input(
                    0.4, "How much of the footage is preserved in the middle of the change."
                ),
                fit_input(),
                size_input(),
            ],
            outputs=[canvas_output()],
        )

    @classmethod
    def execute(cls, first, second, seconds, firmness, fit, canvas=None) -> io.NodeOutput:
        begin = clip_of(first, canvas, fit)
        end = clip_of(second, begin.canvas(), fit)
        return canvas_result(edits.morph_media(begin, end, seconds, firmness), begin, end)


@checked_inputs
class SoraLoopVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraLoopVideo",
            display_name="Sora Loop Video",
            category="Sora/edits",
            description="A video without beginning or end: from a prompt alone, or footage whose "
            "end leads back to its start.",
            inputs=[
                seconds_input(
                    "seconds",
                    1.0,
                    "With footage: length of the transition from its end to its start, extended "
                    "by up to three frames so that the loop closes.",
                ),
                firmness_input(1.0, "1 preserves the footage, less changes it."),
                fit_input(),
                video_input("video", "The footage (optional). " + FOOTAGE_TOOLTIP, optional=True),
                size_input(
                    "Without footage: the size, length and rate of the loop. With footage: another "
                    "size and rate."
                ),
            ],
            outputs=[canvas_output()],
        )

    @classmethod
    def execute(cls, seconds, firmness, fit, video=None, canvas=None) -> io.NodeOutput:
        if video is None:
            if canvas is None:
                raise ConfigError("a loop needs footage or a canvas: connect one of the two")
            return canvas_result(edits.loop(canvas))
        clip = clip_of(video, canvas, fit)
        return canvas_result(edits.loop_media(clip, seconds, firmness), clip)
