"""The nodes that ComfyUI shows: each explains itself, then makes one call into the core."""

from comfy_api.latest import ComfyExtension, io

from .canvas import SoraCanvas
from .encode import SoraEncodeCanvas
from .latent import SoraDecodeFrames, SoraDecodeVideo
from .loaders import SoraLoadModel
from .prompt import SoraEncodePrompt, SoraExpandPrompt
from .sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule


class SoraExtension(ComfyExtension):
    """All nodes of the pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            SoraLoadModel,
            SoraExpandPrompt,
            SoraEncodePrompt,
            SoraCanvas,
            SoraEncodeCanvas,
            SoraNoise,
            SoraSchedule,
            SoraGuider,
            SoraSample,
            SoraDecodeVideo,
            SoraDecodeFrames,
        ]
