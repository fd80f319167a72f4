"""Decoding to an mp4: memory that does not grow with the length, without loss of time.

Every point is a process of its own. Peers decode all frames before they encode the first.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from statistics import median

from sora_core.measure.report import Figure
from tools.host import ROOT

from .decoding import Spent

SIDE = 192
LENGTH = 257  # frames
SLOPE = 129, 513  # below 129 frames the encoder's own queue still fills
RUNS = 3  # of each: peaks of the same work lie up to 20 MB apart
SMOKE = 9, (9, 17)
RAW = SIDE * SIDE * 3 * 4 / 1e6  # megabytes of a frame as floats
PEER = "diffusers"
STREAMED = {"ours": "ours_whole", "wan": "wan_whole"}  # and the same work, done in two steps


def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    """Peak megabytes, overlap and times of each variant beside the peer and whole decoding.

    A slope is the growth of memory for each frame more, in frames of raw floats.
    """
    length, (short, long) = SMOKE if smoke else (LENGTH, SLOPE)

    @cache
    def point(variant: str, frames: int) -> Spent:
        return spent(variant, frames, SIDE, SIDE)

    def usual(variant: str, frames: int) -> float:
        return median(
            spent(variant, frames, SIDE, SIDE).megabytes for _ in range(1 if smoke else RUNS)
        )

    peer = point(PEER, length).megabytes
    yield Figure(f"streaming/{PEER}_{length}", peer, "MB")
    for variant, whole in STREAMED.items():
        own, once = point(variant, length), point(whole, length)
        grown = usual(variant, long) - usual(variant, short)
        yield Figure(f"streaming/{variant}_{length}", own.megabytes, "MB")
        yield Figure(f"streaming/{variant}_of_peer", own.megabytes / peer, "x")
        yield Figure(f"streaming/{variant}_slope", grown / (long - short) / RAW)
        yield Figure(f"streaming/{variant}_overlap", own.overlap)
        yield Figure(f"streaming/{variant}_vs_whole/wall", once.wall / own.wall, "x")
        yield Figure(f"streaming/{variant}_vs_whole/cpu", once.cpu / own.cpu, "x")


def spent(variant: str, frames: int, width: int, height: int) -> Spent:
    """Time and memory of `variant` in a process of its own."""
    asked = (variant, str(frames), str(width), str(height))
    done = subprocess.run(
        [sys.executable, "-m", "tools.bench.decoding", *asked],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Spent(**json.loads(done.stdout.splitlines()[-1]))
