"""One command each, from nothing: `demo` makes a video in a real ComfyUI, `test` runs every test.

Needs Python 3.10 or newer and nothing else; everything it installs goes into `.venv` and `.cache`.
"""

from __future__ import annotations  # so that an older Python reaches the message

import argparse
import hashlib
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOG = ROOT / ".cache" / "setup.log"
PACK = ROOT / "requirements.txt"
HOST, TEACHER, LOCK = (
    ROOT / "tools" / "requirements" / name for name in ("host.txt", "teacher.txt", "dev.lock")
)
EXACT = {TEACHER: ("--no-deps",), LOCK: ("--no-deps", "--require-hashes")}
"""Lists that are complete, or whose requirements stay out: pip installs what they name alone."""

TORCH = "torch==2.13.0"
BESIDE_TORCH = ("torchvision==0.28.0", "torchaudio==2.11.0")  # else they bring a CUDA torch along
CPU_INDEX = "download.pytorch.org"

SERVED = ("tests/host", "tests/browser")
PARALLEL = ("-n", "auto", "--maxprocesses=4", "--dist=loadfile")  # a file's tests share fixtures
ALONE = "host or browser"  # one server and one browser serve them all
FAST = (*[f"--ignore={tier}" for tier in SERVED], "-m", f"not ({ALONE} or slow)")


def main() -> int:
    """The exit code of the command; 1 if Python is too old or set-up fails, 130 after Ctrl-C."""
    options = parse(sys.argv[1:])
    if sys.version_info < (3, 10):  # noqa: UP036
        print(f"Python {platform.python_version()} is too old: use 3.10 or newer")
        return 1
    os.chdir(ROOT)
    try:
        return demo(options) if options.command == "demo" else test(options)
    except SetupError as error:
        print(error)
        return 1
    except KeyboardInterrupt:
        print("\nstopped")
        return 130


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command and its options: `size` is the text WIDTHxHEIGHT, `comfyui` an absolute path."""
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    result = commands.add_parser("demo", help="make a video from a prompt in a real ComfyUI")
    result.add_argument("prompt", help='such as "a red ball rolls to the left on grass"')
    result.add_argument("--seed", type=int, help="the same seed gives the same video")
    result.add_argument("--seconds", type=float, help="how long the video lasts")
    result.add_argument("--size", type=sides, help="WIDTHxHEIGHT in pixels, such as 128x128")
    result.add_argument(
        "--steps",
        type=int,
        help="guided sampling steps, such as 30, in place of four by a LoRA: slower and cleaner",
    )
    result.add_argument("--comfyui", type=tree, help="the folder of your own ComfyUI")
    result.add_argument("--keep-server", action="store_true", help="leave ComfyUI up until Ctrl-C")
    tested = commands.add_parser("test", help="run the tests")
    part = tested.add_mutually_exclusive_group()
    part.add_argument(
        "--fast", action="store_true", help="without ComfyUI's server, browser and slow tests"
    )
    part.add_argument("--comfyui", type=tree, help="server and browser of another ComfyUI alone")
    return parser.parse_args(arguments)


def sides(text: str) -> str:
    if not re.fullmatch(r"\d+x\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, such as 128x128")
    return text


def tree(text: str) -> Path:
    if not (Path(text) / "main.py").exists():
        raise argparse.ArgumentTypeError(f"{text!r} has no main.py: name ComfyUI's own folder")
    return Path(text).resolve()


def demo(options: argparse.Namespace) -> int:
    """The exit code of tools/demo.py, in the Python of the user's ComfyUI if it has one.

    Else it runs in `.venv`, which is set up first.
    """
    started = time.time()
    python = own_python(options.comfyui)
    if python is None:
        set_up(PACK, HOST)
        python = PYTHON
    chosen = [f"--started={started}", f"--prompt={options.prompt}"]
    for name in ("seed", "seconds", "size", "steps", "comfyui"):
        if (value := getattr(options, name)) is not None:
            chosen.append(f"--{name}={value}")
    return hand_over(python, "tools/demo.py", *chosen, *["--keep-server"] * options.keep_server)


def own_python(comfyui: Path | None) -> Path | None:
    """The interpreter that a user's ComfyUI brings along; ours is used when it has none."""
    if comfyui is None:
        return None
    places = [comfyui / name / PYTHON.relative_to(VENV) for name in (".venv", "venv")]
    places.append(comfyui.parent / "python_embeded" / "python.exe")
    return next((place for place in places if place.exists()), None)


def test(options: argparse.Namespace) -> int:
    """The exit code of pytest, after set-up; tests marked ALONE run last, in one process.

    With `comfyui` only SERVED runs; `fast` skips SERVED, ALONE and slow tests.
    """
    set_up(TEACHER, LOCK)
    if options.comfyui:
        bring_browser()
        return hand_over(PYTHON, "-m", "pytest", f"--comfyui={options.comfyui}", *SERVED)
    run_step("bringing ComfyUI", PYTHON, "-c", "import tools.host; tools.host.bring_host()")
    if not options.fast:
        bring_browser()
    chosen = FAST if options.fast else ("-m", f"not ({ALONE})")
    command = (PYTHON, "-m", "pytest", *PARALLEL, *chosen)
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # there is a process for each core
    status = subprocess.run(command, env=one_thread).returncode
    if status or options.fast:
        return status
    return hand_over(PYTHON, "-m", "pytest", "-m", ALONE)


class SetupError(Exception):
    """The set-up cannot continue, for the reason in the message."""


def set_up(*lists: Path) -> None:
    """Makes `.venv` and installs what the lists name, unless that has been done before."""
    stamp = VENV / "installed"
    done = stamp.read_text().split() if PYTHON.exists() and stamp.exists() else []
    missing = [path for path in lists if digest(path) not in done]
    if not missing:
        return
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_bytes(b"")
    if not done:
        print("setting up .venv, once", flush=True)
        venv.create(VENV, with_pip=True, symlinks=os.name != "nt")
    install("torch", *torch_source(), TORCH)
    install("torchvision, torchaudio", *torch_source(), "--no-deps", *BESIDE_TORCH)
    for path in missing:
        install(path.name, *EXACT.get(path, ()), "-r", str(path))
    mend_beside_torch()
    stamp.write_text("\n".join([*done, *map(digest, missing)]))


def digest(requirements: Path) -> str:
    """Changes when a list does, or the pins in this file."""
    return hashlib.sha256(Path(__file__).read_bytes() + requirements.read_bytes()).hexdigest()


def torch_source() -> list[str]:
    """Where pip finds a torch that fits: the CPU builds unless a CUDA device is present."""
    if sys.platform == "darwin" or shutil.which("nvidia-smi"):
        return []
    try:
        socket.create_connection((CPU_INDEX, 443), timeout=3).close()
    except OSError:
        return []
    return ["--index-url", f"https://{CPU_INDEX}/whl/cpu"]


def install(what: str, *arguments: str) -> None:
    run_step(f"installing {what}", PYTHON, "-m", "pip", "install", *arguments)


def run_step(step: str, *command: str | Path) -> None:
    """Runs a command with one line of progress; what it prints goes to the log."""
    started = time.monotonic()
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            while process.poll() is None:
                if sys.stdout.isatty():
                    print(f"\r{step} {time.monotonic() - started:4.0f} s", end="", flush=True)
                time.sleep(0.2)
        finally:
            process.kill()
            process.wait()
    print(f"{chr(13) * sys.stdout.isatty()}{step} {time.monotonic() - started:4.0f} s", flush=True)
    if process.returncode:
        tail = "\n".join(LOG.read_text(errors="replace").splitlines()[-15:])
        raise SetupError(f"{tail}\n{step} failed; the whole log is in {LOG.relative_to(ROOT)}")


def mend_beside_torch() -> None:
    """Lets torchvision and torchaudio import beside a CPU torch when their builds are for CUDA.

    ComfyUI needs neither one's compiled part: torchvision wants the schemas of two operators
    before it describes them, and torchaudio does without its libraries when they are absent.
    """
    asked = "import torchvision, torchaudio"
    if subprocess.run([PYTHON, "-c", asked], capture_output=True).returncode == 0:
        return
    (packages,) = {path.parent for path in VENV.glob("**/site-packages/torchvision")}
    extension, mark = packages / "torchvision" / "extension.py", "# declared for a CPU torch"
    if mark not in extension.read_text():
        with extension.open("a") as source:
            source.write(DECLARED.format(mark=mark))
    for library in (packages / "torchaudio" / "lib").glob("*.so"):
        library.unlink()
    run_step("mending torchvision, torchaudio", PYTHON, "-c", asked)


DECLARED = """
{mark}
if not _has_ops():
    declared = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        declared.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def bring_browser() -> None:
    """Makes sure that the browser tests find a Chromium; else SetupError with the fix."""
    if any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        run_step("looking for Chromium", "apt-get", "update")
        run_step("installing Chromium", "apt-get", "install", "-y", "chromium")
        return
    raise SetupError("the browser tests need Chromium: install it, or run test --fast")


def hand_over(python: Path, *arguments: str) -> int:
    """Runs Python in the place of this process, so that Ctrl-C and signals reach it alone."""
    command = [str(python), *arguments]
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(python, command)
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # it got the same signal, and is clearing up
            continue


if __name__ == "__main__":
    sys.exit(main())
