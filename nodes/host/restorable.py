"""A VIDEO that writes its file again after the host's temp folder was emptied."""

from collections.abc import Callable
from fractions import Fraction
from io import BytesIO

from comfy_api.latest import InputImpl, Types

from .temp_files import TempPath, temp_name


class RestorableVideo(InputImpl.VideoFromFile):
    """The video in the file at `path`; `write` writes it again if it was removed.

    The host caches the result of a node while its inputs are unchanged, but cleaners and other
    servers may remove the file. It exists as long as this object or one derived from it.
    """

    def __init__(self, path: TempPath, write: Callable[[], object]) -> None:
        super().__init__(temp_name(path))
        self.path, self.write = path, write

    def restore(self) -> None:
        """Writes the file again if it does not exist."""
        if not self.path.is_file():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.write()

    def get_stream_source(self) -> str | BytesIO:
        self.restore()
        return super().get_stream_source()

    def get_dimensions(self) -> tuple[int, int]:
        self.restore()
        return super().get_dimensions()

    def get_duration(self) -> float:
        self.restore()
        return super().get_duration()

    def get_frame_count(self) -> int:
        self.restore()
        return super().get_frame_count()

    def get_frame_rate(self) -> Fraction:
        self.restore()
        return super().get_frame_rate()

    def get_container_format(self) -> str:
        self.restore()
        return super().get_container_format()

    def get_components(self) -> Types.VideoComponents:
        self.restore()
        return super().get_components()

    def save_to(self, *arguments: object, **options: object) -> None:
        self.restore()
        super().save_to(*arguments, **options)  # pyright: ignore[reportArgumentType]
