"""Inputs, outputs and the preview that the canvas nodes share."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ..sora_core.canvas.canvas import FITS, Canvas
from ..sora_core.canvas.thumbnail import picture
from .host.media import IMAGE_FPS, Media, VideoInput, as_media
from .host.resume.progress import show_text
from .host.temp_files import preview_files
from .host.validation import checked_choice, links_match_types

MAX_CANVAS_SECONDS = 3600.0
MAX_LABEL = 60  # letters of a file's name in a note

FOOTAGE_TOOLTIP = (
    "A VIDEO, or a batch of images, which plays at the rate of the canvas, or at 8 fps."
)

SoraCanvasType = io.Custom("SORA_CANVAS")


def canvas_result(canvas: Canvas, *footage: Media) -> io.NodeOutput:
    """The output of a node that returns `canvas`, and a picture of it for clients of the server.

    The picture is not under `images`: the page draws the same plan as a timeline, and would show
    it twice. The notes about the files of `footage` are shown on the node.
    """
    display = {"canvas": preview_files(picture(canvas)[None])}
    return io.NodeOutput(canvas, ui=display | noted(footage))


def noted(footage: Iterable[Media]) -> dict[str, Any]:
    """The display of the notes about the files of `footage`, which the page shows on the node.

    A line each, which begins with the name of the file; empty without notes.
    """
    lines = [
        f"{file_label(clip.placement.source)}: {note}" for clip in footage for note in clip.notes
    ]
    if not lines:
        return {}
    text = "\n".join(dict.fromkeys(lines))
    show_text(text)  # the page does not show the text of an output
    return {"text": (text,)}


def file_label(source: object) -> str:
    """The end of the name of a file, of printable characters."""
    name = source.name if isinstance(source, Path) else "footage"
    return "".join(letter if letter.isprintable() else "?" for letter in name[-MAX_LABEL:])


def canvas_input() -> io.Input:
    return SoraCanvasType.Input("canvas", tooltip="From Sora Canvas or any edit node.")


def canvas_output() -> io.Output:
    return SoraCanvasType.Output(
        display_name="canvas", tooltip="For Sora Encode Canvas, or for nodes that place more on it."
    )


def video_input(name: str, tooltip: str, optional: bool = False) -> io.Input:
    return io.MultiType.Input(name, [io.Video, io.Image], optional=optional, tooltip=tooltip)


def passed_on_video(input_tooltip: str, output_tooltip: str) -> tuple[io.Input, io.Output]:
    """The input `video`, a VIDEO or an IMAGE, and an output of whichever of the two comes in.

    That is `io.MatchType` where the host links it. Older hosts define the type and refuse its
    links when a graph is queued: there the output is of both types.
    """
    if links_match_types():
        template = io.MatchType.Template("video", [io.Video, io.Image])  # pyright: ignore[reportArgumentType]
        return (
            io.MatchType.Input("video", template=template, tooltip=input_tooltip),
            io.MatchType.Output(  # pyright: ignore[reportCallIssue]
                template=template, display_name="video", tooltip=output_tooltip
            ),
        )
    both = io.Custom(f"{io.Video.io_type},{io.Image.io_type}")
    output = both.Output(display_name="video", tooltip=output_tooltip)
    return video_input("video", input_tooltip), output


def fit_input(default: str = "pad", optional: bool = False) -> io.Input:
    """The input `fit`: how footage of another shape fills its region, one of `FITS`."""
    tooltip = (
        "For footage of another shape than its region: pad shows all of it and generates the "
        "borders, crop fills the region and cuts the rest, stretch distorts."
    )
    return choice_input("fit", FITS, default, tooltip, optional)


def choice_input(
    name: str, choices: Iterable[str], default: str, tooltip: str, optional: bool = False
) -> io.Input:
    """A combo input of `choices`."""
    return io.Combo.Input(
        name, options=list(choices), default=default, optional=optional, tooltip=tooltip
    )


def fps_input(tooltip: str, optional: bool = False) -> io.Input:
    """The input `fps`, from 0 (which stands for a rate from elsewhere) to 240 in steps of 0.5."""
    return io.Float.Input(
        "fps", default=0.0, min=0.0, max=240.0, step=0.5, optional=optional, tooltip=tooltip
    )


def seconds_input(
    name: str, default: float, tooltip: str, least: float = 0.0, optional: bool = False
) -> io.Input:
    """A number input in seconds, from `least` to `MAX_CANVAS_SECONDS`, in steps of 0.05."""
    return io.Float.Input(
        name,
        default=default,
        min=least,
        max=MAX_CANVAS_SECONDS,
        step=0.05,
        optional=optional,
        tooltip=tooltip,
    )


def firmness_input(default: float, tooltip: str) -> io.Input:
    return io.Float.Input("firmness", default=default, min=0.0, max=1.0, step=0.01, tooltip=tooltip)


def curve_input() -> io.Input:
    """The optional text input `curve`: pairs of seconds and firmness; empty for a constant one."""
    return io.String.Input(
        "curve",
        default="",
        optional=True,
        tooltip='Firmness over time instead, such as "0: 1, 1.5: 0.3": seconds after the start of '
        "the footage, and the firmness there; linear in between.",
    )


def overlap_input(what: str) -> io.Input:
    return seconds_input(
        "keep", 0.0, f"Seconds {what} that stay on the canvas; 0 keeps all. Less is faster."
    )


def size_input(tooltip: str = "") -> io.Input:
    """The optional input `canvas` of edit nodes, which sets their size and frame rate.

    An empty `tooltip` stands for the usual one.
    """
    return SoraCanvasType.Input(
        "canvas",
        optional=True,
        tooltip=tooltip
        or "Sets another size and frame rate than those of the footage, such as the small size "
        "of a small model. Its length is not used.",
    )


def clip_of(video: VideoInput, canvas: Canvas | None, fit: str) -> Media:
    """`video` as footage for edits of the size and rate of `canvas`, or of its own.

    A batch of images plays at the rate of `canvas`. ConfigError for an unknown `fit`.
    """
    fit = checked_choice("fit", fit, FITS)
    return replace(as_media(video, canvas.fps if canvas else IMAGE_FPS), fit=fit, like=canvas)
