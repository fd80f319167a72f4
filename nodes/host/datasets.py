"""Folders of the host for training: clips in, runs and trained weights out."""

import os
from collections.abc import Iterator
from pathlib import Path

import folder_paths

from ...sora_core.errors import ConfigError, PathError
from ...sora_core.paths import inside
from ...sora_core.training.own.folder import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from .validation import checked_choice

INPUT, OUTPUT, DATASETS = "input", "output", "datasets"
DEEPEST = 3  # folders below the host's own
NO_FOLDER = "(choose a folder)"
RUNS_FOLDER = "sora_training"
MEDIA_SUFFIXES = VIDEO_SUFFIXES | IMAGE_SUFFIXES


def roots() -> dict[str, Path]:
    """The host's folders that may hold clips, by the first part of a choice."""
    found = {
        INPUT: Path(folder_paths.get_input_directory()),
        OUTPUT: Path(folder_paths.get_output_directory()),
    }
    known = folder_paths.folder_names_and_paths
    if DATASETS in known:  # hosts with nodes for training have one
        found[DATASETS] = Path(folder_paths.get_folder_paths(DATASETS)[0])
    return found


def dataset_folders() -> list[str]:
    """The options of a menu: first "none", then the folders with media, such as `input/clips`."""
    found = [
        "/".join((name, *folder.parts))
        for name, root in roots().items()
        for folder in _with_media(root)
    ]
    return [NO_FOLDER, *found]


def dataset_path(choice: str) -> Path:
    """The folder of one of `dataset_folders()`; ConfigError for any other.

    PathError where a file in it is a link that leads out of the host's folders.
    """
    choice = checked_choice("folder", choice, dataset_folders())
    if choice == NO_FOLDER:
        raise ConfigError(
            "no folder is chosen: make one in ComfyUI's input folder, put videos and captions "
            "(NAME.txt) into it, press R and choose it"
        )
    name, _, below = choice.partition("/")
    folder = inside(roots()[name], below)
    refuse_links_out(folder)
    return folder


def refuse_links_out(folder: Path) -> None:
    """PathError where a file below `folder` is a link to a place outside of the host's folders."""
    allowed = [Path(os.path.realpath(root)) for root in roots().values()]
    for parent, subfolders, files in os.walk(folder):  # which follows no link to a folder
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]  # never read
        for path in (Path(parent, name) for name in files):
            if path.is_symlink() and not path.name.startswith("."):
                real = Path(os.path.realpath(path))
                if not any(real.is_relative_to(root) for root in allowed):
                    raise PathError(
                        f"{path.relative_to(folder).as_posix()[:80]!a:.82} is a link that leads "
                        "out of ComfyUI's folders: copy its file here"
                    )


def _with_media(root: Path) -> Iterator[Path]:
    """Folders below `root` with a media file of their own, relative to it; not hidden ones."""
    for folder, subfolders, files in os.walk(root):
        below = Path(folder).relative_to(root)
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith(".") and len(below.parts) < DEEPEST
        )
        if below.parts and any(Path(name).suffix.lower() in MEDIA_SUFFIXES for name in files):
            yield below


def run_folder(name: str) -> Path:
    """The folder of the training run called `name`, in the output folder."""
    return inside(Path(folder_paths.get_output_directory()) / RUNS_FOLDER, name)


def cache_folder() -> Path:
    """The folder of encoded clips, which all runs share, in the output folder."""
    return Path(folder_paths.get_output_directory()) / RUNS_FOLDER / ".cache"


def unused_weights(kind: str, prefix: str) -> tuple[Path, str]:
    """An unused file in the folder `kind` of the output folder, where the host finds models of that
    kind, and its name there. `prefix` may contain folders; a number is added."""
    root = Path(folder_paths.get_output_directory()) / kind
    try:
        inside(root, prefix)  # refuses an empty last part, which the suffix would hide
        first = inside(root, f"{prefix}.safetensors")
    except PathError as problem:
        raise PathError(f"prefix: {problem}") from problem
    for number in range(1, 100_000):
        path = first.with_name(f"{first.stem}_{number:05}.safetensors")
        if not path.exists():
            return path, path.relative_to(os.path.realpath(root)).as_posix()
    raise ConfigError(f"prefix {prefix[:60]!a:.62}: 99999 files have it; choose another")
