"""The front page is short, its pictures exist, and programs accept each command of it and of docs.

Here the words of a command go through the program's own parser. What the commands do is tested by
tests/host/test_demo.py, test_batch.py and test_batch_cluster.py, by tests/core/cli/test_generate.py
and by the tests of training and measuring.
"""

import importlib.util
import re
import shlex
from types import SimpleNamespace

import pytest

import sora_core.__main__ as core
from tools import (
    beside,
    caption,
    caption_endpoint,
    paper_options,
    real_clips,
    run,
    scaling,
    seam_ablation,
    step_loss,
)
from tools.batch import command as batch
from tools.batch.jobs import plan, read_rows
from tools.batch.workflow import read_workflow
from tools.bench import __main__ as bench
from tools.host import ROOT
from tools.host_wan import __main__ as host_wan

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*.md"))
}
PAGE = PAGES["README.md"]
WITH_COMMANDS = PAGES.keys() - {"CHANGELOG.md", "SECURITY.md"}  # these name programs alone


def commands(page):
    """The shell lines of a page, and the Python commands within its sentences."""
    fenced = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    return [
        *(line for block in fenced for line in block.replace("\\\n", "").splitlines()),
        *re.findall(r"`(python3? [^`]+)`", page),
    ]


COMMANDS = sorted({line for name in WITH_COMMANDS for line in commands(PAGES[name])})
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def take(line, monkeypatch):
    """Passes the words of a command to its parser; SystemExit if it refuses them."""
    line = line.replace(".venv/bin/python ", "python ")
    arguments = []

    def parts(name):
        return SimpleNamespace(add_arguments=real(name).add_arguments, run=arguments.append)

    real = core.command
    monkeypatch.setattr(core, "command", parts)
    match shlex.split(line):
        case ["python" | "python3", "tools/run.py", *words]:
            run.parse(words)
        case ["python", "-m", "tools.batch", *words]:
            batch.parse(words)
        case ["python", "tools/caption.py", *words]:
            caption.parse(words)
        case ["python", "-m", "sora_core", *words]:
            assert core.main(words) == 0 and arguments
        case ["torchrun", "--nproc-per-node", _, "-m", "sora_core", *words]:
            assert core.main(words) == 0 and arguments
        case ["python", "-m", "tools.beside", *words]:
            beside.parse(words)
        case ["python", "-m", "tools.bench", *words]:
            bench.parse(words)
        case ["python", "-m", "tools.host_wan", *words]:
            host_wan.parse(words)
        case ["python", "-m", "tools.seam_ablation", *words]:
            seam_ablation.parse(words)
        case ["python", "-m", "tools.step_loss", *words]:
            step_loss.parse(words)
        case ["python", "-m", "tools.paper_options", *words]:
            paper_options.parse([word.replace("M", "1") for word in words])
        case ["python", "-m", "tools.scaling", *words]:
            scaling.parse([word.replace("M", "1") for word in words])
        case ["python", "-m", "tools.real_clips", *words]:
            real_clips.parse(words)
        case ["python", "-m", "tools.caption_endpoint", *words]:
            caption_endpoint.parse(words)
        case ["python", "-m", "pytest", *paths]:
            assert all(any(ROOT.glob(path)) for path in paths)
        case ["python", "-m", "pip", "install", "-r", path]:
            assert (ROOT / path).is_file()
        case ["python", "-m", "pip", "install", "."]:
            assert "[build-system]" in PROJECT
        case ["python", "-m", "tools.golden", "record" | "check"]:
            pass
        case ["python", "-m", "tools.lock", *words]:
            assert words in ([], ["--upgrade"])
        case ["python", file, *words] if words in ([], ["record"]):
            assert (ROOT / file).is_file()
        case ["python", "-m", module]:
            assert importlib.util.find_spec(module)
        case ["git", "clone", address, _]:
            assert f'\nRepository = "{address}"\n' in PROJECT
        case ["comfy", "node", "install", name]:
            assert f'\nname = "{name}"\n' in PROJECT
        case _:
            raise AssertionError(f"no test reads {line!r}")


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_its_program_takes(line, monkeypatch):
    take(line, monkeypatch)


@pytest.mark.parametrize(
    "line",
    [
        "python3 tools/run.py demo --colour red",
        "python -m tools.batch workflow.json",
        "python -m tools.beside ComfyUI-KJNodes",
        "python -m sora_core paint a ball",
        "python -m sora_core generate a ball --size big",
        "python -m pip install -r nothing.txt",
        "python -m tools.nothing",
        "rm -r ComfyUI",
    ],
)
def test_a_command_that_does_not_exist_is_found(line, monkeypatch):
    with pytest.raises((SystemExit, AssertionError)):
        take(line, monkeypatch)


def test_the_page_is_short_and_has_the_two_commands():
    assert len(PAGE.splitlines()) < 150
    first = {line.split()[2] for line in commands(PAGE) if "tools/run.py" in line}
    assert {"demo", "test"} <= first


@pytest.mark.parametrize("name", PAGES)
def test_everything_a_page_links_to_exists(name):
    places = [place.partition("#")[0] for place in re.findall(r"\]\(([^)]+)\)", PAGES[name])]
    here = [place for place in places if place and "://" not in place]
    assert name != "README.md" or len(here) > 20
    assert [place for place in here if not ((ROOT / name).parent / place).is_file()] == []


def test_every_workflow_is_in_the_gallery():
    names = sorted(path.stem for path in ROOT.glob("workflows/api/*.json"))
    others = [name for name in names if name.startswith("host_")]
    entries = [f"![](docs/workflows/{name}.jpg) `sora_{name}`: " for name in names]
    assert names and others
    assert [one for one in entries if "host_" not in one and one not in PAGE] == []
    entries = [f"![](workflows/{name}.jpg) `sora_{name}`: " for name in others]
    assert [one for one in entries if one not in PAGES["docs/other_models.md"]] == []


def test_the_table_of_jobs_is_a_plan_of_the_workflow_beside_it(tmp_path):
    page = PAGES["docs/batch.md"]
    (command,) = (line for line in commands(page) if "--server" in line)
    workflow, table = shlex.split(command)[3:5]
    (rows,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / table).write_text(rows)
    assert len(plan(read_workflow(ROOT / workflow), read_rows(tmp_path / table), "t")) == 2 * 4 + 3
