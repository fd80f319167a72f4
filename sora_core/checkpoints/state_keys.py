"""Parameter names of older model files, and the current name of each."""

import re
from collections.abc import Iterable

from ..errors import WeightsError

RENAMED: tuple[tuple[str, str], ...] = (
    (r"(^|\.)enter\.", r"\1proj_in."),
    (r"(^|\.)leave\.", r"\1proj_out."),
    (r"^handed\.", "cond_proj."),
    (r"^take\.", "copy_gate."),
    (r"^place\.", "pos_embed."),
    (r"^level\.", "time_in."),
    (r"^text\.", "text_in."),
    (r"^(blocks\.\d+)\.text\.", r"\1.cross_attn."),
    (r"^painted\.", "generated_decoder."),
    (r"^norm_seen\.", "norm_video."),
    (r"^norm_said\.", "norm_text."),
    (r"^seeing\.", "video_blocks."),
    (r"^saying\.", "text_blocks."),
)
"""Patterns of old names and their replacements, applied in order, each that matches."""


def current_key(name: str) -> str:
    """The current name of the parameter called `name` in a model file; current names stay."""
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def current_keys(names: Iterable[str]) -> dict[str, str]:
    """The map from current names to `names`; WeightsError where two have the same current name."""
    found: dict[str, str] = {}
    for name in names:
        key = current_key(name)
        if key in found:
            raise WeightsError(
                f"{name[:60]!a:.62} and {found[key][:60]!a:.62} are the same tensor: keep one of "
                "them"
            )
        found[key] = name
    return found
