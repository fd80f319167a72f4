"""The nodes of the pack: a schema and one call into the core each."""

from comfy_api.latest import ComfyExtension, io

from .canvas import SoraCanvas
from .caption import SoraCaptionVideo
from .dataset import SoraDataset, SoraEncodeDataset
from .decode import SoraDecodeFrames, SoraDecodeVideo
from .encode import SoraEncodeCanvas, SoraEncodeVideo
from .jobs import SoraJobs
from .loaders import SoraLoadModel
from .measure import SoraMeasureSeams
from .node_replacements import register
from .place import SoraPlaceImage, SoraPlaceLatent, SoraPlaceVideo
from .prompt import SoraEncodePrompt, SoraExpandPrompt, SoraStoryboard
from .sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule
from .search import searchable
from .spatial_edits import SoraEditVideo, SoraOutpaintVideo
from .temporal_edits import (
    SoraConnectVideos,
    SoraExtendVideo,
    SoraImageToVideo,
    SoraLoopVideo,
    SoraMorphVideos,
)
from .training import SoraSaveLora, SoraTrain


class SoraExtension(ComfyExtension):
    """All nodes of the pack."""

    async def on_load(self) -> None:
        await register()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The node classes of the pack, in the order of a workflow.

        Their schemas carry search aliases and advanced inputs where the host supports them.
        """
        nodes = [
            SoraLoadModel,
            SoraExpandPrompt,
            SoraEncodePrompt,
            SoraStoryboard,
            SoraCaptionVideo,
            SoraCanvas,
            SoraPlaceVideo,
            SoraPlaceImage,
            SoraPlaceLatent,
            SoraImageToVideo,
            SoraExtendVideo,
            SoraLoopVideo,
            SoraConnectVideos,
            SoraMorphVideos,
            SoraEditVideo,
            SoraOutpaintVideo,
            SoraEncodeCanvas,
            SoraEncodeVideo,
            SoraNoise,
            SoraSchedule,
            SoraGuider,
            SoraSample,
            SoraJobs,
            SoraDecodeVideo,
            SoraDecodeFrames,
            SoraMeasureSeams,
            SoraDataset,
            SoraEncodeDataset,
            SoraTrain,
            SoraSaveLora,
        ]
        return searchable(nodes)
