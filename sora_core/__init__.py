"""Sora Nodes without ComfyUI: a small open video model, and edits as footage on a canvas.

The public API is what `__all__` names; docs/python.md shows it at work. A name is imported when it
is first used: ComfyUI's nodes import submodules, and need none of the rest at start-up.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .canvas import edits
    from .canvas.canvas import Box, Canvas, Placement
    from .pipeline.decode import decode_frames
    from .pipeline.generate import Pipeline, encode_footage, generate, load
    from .video.reader import read_frames
    from .video.writer import write_video

__all__ = [
    "Box",
    "Canvas",
    "Pipeline",
    "Placement",
    "decode_frames",
    "edits",
    "encode_footage",
    "generate",
    "load",
    "read_frames",
    "write_video",
]


def __getattr__(name: str) -> object:
    match name:
        case "edits":
            from .canvas import edits

            return edits
        case "Box" | "Canvas" | "Placement":
            from .canvas import canvas as module
        case "decode_frames":
            from .pipeline import decode as module
        case "Pipeline" | "encode_footage" | "generate" | "load":
            from .pipeline import generate as module
        case "read_frames":
            from .video import reader as module
        case "write_video":
            from .video import writer as module
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
