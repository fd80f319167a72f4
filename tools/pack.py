"""ComfyUI's modules and the pack, loaded into this process as ComfyUI loads them."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from tools import host


def load_file(name: str, path: Path) -> ModuleType:
    """The file at `path` as the module `name`; FileNotFoundError without it."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_comfyui() -> None:
    """Puts ComfyUI's modules in front of ours, since its `nodes` is a top-level one; on the CPU."""
    sys.path.insert(0, str(host.bring_host()))
    importlib.import_module("comfy.options")  # before anything that looks for a device
    importlib.import_module("comfy.cli_args").args.cpu = True


def load_pack() -> ModuleType:
    """The pack as the module `sora_nodes`, in a process with ComfyUI's own nodes."""
    load_comfyui()
    importlib.import_module("nodes")
    return load_file("sora_nodes", host.ROOT / "__init__.py")
