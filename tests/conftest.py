"""The shapes that the core's annotations promise are checked while the tests run."""

from jaxtyping import install_import_hook

import tests.shapes

CHECKED = ["sora_core.models", "sora_core.sampling", "sora_core.shapes"]  # numba compiles the world

install_import_hook(CHECKED, f"{tests.shapes.__name__}.check")
