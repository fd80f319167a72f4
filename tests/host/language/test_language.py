"""A language model that ComfyUI itself runs, tiny and random, behind our nodes for words.

ComfyUIs without text generation are passed over: `--comfyui=DIR` tries a newer one.
"""

import json
import shutil
from pathlib import Path

import pytest

from sora_core.cli.caption import CAPTION_MANIFEST, recaption
from tools.caption import asking
from tools.client import GraphError
from tools.host import FOOTAGE, ROOT

pytestmark = [pytest.mark.host, pytest.mark.slow]

PROMPT = "a red ball rolls to the left on grass"
FAITHFUL = "A shiny red ball rolls to the left on the grass. The camera stands still."
CONTRARY = "A blue cube slides to the right on sand."


@pytest.fixture(scope="module")
def writing(comfyui, server, tmp_path_factory):
    """A client of a server with the pack, and with a language model to try it with."""
    if "TextGenerate" not in server.client.nodes():
        pytest.skip("this ComfyUI writes no text: try a newer one with --comfyui=DIR")
    packs = (ROOT, Path(__file__).parent / "pack")
    with comfyui(tmp_path_factory.mktemp("language"), packs=packs) as own:
        yield own.client


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def texts(client, asked, **nodes):
    """Both texts that the node `asked` puts out."""
    graph = {"asked": asked, **nodes}
    graph |= {str(index): node("PreviewAny", source=["asked", index]) for index in range(2)}
    displayed = client.run(client.completed(graph)).outputs()
    return [displayed[str(index)]["text"][0] for index in range(2)]


def expanded(client, clip=None, style="sora-mini"):
    """The text and the changes."""
    asked = node("SoraExpandPrompt", text=PROMPT, style=style, seed=5)
    if clip is None:
        return texts(client, asked)
    asked["inputs"]["clip"] = ["clip", 0]
    return texts(client, asked, clip=clip)


def captioned(client, clip, color=0xFF0000):
    """The caption and the short one."""
    footage = node("EmptyImage", width=64, height=48, batch_size=9, color=color)
    asked = node("SoraCaptionVideo", video=["footage", 0], captioner="language model", seed=5)
    asked["inputs"]["clip"] = ["clip", 0]
    return texts(client, asked, footage=footage, clip=clip)


def test_a_faithful_answer_is_taken_without_its_reasoning(writing):
    reply = f"<think>\nThe ball must stay red.\n</think>\nSure, here is the prompt: {FAITHFUL}"
    text, changes = expanded(writing, node("TestWriter", reply=reply), style="general")
    assert text == FAITHFUL
    assert changes.endswith("by the language model")


def test_an_answer_that_contradicts_falls_back_and_says_so(writing):
    text, changes = expanded(writing, node("TestWriter", reply=CONTRARY))
    assert text == expanded(writing)[0]
    assert "language model not followed: it lost or contradicts" in changes


def test_a_random_answer_falls_back_and_says_so(writing):
    text, changes = expanded(writing, node("TestWriter", reply=""))
    assert text == expanded(writing)[0]
    assert "language model not followed" in changes


def test_a_caption_is_what_it_says_of_what_it_sees(writing):
    reply = "a red wall\nA plain red wall fills the frame. <|im_start|> The camera is still."
    long, short = captioned(writing, node("TestWriter", reply=reply))
    assert short == "a red wall"
    assert long == "A plain red wall fills the frame. The camera is still."


def test_a_random_caption_is_clean_and_bounded(writing):
    long, short = captioned(writing, node("TestWriter", reply=""))
    assert 0 < len(short) <= 200
    assert 0 < len(long) <= 1200
    assert all(character.isprintable() for character in long + short)


def test_other_pictures_have_it_say_something_else(writing):
    clip = node("TestWriter", reply="")
    assert captioned(writing, clip) != captioned(writing, clip, color=0x0000FF)


def test_a_folder_of_clips_is_captioned_into_a_manifest(writing, tmp_path):
    for name in ("a.mp4", "b.MP4"):
        shutil.copy(FOOTAGE / "sora_ball.mp4", tmp_path / name)
    (tmp_path / "c.mp4").write_bytes(b"no video")
    clip = node("TestWriter", reply="a ball\nA red ball rolls on grass.")
    recaption(tmp_path, None, asking(writing, clip, 5))
    *good, bad = map(json.loads, (tmp_path / CAPTION_MANIFEST).read_text().splitlines())
    assert [entry["file"] for entry in good] == ["a.mp4", "b.MP4"]
    assert all(entry["long"] == "A red ball rolls on grass." for entry in good)
    assert all(entry["width"] == entry["height"] == 64 for entry in good)
    assert bad["file"] == "c.mp4" and bad["error"]


def test_one_that_sees_nothing_is_refused(writing):
    with pytest.raises(GraphError, match="takes no images"):
        captioned(writing, node("TestWriter", reply="a red wall", vision=False))


def test_an_encoder_that_writes_nothing_is_refused(writing):
    asked = node("SoraExpandPrompt", text=PROMPT, clip=["loader", 1])
    with pytest.raises(GraphError, match="writes no text"):
        texts(writing, asked, loader=node("SoraLoadModel", model="sora-mini.safetensors"))
