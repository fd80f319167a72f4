"""Public validators find nothing in the pack and its workflows, offline, or it is explained here.

`comfy-test` 0.4 runs as far as it reads source: its levels for the page's scripts and for syntax.
Its coverage knows no V3 entry point (tests/tools/test_readme.py and tests/host look at every
workflow), and its other levels fetch a ComfyUI and a Python of their own from the network.
`comfy node validate` is ruff S102, S307 and E702, which tests/hostile/test_scanner.py runs on the
same archive.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.host import ROOT, bring_host
from tools.host_models import NEEDS_NEWER
from tools.published import unpack

pytestmark = pytest.mark.host

TOOLS = Path(sys.executable).parent

SAFE = {  # words that nodesafe looks for, and what they are part of here
    "compile(": r"\b(re|block)\.compile\(",
    "eval(": r"\.eval\(\)",  # torch's, without an argument
    "ord(": r"\w+ord\(",
    "zlib.decompress": r"zlib\.decompressobj\(\)",  # a list of words, and no more of it than fits
}
FIELDS = "fields of our own dataclasses, by their own names"
LISTED = "attributes that a constant beside it lists"
DYNAMIC = {  # where `getattr` takes a variable, and which names it can hold: never a user's
    "nodes/host/vae/wan_streaming.py": "two layers of a host's VAE, named in the same line",
    "nodes/host/media.py": "two methods, listed in the line above",
    "nodes/host/resume/fingerprint.py": LISTED,
    "nodes/host/guidance/segment_context.py": FIELDS,
    "sora_core/canvas/canvas.py": FIELDS,
    "sora_core/resume/fingerprint.py": FIELDS,
    "sora_core/cli/measure.py": "arguments of the command, listed in the line above",
    "sora_core/models/autoencoder.py": FIELDS,
    "sora_core/models/dit.py": FIELDS,
    "sora_core/models/precision.py": LISTED,
    "sora_core/prompts/caption.py": FIELDS,
    "sora_core/prompts/check.py": FIELDS,
    "sora_core/prompts/expansion.py": FIELDS,
    "sora_core/prompts/parse.py": LISTED,
    "sora_core/sampling/segments.py": FIELDS,
    "sora_core/cli/train_own.py": "arguments of the command, listed in the line above",
    "sora_core/training/memory_plan.py": FIELDS,
    "sora_core/training/trainer.py": FIELDS,
    "sora_core/training/own/build.py": LISTED,
    "sora_core/training/own/settings.py": FIELDS,
    "sora_core/cli/train.py": "the two parts of a recipe",
    "sora_core/world/scene.py": FIELDS,
    "sora_core/world/town/draw.py": FIELDS,
    "sora_core/world/town/facts.py": "fields of a scene, by what a fact is about",
    "sora_core/__init__.py": "public names, listed above",
    "sora_core/training/warm_start.py": LISTED,
    "sora_core/training/scene_reader.py": FIELDS,
    "sora_core/measure/world/observe.py": FIELDS,
    "sora_core/measure/world/permanence.py": "two fields, named in the same line",
}
LONGEST_WORD = 24  # of a sentence; code in disguise has no spaces
OWN_LAYERS = {  # comfy-test wants the host's layers, and no autocast: not where no host is
    "sora_core/training/": "trains, without a host",
    "sora_core/measure/": "measures, without a host",
    "sora_core/models/attribute_classifier.py": "reads clips for the measures alone",
    "sora_core/models/scene_reader.py": "reads clips for the measures alone",
    "sora_core/models/captioner.py": "a small model, which runs where it is loaded",
    "sora_core/models/text_encoder.py": "half precision on request, for training",
}
MATCHED = "COMFY_MATCHTYPE_V3"
LOADERS = {
    "UNETLoader",
    "CLIPLoader",
    "DualCLIPLoader",
    "VAELoader",
    "LoraLoaderModelOnly",
    "CLIPVisionLoader",
    "CheckpointLoaderSimple",
    "LTXAVTextEncoderLoader",
    "LTXVAudioVAELoader",
}
OPTIONAL = {  # names of newer hosts, each asked for with another to fall back on
    "comfy.model_management.archive_model_dtypes",
    "comfy.model_patcher.CoreModelPatcher",
    "comfy.model_sampling.V_PREDICTION_DDPM",
}


def run(tool, *arguments):
    return subprocess.run([TOOLS / tool, *arguments], capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The pack as the Registry would unpack it, in a `custom_nodes` of its own."""
    return unpack(tmp_path_factory.mktemp("comfy") / "custom_nodes" / "sora_nodes")


def lint(server, *workflows):
    done = run("comfy-lint", f"--server={server.client.url}", "--strict", "--json", *workflows)
    return [found for file in json.loads(done.stdout)["files"] for found in file["diagnostics"]]


def overlaps(found):
    """Whether a mismatch is none: comfy-lint takes `VIDEO,IMAGE` for one type, ComfyUI for two.

    It knows no `io.MatchType` either, which newer ComfyUIs link to any type of its template.
    """
    types = re.search(r"expects (\S+) but .* produces (\S+)", found["message"])
    if not types:
        return False
    expected, produced = (set(types[i].split(",")) for i in (1, 2))
    return MATCHED in expected | produced or not expected.isdisjoint(produced)


def is_downloaded(found):
    """Whether it misses the weights of a host's own model, which its user downloads."""
    return found["rule"] == "invalid-enum" and found["class_type"] in LOADERS


def runs_here(path, known):
    """Whether this ComfyUI has the nodes of a workflow that needs a newer one than the pinned."""
    graph = json.loads(path.read_text("utf-8"))
    return path.stem not in NEEDS_NEWER or {one["class_type"] for one in graph.values()} <= known


def test_comfy_lint_finds_nothing_in_any_workflow(server):
    known = set(server.client.nodes())
    found = sorted(ROOT.glob("workflows/api/*.json"))
    workflows = [path for path in found if runs_here(path, known)]
    hosts = [path for path in workflows if path.name.startswith("host_")]
    ours = [path for path in workflows if path not in hosts]
    assert ours and hosts
    found = lint(server, *ours) + [one for one in lint(server, *hosts) if not is_downloaded(one)]
    left = [one for one in found if not (one["rule"] == "type-mismatch" and overlaps(one))]
    print(f"comfy-lint {len(workflows)} workflows, {len(found)} findings, {len(left)} unexplained")
    assert left == []


def test_comfy_lint_is_able_to_find_something(server, tmp_path):
    graph = json.loads((ROOT / "workflows" / "api" / "text_to_video.json").read_text("utf-8"))
    graph["1"]["class_type"] = "SoraNothing"
    (tmp_path / "bad.json").write_text(json.dumps(graph))
    assert "unknown-node" in {one["rule"] for one in lint(server, tmp_path / "bad.json")}


def nodesafe(folder):
    done = run("nodesafe", "scan", "--format=json", folder)
    return json.loads(done.stdout)["findings"]


def explained(finding, folder):
    title, source = finding["title"], (folder / finding["file"]).read_text("utf-8")
    line = source.splitlines()[finding["line"] - 1]
    if finding["file"] == "pyproject.toml":
        return re.fullmatch(r'"[\w.]+"\.msg = "no .*"', line)  # ruff's list of what is banned
    if pattern := re.search("pattern `(.*)`", title):
        return pattern[1] in SAFE and pattern[1] not in re.sub(SAFE[pattern[1]], "", line)
    if "Dynamic `getattr`" in title:
        return finding["file"] in DYNAMIC
    if "high-entropy literal" in title:
        return all(map(is_prose, literals(source, finding["line"])))
    return bool(re.search(r"suspicious identifier '_\w{0,4}'$", title))


def literals(source, line):
    """The texts that begin in a line."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    found = [node.value for node in nodes if node.lineno == line and isinstance(node.value, str)]
    assert found, f"no text begins in line {line}"
    return found


def is_prose(text):
    return max(map(len, re.split(r"[\s|]+", text))) <= LONGEST_WORD


def test_nodesafe_finds_nothing_that_is_not_explained(published):
    found = nodesafe(published)
    open_ones = [f for f in found if not explained(f, published)]
    print(f"nodesafe {len(found)} findings by pattern, {len(open_ones)} not explained")
    assert [f"{f['file']}:{f['line']} {f['title']}" for f in open_ones] == []


@pytest.mark.parametrize(
    "source",
    [
        "import base64\nexec(base64.b64decode('cHJpbnQ='))\n",
        "model = load().eval()\nanswer = [model.eval(), eval(model)]\n",
        "import os\nanswer = getattr(os, name)\n",
        "answer = 'aGVsbG8gd29ybGQgdGhpcyBpcyBhIGxvbmcgc2VjcmV0IHBheWxvYWQhIQ9Zk2Qx'\n",
    ],
    ids=["exec", "eval", "getattr", "payload"],
)
def test_nodesafe_is_able_to_find_something(tmp_path, source):
    (tmp_path / "__init__.py").write_text(source)
    assert [finding for finding in nodesafe(tmp_path) if not explained(finding, tmp_path)]


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A folder with a repository of the pinned ComfyUI, as comfy-import-guard wants it."""
    folder = tmp_path_factory.mktemp("guard")
    tree = folder / "ComfyUI"
    for file in bring_host().rglob("*.py"):
        place = tree / file.relative_to(bring_host())
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    author = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    commit = [*author, "commit", "--quiet", "-m", "pinned"]
    for command in (["init", "--quiet"], ["add", "--all", "--force"], commit):
        subprocess.run(["git", *command], cwd=tree, check=True)
    return folder


def guard(history, pack):
    chosen = ["--offline", "--json", f"--cache-dir={history}", "check", "--target=HEAD"]
    done = run("comfy-import-guard", *chosen, f"--comfy-dir={pack.parents[1]}")
    (found,) = json.loads(done.stdout)["packs"]
    return found


def test_every_name_that_the_pack_takes_from_comfyui_is_there(history, published):
    found = guard(history, published)
    missing = {name["dotted"] for name in found["breaking"] if name["kind"] == "getattr"}
    print(f"comfy-import-guard {found['references']} names, {len(missing)} of newer hosts only")
    assert found["references"] > 0
    assert [name for name in found["breaking"] if name["dotted"] not in OPTIONAL] == []
    assert (found["soft"], found["unresolvable"], found["signature_drift"]) == ([], [], [])
    assert missing <= OPTIONAL


def test_comfy_import_guard_is_able_to_find_something(history, tmp_path):
    pack = tmp_path / "custom_nodes" / "bad"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text("from comfy.utils import nothing_of_the_kind\n")
    assert guard(history, pack)["breaking"]


def lint_source(pack, check):
    """The findings of comfy-test at a level, by file."""
    done = run("comfy-test", "lint", f"--check={check}", "--json", pack)
    (level,) = json.loads(done.stdout)["results"].values()
    parts = re.split(r"^(\S+):\n", level.get("details") or "", flags=re.MULTILINE)
    assert level["passed"] or parts
    return dict(zip(parts[1::2], map(str.splitlines, parts[2::2]), strict=True)) or level


def test_comfy_test_finds_nothing_in_the_source_that_is_not_explained(published):
    found = lint_source(published, "syntax")
    left = [file for file in found if not file.startswith(tuple(OWN_LAYERS))]
    print(f"comfy-test syntax {len(found)} files with layers of their own, {len(left)} unexplained")
    assert left == []


def test_comfy_test_finds_nothing_in_the_scripts_of_the_page(published):
    assert lint_source(published, "javascript")["passed"]


def test_comfy_test_is_able_to_find_something(published, tmp_path):
    pack = tmp_path / "sora_nodes"
    shutil.copytree(published, pack)
    (pack / "nodes" / "bad.py").write_text("layer = nn.Linear(1, 1)\n")
    page = pack / "web" / "sora.js"
    page.write_text(page.read_text("utf-8").replace("soranodes.", "Another."))
    assert "nodes/bad.py" in lint_source(pack, "syntax")
    assert not lint_source(pack, "javascript")["passed"]
