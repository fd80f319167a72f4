"""Whatever can take more than a second shows on its node how far it is."""

import shutil
from collections import defaultdict

import pytest

from tests.support.smallest import CLIPS, CONTRACT, SET
from tests.support.tiny import write_tiny
from tools.kill_long_job import JOBS

pytestmark = pytest.mark.host

QUICK = {  # they write down what is to be done, and do none of it
    "SoraCanvas",
    "SoraPlaceVideo",
    "SoraPlaceImage",
    "SoraPlaceLatent",
    "SoraImageToVideo",
    "SoraExtendVideo",
    "SoraConnectVideos",
    "SoraMorphVideos",
    "SoraLoopVideo",
    "SoraEditVideo",
    "SoraOutpaintVideo",
    "SoraNoise",
    "SoraSchedule",
    "SoraGuider",
    "SoraSaveLora",  # a file of a megabyte
}
ONE_CALL = {  # of the host's text encoder, or of its language model, which tells of itself
    "SoraEncodePrompt",
    "SoraExpandPrompt",
}
WAITS = sorted(set(CONTRACT) - QUICK - ONE_CALL)
FRESH = "fresh.safetensors"  # a model that no other test has had the server load
LEFT = "0123456789abcdef"  # a job of long ago


def node(kind: str, **inputs: object) -> dict[str, object]:
    return {"class_type": kind, "inputs": inputs}


def test_whatever_can_take_more_than_a_second_tells_how_far_it_is(server, client, sampled):
    (server.output / JOBS / LEFT).mkdir(parents=True, exist_ok=True)
    models, vae = server.base / "models" / "diffusion_models", ["loader", 2]
    fresh = shutil.copy(write_tiny(models), models / FRESH)
    fresh_run = {"model": FRESH, "name": "fresh"}
    graph = sampled | {
        "loader": node("SoraLoadModel", model=FRESH),
        "clip": node("LoadVideo", file="sora_cube.mp4"),
        "placed": node("SoraPlaceVideo", canvas=["canvas", 0], video=["clip", 0]),
        "latent": node("SoraEncodeCanvas", canvas=["placed", 0], vae=vae),
        "encoded": node("SoraEncodeVideo", video=["clip", 0], vae=vae),
        "caption": node("SoraCaptionVideo", video=["clip", 0], vae=vae),
        "board": node("SoraStoryboard", canvas=["canvas", 0], clip=["loader", 1], text="a\nb"),
        "frames": node("SoraDecodeFrames", latent=["sample", 0], vae=vae),
        "video": node("SoraDecodeVideo", latent=["sample", 0], vae=vae),
        "seams": node("SoraMeasureSeams", video=["video", 0], canvas=["placed", 0]),
        "jobs": node("SoraJobs", clear=LEFT),
        "clips": node("SoraDataset", **CLIPS),
        "lists": node("SoraEncodeDataset", dataset=["clips", 0], vae=vae, clip=["loader", 1]),
        "tuned": node(
            "SoraTrain",
            dataset=["clips", 0],
            **SET["SoraTrain"] | fresh_run,
        ),
        "saved": node("SoraSaveLora", weights=["tuned", 1]),
    }
    leaves = ("encoded", "caption", "board", "frames", "seams", "lists", "saved")
    graph |= {f"{leaf} shown": node("PreviewAny", source=[leaf, 0]) for leaf in leaves}
    texts = defaultdict(list)
    for kind, data in client.run(client.completed(graph)).events:
        if kind == "progress":
            texts[graph[data["node"]]["class_type"]].append(data["value"] / data["max"])
    fresh.unlink()
    assert sorted(texts) == WAITS
    for shares in texts.values():
        assert shares == sorted(shares)
        assert shares[-1] == 1
