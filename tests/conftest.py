"""Shape annotations of the core are checked while the tests run."""

from jaxtyping import install_import_hook

install_import_hook(["sora_core"], "beartype.beartype")
