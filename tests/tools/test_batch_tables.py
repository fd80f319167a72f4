"""Tables as spreadsheets write them are read, and tables that are bombs end in a sentence."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hostile.tables import LOST, PLANNED, SENTENCE, trial
from tools.batch.jobs import plan
from tools.batch.names import MAX_NAME_BYTES, check_name, folder_name
from tools.batch.rows import read_rows
from tools.batch.text import printable
from tools.batch.workflow import PlanError, read_workflow
from tools.host import ROOT

GRAPH = {
    "2": {"class_type": "Encode", "inputs": {"text": "a ball"}, "_meta": {"title": "Prompt"}},
    "6": {"class_type": "Noise", "inputs": {"seed": 0, "scale": 1.0, "fixed": True}},
    "9": {"class_type": "Save", "inputs": {"filename_prefix": "x"}},
}
TABLE = "name,Prompt.text,noise.seed\nböl,赤いボール,7\n"
JOBS = [("böl", {"Prompt.text": "赤いボール", "noise.seed": 7})]

SECONDS, MEGABYTES = 5, 300  # of processor time and memory, for a plan of 100,000 jobs


def planned(path, encoding=None):
    return [(job.name, job.settings) for job in plan(GRAPH, read_rows(path, encoding), "t")]


def aliases(levels):
    lists = "".join(f", &a{at} [{','.join([f'*a{at - 1}'] * 10)}]" for at in range(1, levels))
    return f"- noise.seed: [[&a0 [1,1,1,1,1,1,1,1,1,1]{lists}]]\n"


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        b"\xfe\xff" + TABLE.encode("utf-16-be"),
        TABLE.replace(",", ";").encode(),
        TABLE.replace(",", "\t").encode("utf-16"),
        ("sep=;\n" + TABLE.replace(",", ";")).encode("utf-8-sig"),
        ("sep=,\r\n" + TABLE).replace("\n", "\r\n").encode(),
        ('"sep=;"\n' + TABLE.replace(",", ";")).encode(),
        TABLE.replace("\n", ",,\n").encode(),
        (TABLE + ",,\n\n").encode(),
        TABLE.replace("\n", "\r\n").encode(),
    ],
)
def test_a_csv_as_spreadsheets_write_it_is_read(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    assert planned(tmp_path / "t.csv") == JOBS


@pytest.mark.parametrize(
    ("text", "encoding"), [("球", "gbk"), ("ボール", "cp932"), ("Fuß", "cp1252"), ("мяч", "cp1251")]
)
def test_a_code_page_is_asked_for_and_read_when_it_is_named(tmp_path, text, encoding):
    path = tmp_path / "t.csv"
    path.write_bytes(f"Prompt.text\n{text}\n".encode(encoding))
    with pytest.raises(PlanError, match=r"save it as 'CSV UTF-8'.*--encoding"):
        read_rows(path)
    assert [row["Prompt.text"] for row in read_rows(path, encoding)] == [text]


def test_a_separator_inside_quotes_separates_nothing(tmp_path):
    (tmp_path / "t.csv").write_text('name;"a, b, c, d"\nx;"1;2"\n')
    assert read_rows(tmp_path / "t.csv") == [{"name": "x", "a, b, c, d": "1;2"}]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("t.csv", "noise.seed,noise.seed\n1,2\n", "is there twice"),
        ("t.csv", "noise.seed,,name\n1,2,a\n", "column 2 has no name"),
        ("t.csv", "sep=|\nname|x\n", "separates no columns"),
        ("t.csv", "name\n\0\n", "NUL"),
        ("t.csv", "noise.seed\n" + "9" * 5000 + "\n", "takes a"),
        ("t.csv", "noise.seed\n1.." + "9" * 5000 + "\n", "takes a"),
        ("t.csv", "noise.seed\n18446744073709551616\n", "2\\^64 - 1"),
        ("t.csv", "noise.scale\n0..1 by 0." + "0" * 20 + "1\n", "more than 100000 values"),
        ("t.csv", "noise.scale\n0..1 by 0." + "0" * 5000 + "1\n", "takes a"),
        ("t.csv", "noise.scale\n\"0,5\"\n", "decimal point"),
        ("t.csv", "noise.seed\n" + "[" * 100_000 + "\n", "takes a"),
        ("t.csv", "name\n" + "x" * 200_000 + "\n", "field larger"),
        ("t.jsonl", '{"noise.seed": 1, "noise.seed": 2}\n', "given twice"),
        ("t.jsonl", '{"noise.seed": ' + "9" * 5000 + "}\n", "digits"),
        ("t.jsonl", '{"noise.seed": 1e999}\n', "takes a number"),
        ("t.jsonl", '{"Prompt.text": "\\ud800"}\n', "half a character"),
        ("t.jsonl", "[" * 100_000, "nested"),
        ("t.jsonl", '{"noise.seed": ' + "[" * 70 + "]" * 70 + "}", "nested"),
        ("t.yaml", "- noise.seed: 1\n  noise.seed: 2\n", "given twice"),
        ("t.yaml", "- noise.seed: 1:30\n", "takes a number"),
        ("t.yaml", "- noise.fixed: yes\n", "true or false"),
        ("t.yaml", "- noise.seed: .nan\n", "takes a number"),
        ("t.yaml", "- noise.seed: " + "9" * 5000, "digits"),
        ("t.yaml", "- noise.seed: " + "[" * 100_000, "nest"),
        ("t.yaml", "- " * 100_000, "nested"),
        ("t.yaml", "- &a [*a]\n", "not set"),
        ("t.yaml", "- !!python/object/apply:os.getcwd []\n", "tag"),
        ("t.yaml", "- {a: 1}\n--- \n- {a: 1}\n", "second YAML document"),
        ("t.yaml", "- 1: 2\n", "does not name an input"),
        ("t.yaml", aliases(5), "takes a number|aliases repeat"),
        ("t.yaml", aliases(9), "takes a number|aliases repeat"),
        ("t.csv", 'Prompt.text\x1b[2J\x07\na\n', "has no input"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_meant_ends_in_a_short_sentence(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    began = time.process_time()
    with pytest.raises(PlanError, match=expected) as found:
        planned(tmp_path / name)
    assert str(found.value) == printable(str(found.value), 400)
    assert time.process_time() - began < 3


def test_yaml_words_are_those_of_yaml_1_2(tmp_path):
    (tmp_path / "t.yaml").write_text("- {name: on, Prompt.text: no, noise.seed: 010}\n")
    assert planned(tmp_path / "t.yaml") == [("on", {"Prompt.text": "no", "noise.seed": 10})]


def test_aliases_that_repeat_little_are_read(tmp_path):
    text = "- {name: a, Prompt.text: &p [x, y]}\n- {name: b, Prompt.text: *p}\n"
    (tmp_path / "t.yaml").write_text(text)
    assert [name for name, _ in planned(tmp_path / "t.yaml")] == ["a-x", "a-y", "b-x", "b-y"]


@pytest.mark.parametrize(
    "name", ["con", "AUX", "nul", "prn", "com1", "LPT9", "com\u00b9", "a.b", "a/b", "a\n", " a", ""]
)
def test_a_name_that_is_no_file_name_somewhere_is_refused(name):
    with pytest.raises(PlanError, match="name"):
        check_name(name)


@pytest.mark.parametrize("letter", ["a", "ü", "気", "\U00020000"])
def test_names_are_counted_in_bytes(tmp_path, letter):
    longest = letter * (MAX_NAME_BYTES // len(letter.encode()))
    with pytest.raises(PlanError, match="bytes"):
        check_name(longest + letter)
    rows = [{"name": longest, "Prompt.text": [letter * 400, letter * 401]}]
    for job in plan(GRAPH, rows, "t"):
        (tmp_path / f"{job.name}_00001_.safetensors").touch()
    assert len(folder_name(letter * 400).encode()) <= MAX_NAME_BYTES


def test_names_that_some_disk_takes_for_one_are_refused():
    with pytest.raises(PlanError, match="already the name of row 1"):
        plan(GRAPH, [{"name": "b\u00f6l"}, {"name": "BO\u0308L"}], "t")


def test_a_workflow_is_read_with_a_byte_order_mark_and_not_with_a_node_twice(tmp_path):
    path = tmp_path / "w.json"
    path.write_text(json.dumps(GRAPH), encoding="utf-8-sig")
    assert read_workflow(path) == GRAPH
    for text in ('{"1": {}, "1": {}}', "[" * 100_000, "{", "", '{"1": {"class_type": "A"}}'):
        path.write_text(text)
        with pytest.raises(PlanError, match=r"w\.json is not"):
            read_workflow(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_table_that_is_no_ordinary_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    for path in (tmp_path / "t.csv", tmp_path / "none.csv", tmp_path):
        with pytest.raises(PlanError):
            read_rows(path.with_suffix(".csv"))


ROWS = {
    "rows.csv": lambda at: f"job{at},a red ball number {at},{at}\n",
    "rows.jsonl": lambda at: f'{{"name": "job{at}", "Prompt.text": "ball {at}"}}\n',
    "rows.yaml": lambda at: f"- name: job{at}\n  noise.seed: {at}\n",
    "product.yaml": lambda at: "" if at else "- {Prompt.text: [a, b], noise.seed: 1..50000}\n",
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("table", ROWS)
def test_100_000_jobs_are_planned_in_little_time_and_memory(tmp_path, table):
    header = "name,Prompt.text,noise.seed\n" if table.endswith(".csv") else ""
    (tmp_path / table).write_text(header + "".join(map(ROWS[table], range(100_000))))
    (tmp_path / "w.json").write_text(json.dumps(GRAPH))
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tools.batch.__main__ import main\n"
        "sys.argv = ['batch', 'w.json', sys.argv[1], '--dry-run']\n"
        "code = main()\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "(line,) = (li for li in Path('/proc/self/status').open() if 'VmHWM' in li)\n"
        "print('USED', used.ru_utime + used.ru_stime, int(line.split()[1]) / 1024)\n"
        "sys.exit(code)\n"
    )
    places = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, table]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=places)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100000 jobs" in done.stdout and len(done.stdout) < 10_000
    seconds, megabytes = map(float, done.stdout.split("USED")[1].split())
    print(f"{table}: 100,000 jobs planned in {seconds:.1f} s of processor time, {megabytes:.0f} MB")
    assert seconds < SECONDS and megabytes < MEGABYTES


def test_planning_tells_how_far_it_is():
    shares = []
    plan(GRAPH, [{"noise.seed": "1..5000"}], "t", shares.append)
    plan(GRAPH, [{"name": f"j{at}"} for at in range(3000)], "t", shares.append)
    assert shares == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1 / 3, 2 / 3, 1.0])


def test_damaged_tables_are_not_lost():
    """10,000 by `python -m tests.hostile.tables`; here a few of each kind."""
    totals = trial(300, seed=1)
    print(f"damaged tables: {dict(totals)}")
    assert totals[LOST] == 0
    assert min(totals[PLANNED], totals[SENTENCE]) >= 10
