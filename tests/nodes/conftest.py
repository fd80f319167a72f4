"""Loads the pack into this process the way ComfyUI does, as the package `sora_nodes`.

A test then writes `from sora_nodes.nodes.canvas import SoraCanvas`.
"""

import importlib.util
import sys

from tools.host import ROOT, bring_host

sys.path.insert(0, str(bring_host()))  # in front: ComfyUI's own `nodes` is a top-level module

import comfy.options  # noqa: F401  before anything that looks for a device
from comfy.cli_args import args

args.cpu = True

import nodes  # noqa: E402, F401  ComfyUI's, as it is imported before any pack

spec = importlib.util.spec_from_file_location("sora_nodes", ROOT / "__init__.py")
sys.modules["sora_nodes"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["sora_nodes"])
