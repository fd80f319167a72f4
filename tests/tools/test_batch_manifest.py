"""A manifest or a results folder that somebody else wrote does no harm."""

import asyncio
import json
import shutil
import sqlite3
from types import SimpleNamespace

import pytest

from tools.batch import command
from tools.batch import results as results_module
from tools.batch.answers import SavedFile
from tools.batch.content import SUFFIXES, ContentError, check_content, result_paths
from tools.batch.jobs import plan
from tools.batch.manifest import FILE_NAME, Manifest
from tools.batch.results import DiskError, Results
from tools.batch.workflow import PlanError

GRAPH = {
    "6": {"class_type": "Noise", "inputs": {"seed": 0}},
    "9": {"class_type": "Save", "inputs": {"filename_prefix": "x"}},
}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def execute(path, statement, values=()):
    with sqlite3.connect(path) as file:
        file.execute(statement, values)
    file.close()


def write_manifest(path, **changed):
    """A manifest of two jobs, of which one is changed afterwards, as no program of ours would."""
    with Manifest(path) as manifest:
        manifest.add(plan(GRAPH, [{"name": "one"}, {"name": "two"}], "t"))
    for column, value in changed.items():
        execute(path, f"UPDATE jobs SET {column} = ? WHERE name = 'one'", [value])


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "asleep"},
        {"state": "sent"},
        {"state": "running", "prompt": "../7"},
        {"files": "no list"},
        {"files": "{}"},
        {"files": "[1]"},
        {"files": '["../../etc/passwd"]'},
        {"files": '["/etc/passwd"]'},
        {"files": "[" * 100_000},
        {"files": b"\xff"},
        {"tries": "many"},
        {"deaths": b"x"},
        {"error": b"\xff"},
        {"seconds": "long"},
        {"name": b"\xff"},
    ],
)
def test_a_row_that_this_program_does_not_write_is_named(tmp_path, changed):
    write_manifest(tmp_path / "m", **changed)
    with pytest.raises(PlanError, match="is damaged: job"), Manifest(tmp_path / "m"):
        pass


def damaged(content):
    def write(path):
        path.write_bytes(content)

    return write


def cut_in_half(path):
    write_manifest(path)
    path.write_bytes(path.read_bytes()[:6000])


def overwritten(path):
    write_manifest(path)
    content = bytearray(path.read_bytes())
    content[200:] = b"x" * len(content[200:])
    path.write_bytes(content)


def of_another_program(path):
    execute(path, "CREATE TABLE bookmarks (url TEXT)")


def of_another_format(path):
    execute(path, "PRAGMA user_version = 99")


def without_a_table(path):
    write_manifest(path)
    execute(path, "DROP TABLE batch")


def without_a_column(path):
    write_manifest(path)
    execute(path, "ALTER TABLE jobs DROP COLUMN deaths")


def with_another_client(path):
    write_manifest(path)
    execute(path, "UPDATE batch SET client = '\x1b[2J'")


def linked(path):
    (path.parent / "victim").write_bytes(b"")
    path.symlink_to(path.parent / "victim")


def a_folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    "write",
    [
        damaged(b"this is text, not a database, and long enough to be read as one" * 20),
        damaged(b"SQLite format 3\0" + b"\xff" * 2000),
        cut_in_half,
        overwritten,
        of_another_program,
        of_another_format,
        without_a_table,
        without_a_column,
        with_another_client,
        linked,
        a_folder,
    ],
)
@pytest.mark.parametrize("dry", [True, False])
def test_a_damaged_or_foreign_manifest_is_a_sentence_and_exit_code_2(
    tmp_path, monkeypatch, capsys, write, dry
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.json").write_text(json.dumps(GRAPH))
    (tmp_path / "t.csv").write_text("name\none\ntwo\n")
    (tmp_path / "out").mkdir()
    write(tmp_path / "out" / FILE_NAME)
    victim = tmp_path / "out" / "victim"
    before = victim.read_bytes() if victim.exists() else None
    arguments = ["w.json", "t.csv", "--out=out", "--server=http://127.0.0.1:9", "--wait=0"]
    assert command.main([*arguments, *["--dry-run"] * dry], stop=None) == 2
    printed = capsys.readouterr()
    assert printed.err == ""
    assert FILE_NAME in printed.out and len(printed.out.splitlines()) == 1
    assert before == (victim.read_bytes() if victim.exists() else None)


def test_a_dry_run_beside_a_batch_at_work_prints_the_plan(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.json").write_text(json.dumps(GRAPH))
    (tmp_path / "t.csv").write_text("name\none\ntwo\n")
    with Manifest(tmp_path / "out" / FILE_NAME):
        assert command.main(["w.json", "t.csv", "--out=out", "--dry-run"], stop=None) == 0
    printed = capsys.readouterr().out
    assert "at work" in printed and "two" in printed


def save(out, path, content=PNG, max_bytes=1 << 20, promised=None, media_type="image/png"):
    async def pieces():
        for at in range(0, len(content), 50):
            yield content[at : at + 50]

    asyncio.run(Results(out, max_bytes).save(path, pieces(), promised, media_type))


def test_no_planted_link_is_followed(tmp_path, monkeypatch):
    out, victim = tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    victim.write_text("mine")
    monkeypatch.setattr(results_module.secrets, "token_hex", lambda size: "0" * 2 * size)
    (out / "j.png").symlink_to(victim)
    save(out, "j.png")
    assert (out / "j.png").read_bytes() == PNG and not (out / "j.png").is_symlink()
    (out / f".batch-{'0' * 32}.part").symlink_to(victim)
    with pytest.raises(DiskError):
        save(out, "k.png")
    assert victim.read_text() == "mine"


def test_no_linked_folder_is_entered(tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "j").symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(DiskError, match="is a link"):
        save(out, "j/1.png")
    assert not list(elsewhere.iterdir())
    assert [path.name for path in out.iterdir()] == ["j"]


@pytest.mark.parametrize(
    ("content", "chosen", "expected"),
    [
        (b"", {}, "empty"),
        (b"<!DOCTYPE html><html>", {}, "HTML page"),
        (b"\xef\xbb\xbf \n<HTML>", {}, "HTML page"),
        (PNG, {"media_type": "text/html"}, "HTML page"),
        (b"GIF89a" + bytes(50), {}, r"no \.png file"),
        (PNG + bytes(3000), {"max_bytes": 1000}, "more than"),
        (PNG, {"max_bytes": 1000, "promised": 10**15}, "more than"),
    ],
)
def test_what_is_no_result_leaves_no_file(tmp_path, content, chosen, expected):
    with pytest.raises(ContentError, match=expected):
        save(tmp_path / "out", "j.png", content, **chosen)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_a_sentence_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(
        results_module.shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 20)
    )
    with pytest.raises(DiskError, match="no space is left"):
        save(tmp_path / "out", "j.png")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_goes_meanwhile_is_a_sentence(tmp_path):
    async def pieces():
        yield PNG
        shutil.rmtree(tmp_path / "out")
        yield PNG

    with pytest.raises(DiskError, match="cannot be written"):
        asyncio.run(Results(tmp_path / "out", 1 << 20).save("j.png", pieces(), None, "image/png"))


def test_unfinished_files_of_a_killed_batch_are_removed_and_nothing_else(tmp_path):
    names = [".batch-00.part", "j.png", "j.part", ".batch-notes"]
    for name in names:
        (tmp_path / name).touch()
    Results(tmp_path, 1).clean()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


@pytest.mark.parametrize(
    "name",
    ["a.sqlite", "a.SQLITE-WAL", "a.part", "a.exe", "a.png:evil", "a", "a.", ".png", "a.p\u202eng"],
)
def test_a_suffix_that_is_not_on_the_list_is_refused(name):
    with pytest.raises(ContentError, match="not taken"):
        result_paths("batch", [SavedFile(name, "", "output")], SUFFIXES | {".sqlite", ".part"})


def test_a_suffix_is_written_in_small_letters_and_may_be_added():
    files = [SavedFile("A.PNG", "", "output")]
    assert result_paths("j", files)[0][1] == "j.png"
    files = [SavedFile("a.foo", "", "output")]
    assert result_paths("j", files, SUFFIXES | {".foo"})[0][1] == "j.foo"


SAMPLES = {
    ".mp4": b"\0\0\0\x20ftypisom" + bytes(20),
    ".webm": b"\x1a\x45\xdf\xa3" + bytes(20),
    ".jpg": b"\xff\xd8\xff\xe0" + bytes(20),
    ".webp": b"RIFF\0\0\0\0WEBPVP8 ",
    ".wav": b"RIFF\0\0\0\0WAVEfmt ",
    ".flac": b"fLaC" + bytes(20),
    ".latent": (2).to_bytes(8, "little") + b"{}",
    ".json": b' {"a": 1}',
    ".txt": "a ball, ein Ball, \u7403".encode(),
    ".svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("suffix", SAMPLES)
def test_a_file_is_taken_for_what_it_is_and_for_nothing_else(suffix):
    for other, content in SAMPLES.items():
        if other == suffix:
            check_content(content, len(content), suffix)
        elif suffix != ".txt":
            with pytest.raises(ContentError):
                check_content(content, len(content), suffix)
