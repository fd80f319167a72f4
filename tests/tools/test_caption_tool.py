"""A language model behind a server, here a stand-in, captions a folder as our captioner would."""

import json
from pathlib import Path

import pytest
import torch

from sora_core.cli.caption import CAPTION_MANIFEST, recaption
from sora_core.errors import MediaError
from sora_core.video.writer import write_video
from tools import caption
from tools.client import FailedError, GraphError, Run

KNOWN = {
    kind: {"input": {"required": {}}}
    for kind in ("EmptyImage", "LoadVideo", "PreviewAny", "SoraCaptionVideo", "Loader")
}
LOADER = {"class_type": "Loader", "inputs": {}}


class Seer:
    """As much of a client as is asked: it names what it was sent, unless it fails."""

    id, url = "seer", "http://nowhere"

    def __init__(self, failure=None, at="", known=KNOWN):
        self.failure, self.at, self.known = failure, at, known
        self.sent, self.asked = "", []

    def nodes(self):
        return self.known

    async def upload(self, url, path, name):
        assert name.startswith(self.id) and name.endswith(path.suffix.lower())
        self.sent = path.name

    def run(self, graph, seconds):
        assert graph["clip"] == LOADER
        footage = graph["footage"]["class_type"]
        self.asked.append(self.sent if footage == "LoadVideo" else footage)
        if self.asked[-1] == self.at:
            raise self.failure
        displayed = {"long": f"all of {self.sent}", "short": self.sent}
        texts = {key: {"text": [text]} for key, text in displayed.items()}
        return Run(
            "p", [("executed", {"node": key, "output": text}) for key, text in texts.items()]
        )


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b", "c"):
        frames = torch.zeros(4, 16, 32, 3, dtype=torch.uint8)
        write_video(tmp_path / f"{name}.mp4", [frames], 8)
    return tmp_path


@pytest.fixture
def texts(folder, monkeypatch):
    """The files in the manifest after a seer was asked about the folder."""

    def texts(seer):
        monkeypatch.setattr(caption, "upload", seer.upload)
        recaption(folder, None, caption.asking(seer, LOADER, 0))
        return entries(folder)

    return texts


def entries(folder: Path):
    return [json.loads(line) for line in (folder / CAPTION_MANIFEST).read_text().splitlines()]


def test_each_clip_has_a_line_as_from_our_captioner(texts):
    first, *others = texts(Seer())
    size = {"width": 32, "height": 16, "seconds": 0.5}
    message = {"long": "all of a.mp4", "short": "a.mp4", "certainty": 0.0}
    assert first == {"file": "a.mp4", **message, **size}
    assert [entry["file"] for entry in others] == ["b.mp4", "c.mp4"]


def test_a_lost_server_ends_it_and_the_next_time_it_goes_on(texts, folder):
    with pytest.raises(GraphError, match="closed"):
        texts(Seer(GraphError("ComfyUI closed the connection"), at="b.mp4"))
    assert [entry["file"] for entry in entries(folder)] == ["a.mp4"]
    seer = Seer()
    assert len(texts(seer)) == 3
    assert seer.asked == ["EmptyImage", "b.mp4", "c.mp4"]


def test_a_clip_that_fails_alone_keeps_its_error(texts):
    _, bad, good = texts(Seer(FailedError("LoadVideo: cut off"), at="b.mp4"))
    assert bad == {"file": "b.mp4", "error": "LoadVideo: cut off"}
    assert good["short"] == "c.mp4"


def test_a_model_without_vision_is_reported_before_any_clip(texts, folder):
    blind = FailedError("SoraCaptionVideo: this language model takes no images")
    with pytest.raises(GraphError, match="takes no images"):
        texts(Seer(blind, at="EmptyImage"))
    assert not (folder / CAPTION_MANIFEST).exists()


def test_a_server_without_the_pack_is_named(texts):
    with pytest.raises(GraphError, match=r"http://nowhere lacks Sora Nodes"):
        texts(Seer(known={}))


def test_a_folder_that_is_none_is_refused(monkeypatch, folder):
    with pytest.raises(MediaError, match="no folder"):
        recaption(folder / "a.mp4", None, caption.asking(Seer(), LOADER, 0))
