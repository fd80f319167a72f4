"""Keeps the machine code of the ray casters between runs of the tests, since numba takes seconds.

The folder is named after all sources of the worlds, so that a change of any of them compiles
again; numba itself distinguishes its versions and processors.
"""

import sys
from hashlib import sha256
from pathlib import Path

WORLD = Path("sora_core") / "world"


def source_key(root: Path) -> str:
    """A hash of every Python file of the worlds below `root`."""
    found = sha256()
    for path in sorted((root / WORLD).rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def store_compiled(root: Path) -> None:
    """Lets each function of the worlds that is imported by now store what numba compiles of it."""
    worlds = [module for name, module in sys.modules.items() if "sora_core.world" in name]
    if not worlds:
        return
    import numba
    from numba.core.dispatcher import Dispatcher

    numba.config.CACHE_DIR = str(root / ".cache" / "numba" / source_key(root))
    for module in worlds:
        for value in vars(module).values():
            if isinstance(value, Dispatcher):
                value.enable_caching()
