"""Ctrl-C and SIGTERM end the program within a second, whatever it waits for."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # asyncio takes a while to import, and a signal may come before
    import asyncio
    from collections.abc import Coroutine
    from types import FrameType

SECONDS = 0.8  # for withdrawing jobs from the server and closing files
STOPPED = 130
WORDS = "stopped: the same command continues"
SHOW_CURSOR = b"\x1b[?25h"


class Stop:
    """Takes over SIGINT and SIGTERM: the first one unwinds, and a timer ends what does not.

    The manifest and the results are whole at any moment, so that an end by the timer is harmless.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[None] | None = None
        self.stopping = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.on_signal)

    def run(self, work: Coroutine[object, object, None]) -> None:
        """Runs `work` in an event loop; KeyboardInterrupt or CancelledError if it is stopped."""
        import asyncio

        asyncio.run(self.follow(work))

    async def follow(self, work: Coroutine[object, object, None]) -> None:
        import asyncio

        self.loop = asyncio.get_running_loop()
        self.task = asyncio.ensure_future(work)
        await self.task

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Cancels the task, or raises KeyboardInterrupt if none runs.

        A second signal ends the process, and so does a timer SECONDS after the first.
        """
        if self.stopping:
            self.end()
        self.stopping = True
        timer = threading.Timer(SECONDS, self.end)
        timer.daemon = True
        timer.start()
        if self.loop is not None and self.task is not None and not self.task.done():
            self.loop.call_soon_threadsafe(self.task.cancel)
        else:
            raise KeyboardInterrupt

    def end(self) -> None:
        """Ends the process at once, with the cursor back that a progress display hides."""
        cursor = SHOW_CURSOR if sys.stdout.isatty() else b""
        os.write(1, cursor + WORDS.encode() + b"\n")
        os._exit(STOPPED)
