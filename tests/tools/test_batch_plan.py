"""A table becomes exactly the jobs it describes, and the manifest forgets none of them."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from tools.batch.answers import SavedFile
from tools.batch.content import result_paths
from tools.batch.jobs import Job, Template, plan, read_rows
from tools.batch.manifest import MAX_DEATHS, Manifest
from tools.batch.names import NAME
from tools.batch.workflow import PlanError, find_input, read_workflow
from tools.host import ROOT

GRAPH = {
    "2": {
        "class_type": "Encode",
        "inputs": {"clip": ["1", 0], "text": "a ball"},
        "_meta": {"title": "Prompt"},
    },
    "3": {"class_type": "Encode", "inputs": {"text": "blurred"}, "_meta": {"title": "Not v1.0"}},
    "6": {"class_type": "Noise", "inputs": {"seed": 0, "scale": 1.0, "fixed": True}},
    "9": {"class_type": "Save", "inputs": {"filename_prefix": "x", "format.codec": "auto"}},
}


def settings(*rows):
    return [job.settings for job in plan(GRAPH, list(rows), "table")]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("2.text", ("2", "text")),
        ("prompt.text", ("2", "text")),
        ("Not v1.0.text", ("3", "text")),
        ("noise.seed", ("6", "seed")),
        ("save.format.codec", ("9", "format.codec")),
    ],
)
def test_an_input_is_found_by_title_type_or_id(name, place):
    assert find_input(GRAPH, name) == place


def test_an_id_counts_before_a_title():
    graph = GRAPH | {"4": GRAPH["3"] | {"_meta": {"title": "2"}}}
    assert find_input(graph, "2.text") == ("2", "text")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text", "names no input"),
        ("Sampler.steps", "names no node"),
        ("prompt.txt", "has no input 'txt'; it has text"),
        ("prompt.clip", "is linked from node 1"),
    ],
)
def test_what_cannot_be_set_is_named_with_what_can(name, expected):
    graph = GRAPH | {"1": {"class_type": "Load", "inputs": {}}}
    with pytest.raises(PlanError, match=expected):
        find_input(graph, name)


def test_a_title_of_two_nodes_is_refused_with_their_ids():
    graph = {key: node | {"_meta": {"title": "Prompt"}} for key, node in GRAPH.items()}
    with pytest.raises(PlanError, match=r"2.text or 3.text"):
        find_input(graph, "prompt.text")


def test_a_workflow_in_ui_form_is_refused_with_the_way_to_export(tmp_path):
    path = tmp_path / "drawn.json"
    path.write_text(json.dumps({"nodes": [], "links": []}))
    with pytest.raises(PlanError, match=r"Export \(API\)"):
        read_workflow(path)


@limits(deadline=None, max_examples=50)
@given(
    first=st.integers(-50, 50),
    last=st.integers(-50, 50),
    step=st.integers(1, 9),
    divisor=st.sampled_from([1, 10, 100]),
)
def test_a_range_has_both_ends_and_even_steps(first, last, step, divisor):
    cell = f"{first / divisor}..{last / divisor} by {step / divisor}"
    values = [job["noise.scale"] for job in settings({"name": "r", "noise.scale": cell})]
    assert values[0] == first / divisor
    assert abs(values[-1] - last / divisor) < step / divisor
    assert values == [(first + at * step * (1 if last >= first else -1)) / divisor
                      for at in range(len(values))]  # fmt: skip


def test_a_row_is_the_product_of_its_lists_and_ranges():
    found = settings({"prompt.text": ["a", "b"], "noise.seed": "1..3", "noise.fixed": False})
    assert [(job["prompt.text"], job["noise.seed"]) for job in found] == [
        (text, seed) for text in "ab" for seed in (1, 2, 3)
    ]


def test_text_that_looks_like_a_range_is_text():
    assert settings({"prompt.text": "1..4"}) == [{"prompt.text": "1..4"}]


@pytest.mark.parametrize(
    "row",
    [
        {"noise.seed": "many"},
        {"noise.seed": float("nan")},
        {"noise.seed": []},
        {"noise.seed": "1..2 by 0"},
        {"noise.seed": "1..999999"},
        {"noise.seed": "1..400", "noise.scale": "1..400"},
        {"noise.fixed": 1},
        {"prompt.text": 969},
        {"name": "../up"},
        {"name": "a.b"},
        {"name": ""},
        {"noise.seed": 1, "6.seed": 2},
    ],
)
def test_a_row_that_cannot_be_meant_is_refused_by_its_number(row):
    with pytest.raises(PlanError, match="row 2"):
        plan(GRAPH, [{"name": "fine"}, row], "table")


@limits(deadline=None, max_examples=50)
@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=8, unique=True))
def test_every_job_has_a_name_of_its_own_that_is_a_name_for_files(texts):
    jobs = plan(GRAPH, [{"prompt.text": texts, "noise.seed": [1, -1]}], "table")
    assert len({job.name.casefold() for job in jobs}) == 2 * len(texts)
    assert all(NAME.fullmatch(job.name) for job in jobs)


def test_two_jobs_of_one_name_are_refused():
    with pytest.raises(PlanError, match="already the name of row 1"):
        plan(GRAPH, [{"name": "Ball"}, {"name": "ball"}], "table")


def test_a_job_changes_its_own_inputs_and_where_it_saves_and_nothing_else():
    (job,) = plan(GRAPH, [{"name": "one", "noise.seed": 5}], "table")
    assert job.graph["6"]["inputs"] == {"seed": 5, "scale": 1.0, "fixed": True}
    assert job.graph["9"]["inputs"]["filename_prefix"] == "table/one"
    assert GRAPH["6"]["inputs"]["seed"] == 0
    assert {key: job.graph[key] for key in "23"} == {key: GRAPH[key] for key in "23"}


def test_the_digest_of_a_job_is_that_of_its_graph():
    rows = [{"prompt.text": ["a", 'b "c" \u7403'], "noise.seed": "1..3"}, {"name": "x"}]
    for job in plan(GRAPH, rows, "table"):
        text = json.dumps(job.graph, sort_keys=True)
        assert job.digest() == hashlib.sha256(text.encode()).hexdigest()


def test_csv_jsonl_and_yaml_give_the_same_plan(tmp_path):
    tables = {
        "t.csv": 'name,noise.seed,prompt.text\na,1..3,\nb,"[4, 5]","a, b"\n',
        "t.jsonl": '{"name": "a", "noise.seed": "1..3"}\n\n'
        '{"name": "b", "noise.seed": [4, 5], "prompt.text": "a, b"}\n',
        "t.yaml": "- {name: a, noise.seed: 1..3}\n"
        "- {name: b, noise.seed: [4, 5], prompt.text: 'a, b'}\n",
    }
    plans = []
    for name, text in tables.items():
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        jobs = plan(GRAPH, read_rows(tmp_path / name), "table")
        plans.append({job.name: job.graph for job in jobs})
    assert plans[0] == plans[1] == plans[2]
    assert list(plans[0]) == ["a-1", "a-2", "a-3", "b-4", "b-5"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.txt", "x"),
        ("t.csv", "name,noise.seed\na\n"),
        ("t.csv", "name\na,1\n"),
        ("t.jsonl", "{"),
        ("t.jsonl", "[1]"),
        ("t.yaml", "a: 1"),
        ("t.yaml", "- !!python/object/apply:os.getcwd []"),
        ("t.yaml", "- {1: 2}"),
    ],
)
def test_a_broken_table_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(PlanError):
        read_rows(tmp_path / name)


def test_no_two_jobs_share_a_result():
    jobs = {"a": [".png"], "a-1": [".png"], "b": [".png", ".png"], "b-1": [".mp4"]}
    paths = [
        path
        for name, endings in jobs.items()
        for _, path in result_paths(name, [SavedFile(f"x{end}", "", "output") for end in endings])
    ]
    assert paths == ["a.png", "a-1.png", "b/1.png", "b/2.png", "b-1.mp4"]


def job(name="one", seed=0):
    template = Template({"6": {"inputs": {"seed": 0}}}, ["seed"], [("6", "seed")])
    return Job(name=name, folder="b", template=template, values=(seed,))


def test_a_manifest_is_of_one_process_at_a_time(tmp_path):
    with (
        Manifest(tmp_path / "m"),
        pytest.raises(PlanError, match="another batch is at work"),
        Manifest(tmp_path / "m"),
    ):
        pass


def test_a_job_that_was_begun_cannot_change_and_one_that_waits_can(tmp_path):
    with Manifest(tmp_path / "m") as manifest:
        manifest.add([job(seed=1)])
        manifest.add([job(seed=2)])
        manifest.sent("one", "id")
        manifest.add([job(seed=2)])
        with pytest.raises(PlanError, match="use another --out"):
            manifest.add([job("two"), job(seed=3)])
        assert list(manifest.entries()) == ["one"]


def test_adding_the_jobs_again_changes_nothing(tmp_path):
    with Manifest(tmp_path / "m") as manifest:
        manifest.add([job("one"), job("two")])
        manifest.done("one", ["one.png"], 1.5)
        before = manifest.entries()
        manifest.add([job("one"), job("two")])
        assert manifest.entries() == before


def test_what_was_recorded_before_a_kill_is_known_after_it(tmp_path):
    with Manifest(tmp_path / "m") as manifest:
        client = manifest.client()
        manifest.add([job()])
        manifest.sent("one", "id")
        copy = {path.name: path.read_bytes() for path in tmp_path.glob("m*")}  # as the disk has it
    for name, content in copy.items():
        (tmp_path / f"killed-{name}").write_bytes(content)
    with Manifest(tmp_path / "killed-m") as manifest:
        assert manifest.client() == client
        assert manifest.entry("one").prompt == "id"


def test_a_job_lost_in_the_queue_waits_again_and_one_that_ends_the_server_does_not(tmp_path):
    with Manifest(tmp_path / "m") as manifest:
        manifest.add([job("queued"), job("deadly")])
        for _ in range(MAX_DEATHS):
            for name in ("queued", "deadly"):
                manifest.sent(name, "id")
            manifest.running("deadly")
            for name in ("queued", "deadly"):
                manifest.lost(name)
        states = {name: entry.state for name, entry in manifest.entries().items()}
        assert states == {"queued": "waiting", "deadly": "failed"}
        manifest.forgive()
        assert manifest.entry("deadly").state == "waiting"


def test_a_result_that_was_taken_away_runs_anew(tmp_path):
    with Manifest(tmp_path / "m") as manifest:
        manifest.add([job("there"), job("gone")])
        for name in ("there", "gone"):
            manifest.done(name, [f"{name}.png"], None)
        (tmp_path / "there.png").touch()
        manifest.forget_missing(tmp_path)
        states = {name: entry.state for name, entry in manifest.entries().items()}
        assert states == {"there": "done", "gone": "waiting"}


def test_a_manifest_of_another_format_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "m") as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(PlanError, match="format 99"), Manifest(tmp_path / "m"):
        pass


def test_a_dry_run_shows_every_job_and_writes_nothing(tmp_path):
    (tmp_path / "g.json").write_text(json.dumps(GRAPH))
    (tmp_path / "t.csv").write_text("name,noise.seed\nball,1..3\n")
    done = command(tmp_path, "g.json", "t.csv", "--dry-run")
    assert done.returncode == 0
    assert all(f"ball-{seed}" in done.stdout for seed in (1, 2, 3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.json", "t.csv"]


@pytest.mark.parametrize(
    ("table", "flags", "code", "expected"),
    [
        ("name,noise.sed\na,1\n", [], 2, "has no input 'sed'"),
        ("name\na\n", ["--out=memory://x"], 2, "needs --ray"),
        ("name\na\n", ["--server=http://127.0.0.1:9", "--wait=0"], 3, "does not answer"),
    ],
)
def test_the_exit_code_and_one_sentence_name_what_is_wrong(tmp_path, table, flags, code, expected):
    (tmp_path / "g.json").write_text(json.dumps(GRAPH))
    (tmp_path / "t.csv").write_text(table)
    done = command(tmp_path, "g.json", "t.csv", *flags)
    assert done.returncode == code
    assert expected in done.stdout
    assert "Traceback" not in done.stdout


def command(folder, *arguments):
    whole = [sys.executable, "-m", "tools.batch", *arguments]
    places = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(whole, cwd=folder, capture_output=True, text=True, env=places)
