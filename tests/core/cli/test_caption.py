"""The manifest of a folder: resumable, and complete whatever the files are."""

import json

import pytest
import torch

from sora_core.cli.caption import caption_entries, captioned
from sora_core.errors import MediaError
from sora_core.models.captioner import Captioner, CaptionerConfig
from sora_core.models.vocabulary import Vocabulary
from sora_core.video.writer import write_video
from tests.support.tiny import tiny_autoencoder

NAMES = ["a.mp4", "b.MOV", "inner/c.webm", "z.gif"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "clips" / "inner").mkdir(parents=True)
    for name in [*NAMES, "notes.txt", "inner/still.png"]:
        (tmp_path / "clips" / name).touch()
    return tmp_path / "clips"


class Listener:
    """Captions a clip with its name, fails for one, and is interrupted at another."""

    def __init__(self, bad="", stop=""):
        self.bad, self.stop, self.heard = bad, stop, []

    def __call__(self, path):
        if path.name == self.stop:
            raise KeyboardInterrupt
        self.heard.append(path.name)
        if path.name == self.bad:
            raise MediaError(f"{path.name} cannot be read")
        return {"long": f"this is {path.name}", "certainty": 0.5}


def lines(manifest):
    return [json.loads(line) for line in manifest.read_text().splitlines()]


def test_every_video_of_the_folder_has_a_line_and_nothing_else_has(folder, tmp_path):
    entries = list(captioned(folder, tmp_path / "m.jsonl", Listener()))
    assert [entry["file"] for entry in entries] == NAMES
    assert lines(tmp_path / "m.jsonl") == entries


@pytest.mark.parametrize("cut", [0, 1, 20])
def test_a_manifest_that_was_stopped_continues_to_the_same_lines(folder, tmp_path, cut):
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    list(captioned(folder, whole, Listener(bad="b.MOV")))
    with pytest.raises(KeyboardInterrupt):
        list(captioned(folder, part, Listener(bad="b.MOV", stop="c.webm")))
    if cut:
        part.write_bytes(part.read_bytes()[:-cut])
    listener = Listener(bad="b.MOV")
    list(captioned(folder, part, listener))
    assert part.read_bytes() == whole.read_bytes()
    again = ["b.MOV"] if cut else []
    assert listener.heard == [*again, "c.webm", "z.gif"]


def test_what_is_listed_is_not_repeated(folder, tmp_path):
    list(captioned(folder, tmp_path / "m.jsonl", Listener()))
    again = Listener()
    assert len(list(captioned(folder, tmp_path / "m.jsonl", again))) == len(NAMES)
    assert again.heard == []


def test_a_bad_file_is_listed_with_its_error_and_passed_over(folder, tmp_path):
    entries = list(captioned(folder, tmp_path / "m.jsonl", Listener(bad="b.MOV")))
    assert [entry["file"] for entry in entries if "error" in entry] == ["b.MOV"]
    assert len(entries) == len(NAMES)


@pytest.mark.parametrize("text", ["my diary", "my diary\n", '{"a": 1}\n', "[1]\n", "7\n"])
def test_a_file_that_is_no_manifest_is_refused_and_left_as_it_is(folder, tmp_path, text):
    (tmp_path / "m.jsonl").write_text(text)
    with pytest.raises(MediaError, match="no manifest"):
        list(captioned(folder, tmp_path / "m.jsonl", Listener()))
    assert (tmp_path / "m.jsonl").read_text() == text


def test_progress_counts_every_video(folder, tmp_path):
    observed = []
    list(captioned(folder, tmp_path / "m.jsonl", Listener(), lambda *at: observed.append(at)))
    assert observed == [(i, len(NAMES)) for i in range(1, len(NAMES) + 1)]


def test_a_video_file_is_captioned_with_its_size_and_length(tmp_path):
    frames = torch.randint(256, (12, 48, 80, 3), dtype=torch.uint8)
    path = write_video(tmp_path / "clip.mp4", [frames], 8)
    torch.manual_seed(0)
    config = CaptionerConfig(width=32, seeing=1, saying=1)
    captioner = Captioner(config, Vocabulary.from_captions(["A red ball rolls."])).eval()
    entry = caption_entries(path, captioner=captioner, autoencoder=tiny_autoencoder())
    assert (entry["width"], entry["height"], entry["seconds"]) == (80, 48, 1.5)
    assert set(entry) >= {"long", "short", "certainty"}
    assert 0 <= entry["certainty"] <= 1
