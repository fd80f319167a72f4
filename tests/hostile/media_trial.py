"""Work done in processes of its own with limits on time and memory; prints one JSON line each.

`python -m tests.hostile.media_trial read FILE...` reads each file;
`python -m tests.hostile.media_trial memory FOLDER SECONDS...` writes and reads videos that long.
"""

import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from sora_core.errors import SoraError
from sora_core.shapes import Frames
from sora_core.video.probe import probe
from sora_core.video.reader import read_frames
from sora_core.video.writer import write_video

SECONDS = 10  # of the processor, for one file
PATIENCE = 300  # of the processor, for ten minutes of video
HANG = 12  # times as long by the clock, on a busy machine
TIME_OUT = (signal.SIGPROF, signal.SIGALRM)
MEMORY = 2**30


def in_child(work: Callable[[], dict[str, object]], seconds: float) -> dict[str, object]:
    """What `work` returns in a process that may not outstay or outgrow its limits."""
    reading, writing = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if not child:
        _limit(seconds)
        try:
            report = work()
        except BaseException as error:  # the report is the point: nothing may be lost here
            report = {"end": "untyped", "message": "".join(traceback.format_exception(error))}
        os.write(writing, json.dumps(report).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    report = json.loads(text or "{}")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        report = {"end": "time-out" if number in TIME_OUT else "signal", "message": number}
    return report | {"seconds": time.monotonic() - started}


def _limit(seconds: float) -> None:
    limit_memory()
    limit_time(seconds)


def limit_time(seconds: float) -> None:
    """Ends this process after `seconds` more of the processor, or if it waits for ever."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, HANG * seconds)


def limit_memory() -> None:
    """Allows this process `MEMORY` bytes more than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    space = (
        pages * resource.getpagesize() + MEMORY
    )  # what the libraries map is not the file's doing
    resource.setrlimit(resource.RLIMIT_AS, (space, space))


def read(path: Path) -> dict[str, object]:
    warnings: list[str] = []
    count = 0
    try:
        probe(path)
        for chunk in read_frames(path, on_damage=warnings.append):
            count += len(chunk)
        for _ in read_frames(path, fps=8, size=(64, 48)):
            pass
        for _ in read_frames(path, start=0.02, seconds=0.5):
            pass
    except SoraError as error:
        return {"end": "typed", "message": str(error), "frames": count, "warnings": warnings}
    return {"end": "frames", "frames": count, "warnings": warnings}


def peak(folder: Path, seconds: int) -> dict[str, object]:
    """The most memory, in MiB, that writing and then reading `seconds` of video took."""
    path = folder / f"{seconds}.mp4"
    write_video(path, _drifting(seconds * 8), 8)
    frames = sum(len(chunk) for chunk in read_frames(path))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"end": "frames", "frames": frames, "memory": memory}


def _drifting(frames: int) -> Iterator[Frames]:
    ramp = (torch.arange(96)[:, None] + torch.arange(160)).to(torch.uint8)
    for i in range(frames):
        yield ramp.roll(i, dims=1)[None, :, :, None].expand(1, 96, 160, 3)


def main(task: str, *arguments: str) -> None:
    if task == "read":
        for name in arguments:
            print(json.dumps(in_child(lambda name=name: read(Path(name)), SECONDS)), flush=True)
    else:
        folder, *lengths = arguments
        for length in lengths:
            report = in_child(lambda length=length: peak(Path(folder), int(length)), PATIENCE)
            print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
