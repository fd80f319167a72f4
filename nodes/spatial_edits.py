"""Edit nodes in space: inpainting, restyling and outpainting.

The canvas has the size, rate and length of the footage; an optional canvas sets size and rate.
"""

from comfy_api.latest import io

from ..sora_core.canvas import edits
from ..sora_core.shapes import MAX_SIDE
from .host.sockets.checked import checked_inputs
from .schema_inputs import (
    FOOTAGE_TOOLTIP,
    canvas_output,
    canvas_result,
    clip_of,
    firmness_input,
    fit_input,
    seconds_input,
    size_input,
    video_input,
)


@checked_inputs
class SoraEditVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraEditVideo",
            display_name="Sora Edit Video",
            category="Sora/edits",
            description="Changes footage by the prompt: all of it, or the part inside a mask and a "
            "span of time. Its sound stays.",
            inputs=[
                video_input("video", FOOTAGE_TOOLTIP),
                firmness_input(
                    0.3,
                    "How much of the footage is preserved in the changed part: 0 generates it from "
                    "noise (inpainting), 1 changes nothing.",
                ),
                seconds_input("start", 0.0, "When the change begins, in seconds."),
                seconds_input("seconds", 0.0, "How long the change lasts; 0 is to the end."),
                fit_input(),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White where to generate; black stays. One mask for all frames, or one "
                    "for each frame of the footage. Without a mask the whole picture changes.",
                ),
                size_input(),
            ],
            outputs=[canvas_output()],
        )

    @classmethod
    def execute(cls, video, firmness, start, seconds, fit, mask=None, canvas=None) -> io.NodeOutput:
        clip = clip_of(video, canvas, fit)
        return canvas_result(edits.edit_media(clip, firmness, start, seconds, mask), clip)


@checked_inputs
class SoraOutpaintVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        sides = ("left", "top", "right", "bottom")
        return io.Schema(
            node_id="SoraOutpaintVideo",
            display_name="Sora Outpaint Video",
            category="Sora/edits",
            description="Footage with a wider view: generates its surroundings. Its sound stays.",
            inputs=[
                video_input("video", FOOTAGE_TOOLTIP),
                *(
                    io.Int.Input(
                        side,
                        default=16 if side in ("left", "right") else 0,
                        min=0,
                        max=MAX_SIDE,
                        tooltip=f"Pixels to generate at the {side} of the footage.",
                    )
                    for side in sides
                ),
                fit_input(),
                size_input(
                    "Sets the size of the whole picture, margins included, and the rate. Its "
                    "length is not used."
                ),
            ],
            outputs=[canvas_output()],
        )

    @classmethod
    def execute(cls, video, left, top, right, bottom, fit, canvas=None) -> io.NodeOutput:
        clip = clip_of(video, canvas, fit)
        return canvas_result(edits.outpaint_media(clip, (left, top, right, bottom)), clip)
