"""The folder of results: files appear in it whole, and no link in it is followed."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tools.batch.content import HEAD, ContentError, check_content
from tools.batch.text import printable

PART, PART_END = ".batch-", ".part"
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | NO_LINK | getattr(os, "O_BINARY", 0)
BY_FOLDER = os.rename in os.supports_dir_fd and os.open in os.supports_dir_fd
SPARE_BYTES = 16 << 20  # left free on the disk, for the manifest


class DiskError(Exception):
    """This computer cannot write the results. The message has the path and the reason."""


class Results:
    """The folder `out`, which the batch alone writes to while it holds the manifest."""

    def __init__(self, out: Path, max_bytes: int) -> None:
        self.out, self.max_bytes = out, max_bytes

    def clean(self) -> None:
        """Removes the unfinished files of a batch that was killed."""
        for path in self.out.glob(f"{PART}*{PART_END}"):
            with contextlib.suppress(OSError):
                path.unlink()

    async def save(
        self, path: str, pieces: AsyncIterator[bytes], promised: int | None, media_type: str
    ) -> None:
        """Writes the pieces to `path` below the folder, whole or not at all.

        ContentError if they are too many, or not what the suffix of `path` promises. DiskError if
        the disk is full, or a link or a folder stands in the way.
        """
        head, size = b"", 0
        with self.part() as (file, part):
            self.check_size(promised or 0)
            async for piece in pieces:
                size += len(piece)
                self.check_size(size)
                head = (head + piece)[:HEAD] if len(head) < HEAD else head
                with disk(path):
                    file.write(piece)
            check_content(head, size, PurePosixPath(path).suffix, media_type)
            with disk(path):
                file.close()
                self.place(part, path)

    def check_size(self, size: int) -> None:
        """ContentError above `max_bytes`; DiskError if the disk has less than SPARE_BYTES free."""
        if size > self.max_bytes:
            limit = f"{self.max_bytes >> 20} MB"
            raise ContentError(
                f"the result has more than {limit}: raise --max-mb to take it", final=True
            )
        with disk(str(self.out)):
            free = shutil.disk_usage(self.out).free
        if free < SPARE_BYTES:  # before the disk is full
            raise DiskError(f"no space is left for results in {printable(str(self.out))}")

    @contextmanager
    def part(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A new file of a random name, removed afterwards unless it was placed."""
        part = self.out / f"{PART}{secrets.token_hex(16)}{PART_END}"
        with disk(str(part)):
            self.out.mkdir(parents=True, exist_ok=True)
            file = os.fdopen(os.open(part, NEW, 0o666), "wb")
        try:
            yield file, part
        finally:
            with contextlib.suppress(OSError):
                file.close()
            with contextlib.suppress(OSError):
                part.unlink()

    def place(self, part: Path, path: str) -> None:
        """Moves a finished file to `path`; a link at its end is replaced, one before it refused."""
        folder = (self.out / path).parent
        if folder == self.out:
            part.replace(self.out / path)
            return
        folder.mkdir(exist_ok=True)
        if folder.is_symlink():
            raise DiskError(f"{printable(str(folder))} is a link: remove it, or use another --out")
        if not BY_FOLDER:
            part.replace(self.out / path)
            return
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | NO_LINK)
        try:
            os.replace(part, PurePosixPath(path).name, dst_dir_fd=opened)
        finally:
            os.close(opened)


@contextmanager
def disk(path: str) -> Iterator[None]:
    """Turns an error of the disk into a DiskError that names `path`."""
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or error
        raise DiskError(f"{printable(path)} cannot be written: {reason}") from error
