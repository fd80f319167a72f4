"""Names of parameters in files written before their modules were renamed."""

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
"""Pattern of an old name and its replacement, tried in order; all that match apply."""


def current_key(name: str) -> str:
    """The name that the parameter `name` of a model file has in the code; new names stay."""
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def current_keys(names: Iterable[str]) -> dict[str, str]:
    """Each of `names` under its current name. WeightsError where two of them have the same."""
    found: dict[str, str] = {}
    for name in names:
        key = current_key(name)
        if key in found:
            raise WeightsError(
                f"{name[:60]!a} and {found[key][:60]!a} are the same tensor: keep one of them"
            )
        found[key] = name
    return found
