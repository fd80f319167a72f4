"""Wrong, missing, tiny and huge inputs as a user meets them: one sentence on the node.

All of them take a quarter of an hour, with `--every-mistake`; else of each kind one at each node.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.visit import (
    POLL_MS,
    close_dialog,
    keep_picture,
    press_run,
    read_dialog,
    run,
    show,
    type_into,
)
from tests.support.smallest import CONTRACT, inputs, required, smallest, sockets
from tests.support.tiny import write_tiny
from tools.client import Client
from tools.graph import Graph, completed
from tools.host import Server

pytestmark = pytest.mark.browser

NODE = "1"
LONGEST = 200  # letters of a sentence
OURS = "sora_core.errors."  # in the type of an error of the pack

BEYOND = {"tiny": "-" + "9" * 12, "huge": "9" * 30}
TEXTS = {
    "empty": "",
    "endless": "a red ball " * 9091,  # 100,000 letters
    "hostile": "\x07\u202e\ufffe ((((x:9) \\ ../../etc/passwd <img src=x onerror=alert(1)> {a|{b",
}
FILES = ("missing", "nothing", "prose", "half")
OTHERS = {  # what fits a socket and is of another kind: its type, the node, its widgets
    "latent of an image": ("LATENT", "EmptyLatentImage", {"width": 64, "height": 64}),
    "latent of another model": ("LATENT", "EmptyHunyuanLatentVideo", {"width": 64, "height": 64}),
    "latent of sound": ("LATENT", "EmptyLatentAudio", {}),
    "VAE of images": ("VAE", "VAELoader", {"vae_name": "pixel_space"}),
    "no noise": ("NOISE", "DisableNoise", {}),
    "mask of one pixel": ("MASK", "SolidMask", {"width": 1, "height": 1}),
    "sound of no length": ("AUDIO", "EmptyAudio", {"duration": 0.0}),
}
KINDS = (BEYOND, TEXTS, FILES, OTHERS)

Case = tuple[str, str, str]
"""A node, what is wrong, and the input where it is."""

HOURS = ("SoraTrain", "steps"), ("SoraTrain", "batch")
"""Numbers of which the largest that a node takes is hours of work, and no mistake."""

CASES: list[Case] = [
    *((kind, "unconnected", "") for kind in CONTRACT if required(kind)),
    *(
        (kind, end, name)
        for kind in CONTRACT
        for name in inputs(kind, "INT", "FLOAT")
        for end in ("tiny", "huge")
        if end == "tiny" or (kind, name) not in HOURS
    ),
    *((kind, text, name) for kind in CONTRACT for name in inputs(kind, "STRING") for text in TEXTS),
    *((kind, "no choice", name) for kind in CONTRACT for name in inputs(kind, "COMBO")),
    *((kind, file, name) for kind in CONTRACT for name in sockets(kind, "VIDEO") for file in FILES),
    *(("SoraLoadModel", file, "model") for file in FILES),
    *(
        (kind, other, name)
        for other, (one, *_) in OTHERS.items()
        for kind in CONTRACT
        for name in sockets(kind, one)
    ),
]

TEXT = """() => {
    const framed = app.graph.nodes.filter(node =>
        ['nodeError', 'executionError'].some(frame => node.strokeStyles[frame].call(node)))
    const nodes = framed.map(node => String(node.id))
    const refused = Object.values(app.lastNodeErrors ?? {}).flatMap(({errors}) => errors)
    if (refused.length) {
        const texts = refused.map(({message, details}) => `${message}: ${details}`)
        return {ended: 'refused', nodes, texts, kind: ''}
    }
    if (!window.outcome) return null
    const [ended, {exception_message: text, exception_type: kind}] = window.outcome
    return {ended, nodes, texts: text ? [text.trim()] : [], kind}
}"""


@pytest.fixture(scope="module")
def known(server: Server) -> Iterator[dict[str, dict[str, Any]]]:
    """The server's definitions of its nodes, while bad files lie beside the good ones."""
    models, footage = server.base / "models" / "diffusion_models", server.base / "input"
    spoiled = []
    for good in (write_tiny(models), footage / "sora_cube.mp4"):
        content = good.read_bytes()
        bad = {"nothing": b"", "prose": b"Once. " * 999, "half": content[: len(content) // 2]}
        for name, held in bad.items():
            spoiled.append(good.with_stem(name))
            spoiled[-1].write_bytes(held)
    yield Client(server.client.url).nodes()
    for file in spoiled:
        file.unlink()  # the server is everybody's


@pytest.fixture(scope="module")
def tally() -> Counter[str]:
    """What became of the mistakes."""
    return Counter()


def mistaken(case: Case) -> tuple[Graph, list[str]]:
    """A graph with what is wrong in its wires, files and choices; and the nodes to be blamed."""
    kind, wrong, name = case
    graph, blamed = smallest(kind), [NODE]
    arguments = graph[NODE]["inputs"]
    if wrong == "unconnected":
        for socket in required(kind):
            del arguments[socket]
    elif wrong == "no choice":
        arguments[name] = "no such thing"
    elif wrong in OTHERS:
        _, source, widgets = OTHERS[wrong]
        arguments[name] = [str(len(graph) + 1), 0]
        graph[arguments[name][0]] = {"class_type": source, "inputs": dict(widgets)}
    elif wrong in FILES and kind == "SoraLoadModel":
        arguments[name] = f"{wrong}.safetensors"
    elif wrong in FILES:
        loader, _ = arguments[name]
        graph[loader]["inputs"]["file"] = f"{wrong}.mp4"
        blamed.append(loader)
    return graph, blamed


def some(cases: list[Case]) -> list[Case]:
    """Of each kind of mistake at each node one; which one, differs from node to node."""
    places: dict[str, list[Case]] = {}
    for case in cases:
        node, wrong, _ = case
        kind = next(
            (str(group) for group in (BEYOND, TEXTS, FILES, OTHERS) if wrong in group), wrong
        )
        places.setdefault((node, kind), []).append(case)
    return [found[i % len(found)] for i, found in enumerate(places.values())]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-mistake")
        metafunc.parametrize("case", CASES if every else some(CASES), ids=" ".join)


def test_a_mistake_is_one_sentence_on_its_node(page, known, tally, case):
    _, wrong, name = case
    graph, blamed = mistaken(case)
    show(page, completed(graph, known))
    if wrong in TEXTS:
        type_into(page, NODE, name, TEXTS[wrong])
    if wrong in BEYOND:
        left = type_into(page, NODE, name, BEYOND[wrong])
        tally["clamped by the page"] += left != float(BEYOND[wrong])
    press_run(page)
    outcome = page.wait_for_function(TEXT, polling=POLL_MS).json_value()
    assert page.broken == []
    if outcome["ended"] == "execution_success":
        assert outcome["nodes"] == []
        tally["harmless"] += 1
        return
    ours, displayed = outcome["ended"] == "execution_error", read_dialog(page)
    if ours:
        keep_picture(page, f"error {' '.join(case)}")
    close_dialog(page)
    tally["reported by the pack" if ours else "refused by the host"] += 1
    assert outcome["nodes"] and set(outcome["nodes"]) <= set(blamed)
    assert not ours or OURS in outcome["kind"], outcome
    for sentence in outcome["texts"]:
        assert sentence in displayed
        assert len(sentence) <= LONGEST and sentence.isprintable(), sentence


def test_every_node_was_tried_and_the_page_is_as_good_as_new(page, known, tally):
    show(page, completed(smallest("SoraSample"), known))
    kind, detail = run(page)
    assert kind == "execution_success", detail
    assert page.broken == []
    assert {kind for kind, *_ in some(CASES)} == set(CONTRACT)
    clamped = tally.pop("clamped by the page", 0)
    became = ", ".join(f"{count} {what}" for what, count in sorted(tally.items()))
    print(f"{tally.total()} mistakes at {len(CONTRACT)} nodes: {became}; {clamped} numbers clamped")
