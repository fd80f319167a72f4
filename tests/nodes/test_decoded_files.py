"""The files of Sora Decode Video, and their copies by ComfyUI's own Save Video."""

import json

import av
import comfy.cli_args
import pytest
import torch
from comfy_api.latest import io
from sora_nodes.nodes.decode import SoraDecodeVideo
from sora_nodes.sora_core.errors import SoraError
from sora_nodes.sora_core.video.codecs import CODECS

FILES = [(codec, suffix[1:]) for codec, kind in CODECS.items() for suffix in kind.suffixes]
TEXTS = {io.Hidden.prompt: {"1": {"inputs": {}}}, io.Hidden.extra_pnginfo: {"workflow": {"v": 1}}}


@pytest.fixture
def result(pack, monkeypatch, tmp_path):
    import folder_paths

    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))

    def make(**inputs):
        node = SoraDecodeVideo.PREPARE_CLASS_CLONE(TEXTS)
        latent = {"samples": torch.randn(1, 16, 4, 8, 8) * 0.1}
        with torch.inference_mode():
            return node.execute(latent, pack.TinyVAE(16, 4, 8), 8.0, 1, **inputs)

    return make


def content(path):
    """The codec, the number of frames, and the notes of a file, by name in small letters."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        notes = {name.lower(): note for name, note in container.metadata.items()}
        return stream.codec_context.codec.canonical_name, frames, notes


@pytest.mark.parametrize(("codec", "container"), FILES)
def test_save_video_keeps_codec_frames_and_workflow(result, tmp_path, codec, container):
    video = result(codec=codec, container=container).args[0]
    name, frames, notes = content(video.get_stream_source())
    assert video.get_stream_source().endswith(container)
    video.save_to(str(tmp_path / "saved.mp4"))
    saved_name, saved_frames, saved_notes = content(tmp_path / "saved.mp4")
    assert (saved_name, saved_frames) == (name, frames) and frames == 13
    for texts in (notes, saved_notes):
        assert json.loads(texts["workflow"]) == {"v": 1}
        assert json.loads(texts["prompt"]) == {"1": {"inputs": {}}}


def test_no_workflow_is_noted_where_the_user_wants_none(result, monkeypatch):
    monkeypatch.setattr(comfy.cli_args.args, "disable_metadata", True)
    assert not {"workflow", "prompt"} & content(result().args[0].get_stream_source())[2].keys()


def test_the_node_says_how_it_decoded(result):
    assert result().ui.as_dict()["text"] == ("Decoded all at once.",)


@pytest.mark.parametrize(
    ("codec", "container", "text"),
    [
        ("ffv1", "mp4", ".mkv"),
        ("av1", "mov", ".mp4"),
        ("divx", "auto", "h264"),
        ("h264", 3, "auto"),
    ],
)
def test_what_no_file_can_hold_is_refused_before_anything_runs(result, codec, container, text):
    assert text in SoraDecodeVideo.validate_inputs(codec, container)
    with pytest.raises(SoraError, match=text):
        result(codec=codec, container=container)
