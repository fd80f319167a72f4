"""`run.json` of a run on a user's clips: what a resumed run must have in common with it.

The start file is recognised by its content: a model that was moved or renamed is the same.
"""

import hashlib
import json
from pathlib import Path

from ...errors import TrainingError
from ...files import replacing
from ...resume.fingerprint import fingerprint
from .plan import Plan
from .settings import OwnSettings, as_values, refuse_changes

RUN_FILE = "run.json"
HASHED_BLOCKS, BLOCK_BYTES = 256, 65536  # of a start file: 17 MB of it are read at most


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


def clips_fingerprint(plan: Plan) -> str:
    """A hash of the training data: contents, parts, sizes, rates, captions and the split."""
    clips = [
        (c.content, c.start, c.width, c.height, c.frames, c.fps, c.caption, c.split)
        for c in plan.clips
    ]
    return fingerprint(*clips)


def check_run(folder: Path, plan: Plan, settings: OwnSettings, start: Path) -> None:
    """TrainingError where `folder` holds a run with other settings, clips or start file."""
    path = folder / RUN_FILE
    if not path.exists():
        return
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        values, clips, count = saved["settings"], saved["clips"], saved["count"]
        if not isinstance(values, dict) or not isinstance(values["steps"], int):
            raise TypeError("no settings")
        name, content = saved["start"]["name"], saved["start"]["content"]
    except (ValueError, KeyError, TypeError) as problem:
        raise TrainingError(
            f"{RUN_FILE} in {folder.name[:60]!a:.62} is damaged: choose another folder"
        ) from problem
    refuse_changes(values, settings, folder)
    if content != content_sample(start):
        raise TrainingError(
            f"{folder.name[:40]!a:.42} started from a file {name!a:.60}, and {start.name!a:.60} "
            "has other content: choose the same model to resume, or another folder"
        )
    if clips != clips_fingerprint(plan):
        raise TrainingError(
            f"clips of {folder.name[:40]!a:.42} were {count} others than the {len(plan.clips)} "
            "of this plan: choose the same plan to resume, or another folder"
        )


def write_run(folder: Path, plan: Plan, settings: OwnSettings, start: Path) -> None:
    """Writes the settings, and hashes of the clips and the start file, for `check_run`."""
    values = {
        "settings": as_values(settings),
        "start": {"name": start.name, "content": content_sample(start)},
        "clips": clips_fingerprint(plan),
        "count": len(plan.clips),
    }
    with replacing(folder / RUN_FILE) as unfinished:
        unfinished.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
