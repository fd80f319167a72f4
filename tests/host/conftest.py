"""A tiny model where the server's loader finds it, and graphs that use it."""

import pytest

from tests.support.tiny import NAME, write_tiny
from tools.client import Client, Graph
from tools.host import Server


@pytest.fixture(scope="session")
def tiny(server: Server) -> str:
    """The name of the model, once the server lists it."""
    write_tiny(server.base / "models" / "diffusion_models")
    known = Client(server.client.url).get("/object_info/SoraLoadModel")["SoraLoadModel"]
    kind, options = known["input"]["required"]["model"]
    assert NAME in (kind if isinstance(kind, list) else options["options"])
    return NAME


@pytest.fixture
def started(tiny: str) -> Graph:
    """A loader, both prompts, and an empty latent of 50x34 pixels and 11 frames."""
    return {
        "loader": {"class_type": "SoraLoadModel", "inputs": {"model": tiny}},
        "prompt": {
            "class_type": "SoraEncodePrompt",
            "inputs": {"clip": ["loader", 1], "text": "a red ball rolls to the left"},
        },
        "negative": {
            "class_type": "SoraEncodePrompt",
            "inputs": {"clip": ["loader", 1], "text": ""},
        },
        "canvas": {
            "class_type": "SoraCanvas",
            "inputs": {"width": 50, "height": 34, "seconds": 1.4},
        },
        "latent": {
            "class_type": "SoraEncodeCanvas",
            "inputs": {"canvas": ["canvas", 0], "vae": ["loader", 2]},
        },
    }


@pytest.fixture
def sampled(started: Graph) -> Graph:
    """`started`, sampled by our own nodes."""
    return started | {
        "noise": {"class_type": "SoraNoise", "inputs": {"seed": 1}},
        "schedule": {
            "class_type": "SoraSchedule",
            "inputs": {"latent": ["latent", 0], "steps": 6},
        },
        "guider": {
            "class_type": "SoraGuider",
            "inputs": {
                "model": ["loader", 0],
                "positive": ["prompt", 0],
                "negative": ["negative", 0],
            },
        },
        "sample": {
            "class_type": "SoraSample",
            "inputs": {
                "noise": ["noise", 0],
                "guider": ["guider", 0],
                "sigmas": ["schedule", 0],
                "latent": ["latent", 0],
            },
        },
    }
