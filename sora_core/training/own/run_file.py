"""`run.json` of a run on a user's clips: what a resumed run must have in common with it.

`plan.json` beside it has the clips, with which a run continues though its folder has changed.
The start file is recognised by its content: a model that was moved or renamed is the same.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import TrainingError
from ...files import replacing
from ...resume.fingerprint import fingerprint
from .plan import Plan, PlannedClip, read_plan, write_plan
from .settings import OwnSettings, as_values, refuse_changes

RUN_FILE = "run.json"
PLAN_FILE = "plan.json"
HASHED_BLOCKS, BLOCK_BYTES = 256, 65536  # of a start file: 17 MB of it are read at most
DIGEST_DIGITS = 16
OLDER = {"snapshots": 0}  # settings of runs that began before there was a choice


def content_sample(path: Path) -> str:
    """A cheap identity of the file at `path`: SHA-256 of its size and evenly spaced blocks of it.

    Files of up to HASHED_BLOCKS * BLOCK_BYTES enter whole. Training changes nearly all weights, so
    that blocks detect it; a change of a few bytes in a larger file may escape.
    """
    size = path.stat().st_size
    found = hashlib.sha256(str(size).encode())
    last = max(0, size - BLOCK_BYTES)
    whole = size <= HASHED_BLOCKS * BLOCK_BYTES
    places = (
        range(0, size, BLOCK_BYTES)
        if whole
        else (last * i // (HASHED_BLOCKS - 1) for i in range(HASHED_BLOCKS))
    )
    with path.open("rb") as file:
        for place in places:
            file.seek(place)
            found.update(file.read(BLOCK_BYTES))
    return found.hexdigest()


def clip_values(clip: PlannedClip) -> tuple[str | float, ...]:
    """What training has of a clip: content, part, size, rate, caption and split; not its name."""
    c = clip
    return c.content, c.start, c.width, c.height, c.frames, c.fps, c.caption, c.split


def clips_fingerprint(plan: Plan) -> str:
    """A hash of the training data."""
    return fingerprint(*map(clip_values, plan.clips))


def clip_digests(plan: Plan) -> dict[str, str]:
    """A short hash of each clip by its file and start."""
    return {
        f"{clip.source}@{clip.start:g}": fingerprint(clip_values(clip))[:DIGEST_DIGITS]
        for clip in plan.clips
    }


def clips_difference(saved: object, plan: Plan) -> str:
    """The first clip in which `plan` differs from the `saved` digests, in words."""
    if not isinstance(saved, dict):
        return "others"
    now = clip_digests(plan)
    for name, digest in saved.items():
        if name not in now:
            return f"{str(name)[:60]!a:.62} is gone"
        if now[name] != digest:
            return f"{str(name)[:60]!a:.62} has another content, caption, size or split"
    added = next((name for name in now if name not in saved), "")
    return f"{added[:60]!a:.62} is new" if added else "in another order"


def check_run(folder: Path, plan: Plan, settings: OwnSettings, start: Path) -> None:
    """TrainingError where `folder` holds a run with other settings, clips or start file."""
    path = folder / RUN_FILE
    if not path.exists():
        return
    with refusing_damage(folder):
        saved = json.loads(path.read_text(encoding="utf-8"))
        values, clips, count = saved["settings"], saved["clips"], saved["count"]
        if not isinstance(values, dict) or not isinstance(values["steps"], int):
            raise TypeError("no settings")
        values = OLDER | values
        name, content = saved["start"]["name"], saved["start"]["content"]
    refuse_changes(values, settings, folder)
    if content != content_sample(start):
        raise TrainingError(
            f"{folder.name[:40]!a:.42} started from a file {name!a:.60}, and {start.name!a:.60} "
            "has other content: choose the same model to resume, or another folder"
        )
    if clips != clips_fingerprint(plan):
        raise TrainingError(
            f"clips of {folder.name[:40]!a:.42} were {count} and are now {len(plan.clips)} "
            f"({clips_difference(saved.get('digests'), plan)}): resume with the plan in its "
            f"{PLAN_FILE}, or choose another folder"
        )


@contextmanager
def refusing_damage(folder: Path) -> Iterator[None]:
    """Turns a mistake in the file of the run in `folder` into a TrainingError."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise TrainingError(
            f"{RUN_FILE} in {folder.name[:60]!a:.62} is damaged: choose another folder"
        ) from problem


def read_run(folder: Path) -> tuple[Plan, OwnSettings]:
    """The plan and the settings of the run in `folder`; TrainingError where it holds none."""
    path = folder / RUN_FILE
    if not path.is_file():
        raise TrainingError(f"{folder.name[:60]!a:.62} holds no run of train own: choose another")
    with refusing_damage(folder):
        values = json.loads(path.read_text(encoding="utf-8"))["settings"]
        lists = {name: tuple(values[name]) for name in ("averages", "fresh") if values[name]}
        settings = OwnSettings(**OLDER | values | lists)
    return read_plan(folder / PLAN_FILE), settings


def write_run(folder: Path, plan: Plan, settings: OwnSettings, start: Path) -> None:
    """Writes the plan, the settings, and hashes of clips and start file, for `check_run`."""
    write_plan(folder / PLAN_FILE, plan)
    values = {
        "settings": as_values(settings),
        "start": {"name": start.name, "content": content_sample(start)},
        "clips": clips_fingerprint(plan),
        "count": len(plan.clips),
        "digests": clip_digests(plan),
    }
    with replacing(folder / RUN_FILE) as unfinished:
        unfinished.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
