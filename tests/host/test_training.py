"""Training in a running server: cancelled and continued, queued twice, and its folders."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from threading import Event

import pytest
from PIL import Image

from sora_core.training.own.curve_picture import CURVE_SIZE
from sora_core.training.sheets import SAMPLE_SIDE
from tests.support.smallest import CLIPS
from tools.client import Client, FailedError, GraphError, RefusedError
from tools.graph import Graph
from tools.host import Server

pytestmark = pytest.mark.host

STEPS = 120  # far more than run while a cancel is under way
WAIT_S = 60


def training(tiny: str, name: str, **changes: object) -> Graph:
    """From the folder of clips to a saved LoRA; runs of any other name are trained anew."""
    settings = {"model": tiny, "name": name, "steps": STEPS, "batch": 1, "rank": 2, "seed": 1}
    return {
        "clips": {"class_type": "SoraDataset", "inputs": CLIPS | {"held_out": 0.3}},
        "tuned": {
            "class_type": "SoraTrain",
            "inputs": {"dataset": ["clips", 0], **settings, **changes},
        },
        "saved": {
            "class_type": "SoraSaveLora",
            "inputs": {"weights": ["tuned", 1], "prefix": f"of_{name}"},
        },
    }


def run_folder(server: Server, name: str) -> Path:
    return server.output / "sora_training" / name


def history(server: Server, name: str) -> list[dict[str, float]]:
    lines = (run_folder(server, name) / "history.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def whole(server: Server, tiny: str) -> list[dict[str, float]]:
    """The history of a run that was never cancelled."""
    client = Client(server.client.url)
    client.run(client.completed(training(tiny, "whole")))
    return history(server, "whole")


def training_losses(history: list[dict[str, float]]) -> dict[float, float]:
    return {values["step"]: values["loss"] for values in history if "loss" in values}


def validations(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [values for values in history if "held_out/mean" in values]


def steps_of(kind: str, data: dict[str, float]) -> float:
    """The step that an event reports of Sora Train; 0 for any other event."""
    ours = kind == "progress" and data["node"] == "tuned" and data["max"] >= STEPS
    return data["value"] if ours else 0


@pytest.mark.parametrize("step", [1, 40])
def test_a_cancelled_run_continues_to_the_numbers_of_one_that_was_not(
    server, client, tiny, whole, step
):
    name, reported = f"cancelled{step}", []

    def cancel(kind, data):
        if done := steps_of(kind, data):
            if done >= step and max(reported, default=0) < step:
                client.interrupt()
            reported.append(done)

    graph = client.completed(training(tiny, name))
    with pytest.raises(GraphError, match="interrupted"):
        client.run(graph, cancel)
    saved = server.output / "loras" / f"of_{name}_00001.safetensors"
    assert reported[-1] < STEPS and not saved.exists()
    client.run(graph)
    assert validations(history(server, name)) == validations(whole)
    losses, expected = training_losses(history(server, name)), training_losses(whole)
    assert expected.items() <= losses.items()  # and that of the step of the cancel
    assert saved.exists()


def test_the_preview_has_the_curve_and_then_the_samples(client, tiny, whole):
    run = client.run(client.completed(training(tiny, "preview")))
    sizes = [Image.open(BytesIO(data)).size for data in run.previews]
    shapes = [height / width for width, height in sizes]
    alone, both = CURVE_SIZE[1] / CURVE_SIZE[0], (CURVE_SIZE[1] + SAMPLE_SIDE) / CURVE_SIZE[0]
    assert shapes[-1] == pytest.approx(both, abs=0.02)
    assert {round(one, 1) for one in shapes} <= {round(alone, 1), round(both, 1)}
    (displayed,) = run.outputs()["tuned"]["images"]
    picture = Image.open(BytesIO(client.view(displayed)))
    assert picture.size == (CURVE_SIZE[0], CURVE_SIZE[1] + SAMPLE_SIDE)


def test_two_queued_runs_both_end_and_of_one_name_the_second_finds_the_first(
    server, client, tiny, whole
):
    def queued(name, seed):
        own = Client(server.client.url)
        own.run(own.completed(training(tiny, name, seed=seed)))

    with ThreadPoolExecutor(4) as threads:
        runs = [
            threads.submit(queued, name, seed)
            for name, seed in (("first", 1), ("second", 1), ("twice", 1), ("twice", 2))
        ]
    failed = [str(run.exception()) for run in runs if run.exception()]
    assert len(failed) == 1 and "seed was" in failed[0] and "'twice'" in failed[0]
    assert validations(history(server, "first")) == validations(whole)
    assert validations(history(server, "second")) == validations(whole)


def test_a_folder_that_disappears_before_its_plan_is_a_sentence_on_the_node(server, client, tiny):
    clips = server.base / "input" / "vanishing"
    shutil.copytree(server.base / "input" / "sora_clips", clips)
    graph = training(tiny, "vanished")
    graph["clips"]["inputs"]["folder"] = "input/vanishing"
    graph = client.completed(graph)
    busy, trains = Client(server.client.url), Event()
    endless = busy.completed(training(tiny, "endless", steps=1_000_000))
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(
            busy.run, endless, lambda kind, data: steps_of(kind, data) and trains.set()
        )
        assert trains.wait(WAIT_S)
        second = threads.submit(client.run, graph)
        end = time.monotonic() + WAIT_S
        while not busy.get("/queue")["queue_pending"] and time.monotonic() < end:
            time.sleep(0.05)
        shutil.rmtree(clips)
        busy.interrupt()
        assert "interrupted" in str(first.exception())
        assert "folder 'input/vanishing': choose one of" in str(second.exception())
    assert not run_folder(server, "vanished").exists()


@pytest.mark.parametrize(
    "folder",
    ["/etc", "../models", "input/../../models", "input/sora_clips/..", "C:\\clips", "input\\x", ""],
)
def test_only_a_folder_of_the_menu_is_read(server, client, tiny, folder):
    graph = client.completed(training(tiny, "elsewhere"))
    graph["clips"]["inputs"]["folder"] = folder
    with pytest.raises((RefusedError, FailedError)):
        client.run(graph)
    assert not run_folder(server, "elsewhere").exists()


@pytest.mark.parametrize("name", ["/tmp/x", "../outside", "a/../../../b", "a\\b", "", "NUL"])
def test_a_run_and_its_weights_stay_in_the_output_folder(server, client, tiny, whole, name):
    before = sorted(server.base.rglob("*.safetensors"))
    graphs = [training(tiny, name), training(tiny, "whole")]
    graphs[1]["saved"]["inputs"]["prefix"] = name
    for graph in graphs:
        with pytest.raises(FailedError):
            client.run(client.completed(graph))
    assert sorted(server.base.rglob("*.safetensors")) == before
