"""The node that measures joins, loops, drift and preserved footage of a video."""

import json
import re
from collections.abc import Iterator
from functools import partial

from comfy_api.latest import io
from torch import Tensor

from ..sora_core.canvas.canvas import Source
from ..sora_core.canvas.encode import openness
from ..sora_core.errors import ConfigError
from ..sora_core.measure.drift import Drift, placed_psnr
from ..sora_core.measure.seams import Seams, mask_joins, preserved_frames, seam_plot, steps
from ..sora_core.shapes import COMPRESSION, Frames
from ..sora_core.video.frames import frames_from_images, images_from_frames
from ..sora_core.video.reader import read_frames
from .host.media import as_media
from .host.models.vae import compression
from .host.sampling import counted
from .host.sockets.checked import checked_inputs
from .host.temp_files import preview_files
from .schema_inputs import SoraCanvasType, noted, passed_on_video

MEASURED_TOGETHER = 16  # images converted to frames at a time


@checked_inputs
class SoraMeasureSeams(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        video_in, video_out = passed_on_video(
            "The video to measure: a VIDEO, read in chunks, or images.",
            "The input video, unchanged.",
        )
        return io.Schema(
            node_id="SoraMeasureSeams",
            display_name="Sora Measure Seams",
            category="Sora/measure",
            description="Measures the step from frame to frame at each join, relative to all other "
            "steps: 1 is no seam. In pixels, motion and colour, and across the ends of a loop.",
            inputs=[
                video_in,
                io.String.Input(
                    "joins",
                    default="",
                    tooltip="The first frame after each join, counted from 0, such as 9, 25. Empty "
                    "uses the joins of the canvas.",
                ),
                io.Boolean.Input(
                    "loop",
                    default=False,
                    tooltip="Also measure the step from the last frame to the first. Always on "
                    "with the canvas of a loop.",
                ),
                SoraCanvasType.Input(
                    "canvas",
                    optional=True,
                    tooltip="The canvas of the video: it names the joins and the preserved "
                    "footage.",
                ),
                io.Vae.Input(
                    "vae",
                    optional=True,
                    tooltip="Only with a canvas: the VAE that decoded the video, if it is not that "
                    "of sora-mini. Its compression decides which frames are fully preserved.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="curve", tooltip="The steps, with joins marked."),
                io.String.Output(
                    display_name="report",
                    tooltip="All figures as JSON: joins, loop, drift from part to part, and the "
                    "PSNR of preserved footage in dB.",
                ),
                video_out,
            ],
        )

    @classmethod
    def execute(cls, video, joins, loop, canvas=None, vae=None) -> io.NodeOutput:
        clip = as_media(video, canvas.fps if canvas else 1.0)
        read = partial(chunks, clip.placement.source)
        pressed = compression(vae) if vae else COMPRESSION
        found, known_frames = join_numbers(joins), ()
        if canvas is not None:
            mask = openness(canvas, pressed)
            found = found or mask_joins(canvas, mask, pressed)
            known_frames = preserved_frames(canvas, mask, pressed)
            loop = loop or canvas.ring
        passes = 1 + bool(found) + (len(canvas.placements) if canvas and known_frames else 0)
        through = counted(passes * clip.frames(clip.fps), axis=0)

        def again() -> Iterator[Frames]:
            return through(read())

        seams = Seams(steps(again(), loop), found, loop)
        report = seams.summary()
        if found:
            report["drift"] = Drift.along(again(), found).summary()
        if known_frames and canvas is not None:
            report["kept_psnr_db"] = placed_psnr(canvas, again, known_frames)
        drawn = seam_plot(seams)[None]
        preview = {"images": preview_files(drawn), "animated": (False,)} | noted([clip])
        return io.NodeOutput(images_from_frames(drawn), json.dumps(report), video, ui=preview)


def join_numbers(text: str) -> tuple[int, ...]:
    """The frame numbers that `text` lists; ConfigError if it lists something else."""
    parts = [part for part in re.split(r"[\s,;]+", text.strip()) if part]
    if not all(re.fullmatch(r"[0-9]{1,6}", part) for part in parts):
        raise ConfigError(f"joins {text[:40]!a:.42}: give frame numbers, such as 9, 25")
    return tuple(sorted({int(part) for part in parts}))


def chunks(source: Source) -> Iterator[Frames]:
    """The frames of a file, or of images in memory, a few at a time."""
    if not isinstance(source, Tensor):
        yield from read_frames(source)
        return
    for images in source.split(MEASURED_TOGETHER):
        yield frames_from_images(images)
