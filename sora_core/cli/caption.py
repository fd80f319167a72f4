"""The command that captions a folder of clips into a manifest, and goes on where it was stopped."""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from ..canvas.canvas import Placement
from ..checkpoints.checkpoint import load_autoencoder, read_config
from ..errors import MediaError, SoraError
from ..models.autoencoder import Autoencoder
from ..models.captioner import Captioner
from ..models.chunked_codec import encode_chunks
from ..pipeline.caption import CAPTIONER_PATH, Caption, caption, footage_clips, load_captioner
from ..pipeline.generate import MODELS, SHIPPED
from ..video.probe import duration_of, probe

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif")
CAPTION_MANIFEST = "captions.jsonl"
MIN_CERTAINTY = 30  # characters

Entry = dict[str, str | float | int]
"""A line of the manifest: the file, its captions, certainty, size and seconds; or its error."""


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `run` reads."""
    parser.add_argument("folder", type=Path, help="its videos, and those in folders inside")
    parser.add_argument(
        "--manifest",
        type=Path,
        help=f"JSON lines, gone on with; by default FOLDER/{CAPTION_MANIFEST}",
    )
    parser.add_argument("--seed", type=int, help="draw the words, instead of taking the likeliest")
    parser.add_argument("--captioner", type=Path, default=CAPTIONER_PATH)
    parser.add_argument("--model", type=Path, default=MODELS / SHIPPED, help="its autoencoder")


def run(args: Namespace) -> str:
    """One sentence: how many clips the manifest holds, and where it is."""
    autoencoder = load_autoencoder(args.model, read_config(args.model))
    captioner = load_captioner(args.captioner)
    tell = partial(caption_entries, captioner=captioner, autoencoder=autoencoder, seed=args.seed)
    return recaption(args.folder, args.manifest, tell)


def recaption(folder: Path, manifest: Path | None, tell: Callable[[Path], Entry]) -> str:
    """The same, whoever tells what a clip shows; with a bar of how far it is."""
    if not folder.is_dir():
        raise MediaError(f"{folder.name[:60]!a} is no folder: give one that holds videos")
    manifest = manifest or folder / CAPTION_MANIFEST
    try:
        entries = list(captioned(folder, manifest, tell, on_clip=print_progress))
    except OSError as problem:
        raise MediaError(
            f"{manifest.name[:60]!a} cannot be written ({problem.strerror}): choose another place"
        ) from problem
    bad = [entry for entry in entries if "error" in entry]
    lines = [f"{entry['file']}: {entry['error']}" for entry in bad]
    return "\n".join([*lines, f"{len(entries) - len(bad)} clips captioned in {manifest}"])


def caption_entries(
    path: Path, *, captioner: Captioner, autoencoder: Autoencoder, seed: int | None = None
) -> Entry:
    """What the video at `path` shows, and how large and long it is."""
    info, seconds = probe(path), float(duration_of(path))
    encode = partial(encode_chunks, autoencoder)
    size, channels = (info.width, info.height), autoencoder.config.latent_channels
    looks = footage_clips(Placement(source=path), size, seconds, encode, channels)
    return entry_of(path, caption(captioner, looks, seed))


def entry_of(path: Path, caption: Caption) -> Entry:
    """What is `caption` of the video at `path`, and how large and long it is."""
    info, seconds = probe(path), float(duration_of(path))
    entry: Entry = asdict(caption)
    entry["certainty"] = round(caption.certainty, 4)
    return entry | {"width": info.width, "height": info.height, "seconds": round(seconds, 3)}


def captioned(
    folder: Path,
    manifest: Path,
    tell: Callable[[Path], Entry],
    on_clip: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Entry]:
    """The entries of all videos in `folder`, in the order of their names; new ones are written.

    A video that cannot be read has its error in its entry. What `manifest` holds is not told
    again; a last line that was cut off is.
    """
    known = read_entries(manifest)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    with manifest.open("a", encoding="utf-8") as file:
        for done, path in enumerate(files, 1):
            name = path.relative_to(folder).as_posix()
            if name not in known:
                try:
                    known[name] = {"file": name, **tell(path)}
                except SoraError as error:
                    known[name] = {"file": name, "error": str(error)}
                file.write(json.dumps(known[name]) + "\n")
                file.flush()
            on_clip(done, len(files))
            yield known[name]


def read_entries(manifest: Path) -> dict[str, Entry]:
    """The whole lines of `manifest` by file; what follows the last of them is cut off it."""
    if not manifest.exists():
        return {}
    text = manifest.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    try:
        entries = {entry["file"]: entry for entry in map(json.loads, whole.splitlines())}
    except (ValueError, KeyError, TypeError) as problem:
        raise MediaError(
            f"{manifest.name[:60]!a} is no manifest of captions: give another name"
        ) from problem
    if text[len(whole) : len(whole) + 1] not in (b"", b"{"):
        raise MediaError(f"{manifest.name[:60]!a} is no manifest of captions: give another name")
    os.truncate(manifest, len(whole))
    return entries


def print_progress(done: int, total: int) -> None:
    """Shows how far it is, in place, if anyone is there to see."""
    if sys.stderr.isatty():
        filled = "=" * (MIN_CERTAINTY * done // total)
        sys.stderr.write(f"\r[{filled:{MIN_CERTAINTY}}] {done}/{total}" + "\n" * (done == total))
