"""Where the released model files lie."""

from pathlib import Path


def released_folder() -> Path:
    """`models` of a checkout or of the ComfyUI pack; a wheel has the same files in the package.

    There they are `sora_core/weights`, since `sora_core/models` holds the networks' source.
    """
    package = Path(__file__).resolve().parent
    packaged = package / "weights"
    return packaged if packaged.is_dir() else package.parent / "models"
