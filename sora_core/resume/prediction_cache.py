"""Model predictions cached in files: a restarted sampler reads them instead of calling the model.

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

MAX_CACHE_BYTES = 16e9  # bytes, for the predictions of all jobs below a root
MAX_DISK_SHARE = 0.5  # of the free disk space and these predictions together
CLEAN = "clean"

_FILES = "[0-9a-f]*.[0-9]*.safetensors"


class PredictionCache:
    """The predictions for one part of a job, in the order of the calls.

    Samplers are deterministic given their noise, so a restart repeats the same model calls. A call
    whose inputs match the cached ones returns the cached output; any other calls the model, and its
    output is cached. `asked`, `hits` and `uncached` count the calls, those answered from the cache,
    and those whose output no longer fitted on the disk.
    """

    def __init__(self, folder: Path, name: str, key: str) -> None:
        self.folder, self.name, self.key = folder, name, key
        self.asked = self.hits = self.uncached = 0

    def over(self, denoise: Denoise) -> Denoise:
        """`denoise` behind this cache."""

        def cached_denoise(x: Latent, sigma: Sigma) -> Latent:
            path = self.folder / f"{self.name}.{self.asked:05}.safetensors"
            key = fingerprint(self.key, x, sigma)
            self.asked += 1
            found = read_cached(path, key)
            if found is not None:
                self.hits += 1
                return found[CLEAN].to(x.device)
            clean = denoise(x, sigma).contiguous()  # as read from a file: later sums round alike
            if self._fits(clean.nbytes):
                write_cached(path, key, {CLEAN: clean})
            else:
                self.uncached += 1
            return clean

        return cached_denoise

    def clear(self) -> None:
        """Removes all predictions of this part. MediaError where the disk refuses."""
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
    """The files of predictions in a job's `folder`."""
    with suppress(FileNotFoundError):  # another process may remove the folder meanwhile
        yield from folder.glob(_FILES)
