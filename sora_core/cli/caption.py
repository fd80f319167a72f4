"""The command that captions a folder of clips into a manifest, and resumes after an interrupt."""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from ..canvas.canvas import Placement
from ..checkpoints.captioner_file import CAPTIONER_PATH, load_captioner
from ..checkpoints.checkpoint import load_autoencoder, read_config
from ..errors import MediaError, SoraError
from ..models.autoencoder import Autoencoder
from ..models.captioner import Captioner
from ..models.chunked_codec import encode_chunks
from ..pipeline.caption import Caption, caption, footage_clips
from ..pipeline.generate import MODELS, SHIPPED
from ..video.probe import duration_of, probe

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif")
CAPTION_MANIFEST = "captions.jsonl"
BAR_WIDTH = 30  # characters of the progress bar

Entry = dict[str, str | float | int]
"""A line of the manifest: file, captions, certainty, size and seconds, or file and error."""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `run`."""
    parser.add_argument("folder", type=Path, help="folder of videos, subfolders included")
    parser.add_argument(
        "--manifest",
        type=Path,
        help=f"JSON lines; an existing file is continued; default: FOLDER/{CAPTION_MANIFEST}",
    )
    parser.add_argument("--seed", type=int, help="sample words with this seed; default: greedy")
    parser.add_argument("--captioner", type=Path, default=CAPTIONER_PATH, help="captioner file")
    parser.add_argument(
        "--model", type=Path, default=MODELS / SHIPPED, help="model file of the autoencoder"
    )


def run(args: Namespace) -> str:
    """The errors, one per line, then the number of captioned clips and the manifest's path."""
    autoencoder = load_autoencoder(args.model, read_config(args.model))
    captioner = load_captioner(args.captioner)
    describe = partial(
        caption_entries, captioner=captioner, autoencoder=autoencoder, seed=args.seed
    )
    return recaption(args.folder, args.manifest, describe)


def recaption(folder: Path, manifest: Path | None, describe: Callable[[Path], Entry]) -> str:
    """The report of `run`, with `describe` as the captioner of a file; shows a progress bar.

    MediaError where `folder` is no folder, and where the manifest cannot be written.
    """
    if not folder.is_dir():
        raise MediaError(f"{folder.name[:60]!a:.62} is no folder: choose one with videos")
    manifest = manifest or folder / CAPTION_MANIFEST
    try:
        entries = list(captioned(folder, manifest, describe, on_clip=print_progress))
    except OSError as problem:
        raise MediaError(
            f"{manifest.name[:60]!a:.62} cannot be written ({problem.strerror}): choose another "
            "place"
        ) from problem
    bad = [entry for entry in entries if "error" in entry]
    lines = [f"{entry['file']}: {entry['error']}" for entry in bad]
    return "\n".join([*lines, f"{len(entries) - len(bad)} clips captioned in {manifest}"])


def caption_entries(
    path: Path, *, captioner: Captioner, autoencoder: Autoencoder, seed: int | None = None
) -> Entry:
    """The captions of the video at `path`, their certainty, and its size and length."""
    info, seconds = probe(path), float(duration_of(path))
    encode = partial(encode_chunks, autoencoder)
    size, channels = (info.width, info.height), autoencoder.config.latent_channels
    looks = footage_clips(Placement(source=path), size, seconds, encode, channels)
    return entry_of(path, caption(captioner, looks, seed))


def entry_of(path: Path, caption: Caption) -> Entry:
    """`caption` as an entry of the manifest, with the size and length of the video at `path`."""
    info, seconds = probe(path), float(duration_of(path))
    entry: Entry = asdict(caption)
    entry["certainty"] = round(caption.certainty, 4)
    return entry | {"width": info.width, "height": info.height, "seconds": round(seconds, 3)}


def captioned(
    folder: Path,
    manifest: Path,
    describe: Callable[[Path], Entry],
    on_clip: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Entry]:
    """The entries of all videos in `folder`, in the order of their names; new ones are appended.

    A video that cannot be read has its error in its entry. Videos in `manifest` are not captioned
    again, except that of an incomplete last line.
    """
    known = read_and_repair(manifest)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    with manifest.open("a", encoding="utf-8") as file:
        for done, path in enumerate(files, 1):
            name = path.relative_to(folder).as_posix()
            if name not in known:
                try:
                    known[name] = {"file": name, **describe(path)}
                except SoraError as error:
                    known[name] = {"file": name, "error": str(error)}
                file.write(json.dumps(known[name]) + "\n")
                file.flush()
            on_clip(done, len(files))
            yield known[name]


def read_and_repair(manifest: Path) -> dict[str, Entry]:
    """The entries of `manifest` by file; removes an incomplete last line from it.

    Empty without a manifest. MediaError where it is no manifest of captions.
    """
    if not manifest.exists():
        return {}
    text = manifest.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    try:
        entries = {entry["file"]: entry for entry in map(json.loads, whole.splitlines())}
        if text[len(whole) : len(whole) + 1] not in (b"", b"{"):
            raise ValueError("the last line is no entry that was cut off")
    except (ValueError, KeyError, TypeError) as problem:
        raise MediaError(
            f"{manifest.name[:60]!a:.62} is no manifest of captions: choose another --manifest"
        ) from problem
    os.truncate(manifest, len(whole))
    return entries


def print_progress(done: int, total: int) -> None:
    """Updates a progress bar on stderr, if that is a terminal."""
    if sys.stderr.isatty():
        filled = "=" * (BAR_WIDTH * done // total)
        sys.stderr.write(f"\r[{filled:{BAR_WIDTH}}] {done}/{total}" + "\n" * (done == total))
