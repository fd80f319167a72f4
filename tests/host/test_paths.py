"""Names that try to leave their folder, in every input of our nodes that could reach a file."""

import random

import pytest

from tests.hostile.test_paths import CONTAINED, REFUSED
from tests.support.tiny import write_tiny
from tools.client import GraphError

pytestmark = [pytest.mark.host, pytest.mark.slow]

NAMES = random.Random(0).sample(REFUSED + CONTAINED, 80)

ALLOWED = ("output", "temp", "user", "comfyui.log")
FREE = {"SoraEncodePrompt.text", "SoraExpandPrompt.text"}  # words of a prompt: anything may be said
SAVERS = {
    "SaveVideo": ("video", ["video", 0]),
    "SaveLatent": ("samples", ["sample", 0]),
    "ModelSave": ("model", ["loader", 0]),
}


@pytest.fixture
def secrets(server, tiny):
    """Models that would load, wherever a name could lead that leaves the folder of models."""
    models = server.base / "models"
    for folder in (models, server.base, server.base / "models" / "diffusion_models-x"):
        write_tiny(folder).rename(folder / "secret.txt")
    return models / "secret.txt"


@pytest.fixture
def graph(client, sampled):
    """Every node with a text or a choice, small and ending in a picture."""
    sampled["canvas"]["inputs"] |= {"width": 16, "height": 16, "seconds": 0.0}
    sampled["schedule"]["inputs"]["steps"] = 1
    decoded = {"latent": ["sample", 0], "vae": ["loader", 2]}
    sampled["frames"] = {"class_type": "SoraDecodeFrames", "inputs": decoded}
    sampled["shown"] = {"class_type": "PreviewImage", "inputs": {"images": ["frames", 0]}}
    return client.completed(sampled)


def outside(server):
    """Every file near the server that no workflow may change, with its size and its time."""
    around = [path for path in server.base.iterdir() if path.name not in ALLOWED]
    files = [
        path for folder in [*around, server.tree] if folder.is_dir() for path in folder.rglob("*")
    ]
    files += [*server.base.parent.glob("*"), *server.base.glob("*")]
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in files
        if path.is_file() and path.suffix not in (".pyc", ".log")
    }


def texts(known, graph):
    """Each text and each choice of our nodes, as the key of its node and its name."""
    for key, node in graph.items():
        if not node["class_type"].startswith("Sora"):
            continue
        for name, (kind, *_) in known[node["class_type"]]["input"]["required"].items():
            if kind in ("STRING", "COMBO") or isinstance(kind, list):
                yield key, name


def test_no_name_in_any_input_reads_or_writes_outside(client, server, graph, secrets):
    known, before = client.nodes(), outside(server)
    inputs = list(texts(known, graph))
    assert ("loader", "model") in inputs
    client.run(graph)
    tried = refused = 0
    for template in NAMES:
        root = server.base / "models" / "diffusion_models"
        name = template.replace("{root}", str(root)).replace("{outside}", str(root.parent))
        for key, arguments in inputs:
            tried += 1
            inner = graph[key]["inputs"] | {arguments: name}
            try:
                client.run(graph | {key: graph[key] | {"inputs": inner}})
            except GraphError as error:
                refused += 1
                assert "root:" not in str(error)  # nothing of /etc/passwd
            else:
                assert f"{graph[key]['class_type']}.{arguments}" in FREE
    choices = [
        arguments
        for key, arguments in inputs
        if f"{graph[key]['class_type']}.{arguments}" not in FREE
    ]
    assert refused >= len(NAMES) * len(choices)
    assert outside(server) == before
    print(f"\npath_escapes /prompt: {tried} names, {refused} refused, 0 reads, 0 writes outside")


@pytest.mark.parametrize("saver", SAVERS)
def test_no_prefix_saves_what_we_made_outside(client, server, graph, secrets, saver):
    socket, link = SAVERS[saver]
    decoded = {"latent": ["sample", 0], "vae": ["loader", 2]}
    result = {"video": {"class_type": "SoraDecodeVideo", "inputs": decoded}}
    graph = client.completed({key: graph[key] for key in graph if key != "shown"} | result)
    before, tried, saved = outside(server), 0, 0
    for template in NAMES:
        prefix = template.replace("{root}", str(server.output))
        prefix = prefix.replace("{outside}", str(server.base))
        inputs = {socket: link, "filename_prefix": prefix}
        tried += 1
        try:
            client.run(client.completed(graph | {"save": {"class_type": saver, "inputs": inputs}}))
        except GraphError:
            continue
        saved += 1
    assert outside(server) == before
    assert 0 < saved < tried
    print(f"\npath_escapes {saver}: {tried} prefixes, {saved} saved inside, 0 writes outside")
