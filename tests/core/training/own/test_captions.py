"""Captions and actions of a folder: from text files, tables and the captioner, and their faults."""

import codecs
import json

import pytest

from sora_core.errors import TrainingError
from tests.support.clips import captioned_clip, moving_file
from tests.support.plans import planned, reasons


def test_metadata_in_all_layouts_captions_its_files(tmp_path):
    for i, name in enumerate(["json/a.mp4", "csv/b.mp4", "ours/c.mp4"]):
        (tmp_path / name).parent.mkdir()
        moving_file(tmp_path / name, seed=i)
    line = {"file_name": "a.mp4", "text": "from  JSON\nlines"}
    (tmp_path / "json/metadata.jsonl").write_text(json.dumps(line) + "\n\n")
    (tmp_path / "csv/metadata.csv").write_text('file_name,caption\nb.mp4,"from, CSV"\n')
    line = {"file": "ours/c.mp4", "long": "by the captioner", "short": "x", "certainty": 0.9}
    (tmp_path / "captions.jsonl").write_text(json.dumps(line))
    captions = {clip.source: clip.caption for clip in planned(tmp_path).clips}
    assert captions == {
        "json/a.mp4": "from JSON lines",
        "csv/b.mp4": "from, CSV",
        "ours/c.mp4": "by the captioner",
    }


TABLES = {
    "of a spreadsheet": "\ufeffFile Name;Description;Likes\na.mp4;rot, rund;3\n;;\nb.mp4;blau;5\n",
    "with tabs": "id\tvideo_path\tcaption\n1\ta.mp4\trot, rund\n2\tb.mp4\tblau\n",
    "with quotes": 'author,file_name,text\nZ,a.mp4,"rot, rund"\nZ,b.mp4,blau\n',
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_may_have_other_columns_and_separators(tmp_path, kind):
    for i, name in enumerate("ab"):
        moving_file(tmp_path / f"{name}.mp4", seed=i)
    (tmp_path / "metadata.csv").write_text(TABLES[kind], encoding="utf-8")
    assert [clip.caption for clip in planned(tmp_path).clips] == ["rot, rund", "blau"]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("title,text", "no column file_name: it has 'title, text'"),
        ("file_name,title", "no column text: it has 'file_name, title'"),
    ],
)
def test_a_table_without_a_column_is_refused_with_those_it_has(tmp_path, header, words):
    captioned_clip(tmp_path, "a.mp4")
    (tmp_path / "metadata.csv").write_text(f"{header}\na.mp4,b\n")
    with pytest.raises(TrainingError, match=words):
        planned(tmp_path)


def test_a_table_of_another_name_is_noted(tmp_path):
    captioned_clip(tmp_path, "a.mp4")
    (tmp_path / "captions.csv").write_text("file,caption\na.mp4,b\n")
    assert "'captions.csv' is not read" in planned(tmp_path).warnings[-1]


def test_names_match_though_accents_are_decomposed(tmp_path):
    moving_file(tmp_path / "cafe\u0301.mp4")  # as macOS stores it
    line = {"file_name": "caf\u00e9.mp4", "text": "a café"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(line))
    plan = planned(tmp_path)
    assert [clip.caption for clip in plan.clips] == ["a café"] and not plan.dropped


def test_a_caption_file_in_capitals_is_read(tmp_path):
    moving_file(tmp_path / "IMG_1.MP4")
    (tmp_path / "IMG_1.TXT").write_text("from a camera")
    assert planned(tmp_path).clips[0].caption == "from a camera"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("name", ["a.txt", "metadata.csv", "metadata.jsonl"])
def test_captions_are_read_in_the_encodings_that_name_themselves(tmp_path, name, encoding):
    moving_file(tmp_path / "a.mp4")
    caption = "ein Äffchen, 猿"
    texts = {
        "a.txt": caption,
        "metadata.csv": f'file_name,text\na.mp4,"{caption}"\n',
        "metadata.jsonl": json.dumps({"file_name": "a.mp4", "text": caption}, ensure_ascii=False),
    }
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    (tmp_path / name).write_bytes(mark + texts[name].encode(encoding))
    assert [clip.caption for clip in planned(tmp_path).clips] == [caption]


@pytest.mark.parametrize("data", [b"caf\xe9", codecs.BOM_UTF16_LE + b"\x00", b"\xed\xa0\x80"])
def test_a_caption_in_no_known_encoding_is_left_out_with_the_reason(tmp_path, data):
    captioned_clip(tmp_path, "a.mp4")
    moving_file(tmp_path / "b.mp4", seed=1)
    (tmp_path / "b.txt").write_bytes(data)
    assert "save it as UTF-8" in reasons(planned(tmp_path))["b.mp4"]


def test_metadata_may_name_a_file_of_its_folder_by_any_path(tmp_path):
    folder = tmp_path / "clips"
    (folder / "deep").mkdir(parents=True)
    for i in range(4):
        moving_file(folder / "deep" / f"{i}.mp4", seed=i)
    (tmp_path / "link").symlink_to(folder)
    paths = [
        str(folder / "deep" / "0.mp4"), "../clips/deep/1.mp4", "deep/../deep/./2.mp4",
        str(tmp_path / "link" / "deep" / "3.mp4"),
    ]  # fmt: skip
    lines = [json.dumps({"file_name": path, "text": path}) for path in paths]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    plan = planned(tmp_path / "link")
    assert [clip.caption for clip in plan.clips] == paths and not plan.dropped


@pytest.mark.parametrize("name", ["../a.mp4", "/etc/a.mp4", "deep/../../a.mp4", "..", "a/../.."])
def test_a_file_outside_of_the_folder_is_refused(tmp_path, name):
    (tmp_path / "clips").mkdir()
    captioned_clip(tmp_path / "clips", "a.mp4")
    line = json.dumps({"file_name": name, "text": "x"})
    (tmp_path / "clips" / "metadata.jsonl").write_text(line)
    with pytest.raises(TrainingError, match="outside of the folder"):
        planned(tmp_path / "clips")


def test_a_text_file_overrides_metadata_and_metadata_overrides_the_captioner(tmp_path):
    for i, name in enumerate("ab"):
        moving_file(tmp_path / f"{name}.mp4", seed=i)
    rows = [{"file_name": f"{name}.mp4", "text": "metadata"} for name in "ab"]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    rows = [{"file": f"{name}.mp4", "long": "captioner"} for name in "ab"]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "a.txt").write_text("text file")
    captions = [clip.caption for clip in planned(tmp_path).clips]
    assert captions == ["text file", "metadata"]


def test_metadata_of_a_missing_file_is_reported(tmp_path):
    captioned_clip(tmp_path, "a.mp4")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "gone.mp4", "text": "x"}')
    assert "no such file" in reasons(planned(tmp_path))["gone.mp4"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("not json", "line 1"),
        ('{"file_name": "a.mp4"}\n[1]', "line 2"),
        ('{"text": "x"}', "file_name"),
        ('{"file_name": "../a.mp4", "text": "x"}', "outside"),
        ('{"file_name": "a.mp4", "text": 3}', "no text"),
        ('{"file_name": "a.mp4", "actions": [[1], [1, 2]]}', "actions"),
        ('{"file_name": "a.mp4", "actions": "left; right"}', "actions"),
        ("\xff\xfe", "line 1"),
    ],
)
def test_a_bad_line_of_metadata_is_named(tmp_path, content, words):
    captioned_clip(tmp_path, "a.mp4")
    (tmp_path / "metadata.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(TrainingError, match=words):
        planned(tmp_path)


def test_actions_cut_the_clip_to_their_latent_frames(tmp_path):
    captioned_clip(tmp_path, "a.mp4", frames=17)
    captioned_clip(tmp_path, "b.mp4", seed=1, frames=17)
    rows = 'file_name,actions\na.mp4,1 0; 0 1; 1 1\nb.mp4,"[[1,0],[0,1],[1,0],[0,1],[1,1],[0,0]]"\n'
    (tmp_path / "metadata.csv").write_text(rows)
    first, second = planned(tmp_path).clips
    assert (first.frames, first.actions) == (9, ((1, 0), (0, 1), (1, 1)))
    assert (second.frames, len(second.actions)) == (17, 5)
    assert "5 of 6 actions used" in second.notes


def test_a_caption_beyond_the_text_encoder_is_cut_and_noted(tmp_path):
    captioned_clip(tmp_path, "a.mp4", caption="a very long tale " * 600)
    (clip,) = planned(tmp_path).clips
    assert "the first 128 tokens are used" in " ".join(clip.notes)


def test_brackets_of_a_caption_are_letters_not_weights(tmp_path):
    captioned_clip(tmp_path, "a.mp4", caption="a cat (brown:99) sleeps")
    assert planned(tmp_path).clips[0].caption == "a cat (brown:99) sleeps"
