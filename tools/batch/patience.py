"""How long a batch waits: one deadline since the last progress, and pauses between two tries."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

MAX_PAUSE = 3600  # seconds; a server that asks for more is asked again after that


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Seconds: the longest of each kind. Tests use shorter ones."""

    poll: float = 5  # between two looks at the queue, since events may be lost
    pause: float = 0.5  # before the second try; doubles with each
    longest_pause: float = 15
    request: float = 120  # for an answer other than a result
    window: float = 60  # in which a download has to get further by SLOWEST bytes a second
    stall: float = 6 * 3600  # without any event or change of the queue while our jobs are in it


SLOWEST = 1024


class Patience:
    """The seconds that are left since the last progress of the whole batch."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self.clock = seconds, clock
        self.last = clock()

    def progress(self) -> None:
        self.last = self.clock()

    def left(self) -> float:
        return self.last + self.seconds - self.clock()


class Backoff:
    """Pauses that double up to a longest one, each drawn between half of it and all of it."""

    def __init__(self, pace: Pace) -> None:
        self.pace, self.tries = pace, 0

    def reset(self) -> None:
        self.tries = 0

    def pause(self, asked: float | None) -> float:
        """Seconds to wait before the next try; at least as many as the server has `asked` for."""
        longest = min(self.pace.longest_pause, self.pace.pause * 2 ** min(self.tries, 16))
        self.tries += 1
        return max(random.uniform(longest / 2, longest), min(asked or 0, MAX_PAUSE))


def retry_after(header: str | None, date: str | None, now: float | None = None) -> float | None:
    """The seconds that a Retry-After header asks for: a number of them, or a date.

    A date is by the server's clock, whose time is `date`, the Date header of the same answer.
    """
    if not header or len(header) > 64:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header.strip()[:9])
    then, answered = seconds_of(header), seconds_of(date)
    if then is None:
        return None
    if answered is None:
        answered = time.time() if now is None else now
    return max(0.0, then - answered)


def seconds_of(date: str | None) -> float | None:
    """The seconds since 1970 of a date of HTTP; None for any other text."""
    try:
        return None if not date else parsedate_to_datetime(date[:64]).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
