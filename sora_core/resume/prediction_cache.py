"""Predictions of a model, kept in files: sampled again, they are given back without the model.

Axes: b c t y x, as in shapes.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..sampling.samplers import Denoise, Sigma
from ..shapes import Latent
from .fingerprint import fingerprint
from .tensor_cache import read_cached, refusing, size_of, write_cached

MAX_CACHE_BYTES = 16e9  # bytes that those of all jobs below a root may take
MAX_DISK_SHARE = 0.5  # and of what the disk has left for them
CLEAN = "clean"

_FILES = "[0-9a-f]*.[0-9]*.safetensors"


class PredictionCache:
    """Those on the way to one part of a job, in the order in which they were asked for.

    A sampler knows of a model what it predicts and nothing else: begun anew with the same noise it
    asks the same again, whichever sampler it is, and comes to where it was stopped. Each prediction
    is given back for the very question it answered; another is asked of the model, and kept.
    """

    def __init__(self, folder: Path, name: str, key: str) -> None:
        self.folder, self.name, self.key = folder, name, key
        self.asked = self.hits = self.uncached = 0

    def cached(self, denoise: Denoise) -> Denoise:
        """`denoise`, asked for what is not known."""

        def cached_denoise(x: Latent, sigma: Sigma) -> Latent:
            path = self.folder / f"{self.name}.{self.asked:05}.safetensors"
            key = fingerprint(self.key, x, sigma)
            self.asked += 1
            found = read_cached(path, key)
            if found is not None:
                self.hits += 1
                return found[CLEAN].to(x.device)
            clean = denoise(x, sigma).contiguous()  # as a file gives it back: sums round alike
            if self._fits(clean.nbytes):
                write_cached(path, key, {CLEAN: clean})
            else:
                self.uncached += 1
            return clean

        return cached_denoise

    def clear(self) -> None:
        """Removes them all: the part is done."""
        with refusing(self.folder), suppress(FileNotFoundError):
            for path in self.folder.glob(f"{self.name}.[0-9]*.safetensors"):
                path.unlink(missing_ok=True)

    def _fits(self, size: int) -> bool:
        root = self.folder.parent
        with refusing(self.folder):
            cached = sum(size_of(prediction_files(folder)) for folder in root.iterdir())
            free = shutil.disk_usage(root).free
        return cached + size <= min(MAX_CACHE_BYTES, MAX_DISK_SHARE * (cached + free))


def prediction_files(folder: Path) -> Iterator[Path]:
    """The files of predictions in the folder of a job."""
    with suppress(FileNotFoundError):  # another process may remove the folder meanwhile
        yield from folder.glob(_FILES)
