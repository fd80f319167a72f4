"""Runs the modules of `web/` without a page: what is pure in them needs no browser."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright._impl._driver import compute_driver_executable

from tools.host import ROOT

CALL = """import * as module from './{name}'
let text = ''
for await (const part of process.stdin) text += part
const results = await Promise.all(JSON.parse(text).map(async given => {body}))
process.stdout.write(JSON.stringify(results))
"""
SECONDS = 60


def node() -> str:
    """A Node.js: the system's, or the one that Playwright brings."""
    own, *_ = compute_driver_executable()
    return shutil.which("node") or own


def call(module: str, body: str, givens: Sequence[Any]) -> list[Any]:
    """What the JavaScript expression `body` makes of each of `givens`, in one run.

    `module` is a file of `web/`; the expression knows its exports as `module` and one of the
    values as `given`.
    """
    with tempfile.TemporaryDirectory() as folder:
        for file in (ROOT / "web").glob("*.js"):
            shutil.copy(file, folder)
        (Path(folder) / "package.json").write_text('{"type": "module"}')
        script = Path(folder) / "call.js"
        script.write_text(CALL.format(name=module, body=body), encoding="utf-8")
        done = subprocess.run(
            [node(), script],
            input=json.dumps(list(givens)).encode(),
            capture_output=True,
            timeout=SECONDS,
        )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return json.loads(done.stdout)
