"""Sora Nodes: what ComfyUI loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_api.latest import ComfyExtension

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> ComfyExtension:
    """The extension whose nodes ComfyUI registers."""
    from .nodes import SoraExtension

    return SoraExtension()
