"""Predictions of a model, kept in files: sampled again, they are given back without the model.

Axes: b c t y x, as in shapes.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .digest import digest
from .kept import read_kept, refusing, size_of, write_kept
from .sampling.step import Denoise, Sigma
from .shapes import Latent

ROOM = 16e9  # bytes that those of all jobs below a root may take
SHARE = 0.5  # and of what the disk has left for them
CLEAN = "clean"

_FILES = "[0-9a-f]*.[0-9]*.safetensors"


class Predictions:
    """Those on the way to one part of a job, in the order in which they were asked for.

    A sampler knows of a model what it predicts and nothing else: begun anew with the same noise it
    asks the same again, whichever sampler it is, and comes to where it was stopped. Each prediction
    is given back for the very question it answered; another is asked of the model, and kept.
    """

    def __init__(self, folder: Path, name: str, key: str) -> None:
        self.folder, self.name, self.key = folder, name, key
        self.asked = self.known = self.unkept = 0

    def over(self, denoise: Denoise) -> Denoise:
        """`denoise`, asked for what is not known."""

        def predicted(x: Latent, sigma: Sigma) -> Latent:
            path = self.folder / f"{self.name}.{self.asked:05}.safetensors"
            key = digest(self.key, x, sigma)
            self.asked += 1
            found = read_kept(path, key)
            if found is not None:
                self.known += 1
                return found[CLEAN].to(x.device)
            clean = denoise(x, sigma).contiguous()  # as a file gives it back: sums round alike
            if self._has_room(clean.nbytes):
                write_kept(path, key, {CLEAN: clean})
            else:
                self.unkept += 1
            return clean

        return predicted

    def clear(self) -> None:
        """Removes them all: the part is done."""
        with refusing(self.folder), suppress(FileNotFoundError):
            for path in self.folder.glob(f"{self.name}.[0-9]*.safetensors"):
                path.unlink(missing_ok=True)

    def _has_room(self, size: int) -> bool:
        root = self.folder.parent
        with refusing(self.folder):
            kept = sum(size_of(predictions(folder)) for folder in root.iterdir())
            free = shutil.disk_usage(root).free
        return kept + size <= min(ROOM, SHARE * (kept + free))


def predictions(folder: Path) -> Iterator[Path]:
    """The files of predictions in the folder of a job."""
    with suppress(FileNotFoundError):  # another process may remove the folder meanwhile
        yield from folder.glob(_FILES)
