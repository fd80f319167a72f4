"""The grammar of a storyboard: text with times before or behind its shots, a list, or a paragraph.

`web/storyboard.js` parses the same grammar on the page; `tests/boards.json` tests both.
"""

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isclose

from ..errors import PromptError

MAX_SHOTS = 64
TIME_TOLERANCE = 1e-6  # seconds: above the rounding of decimal times to binary

WRITE_TIMES = "write its start and its end in front of it, such as 2-4s:"

_CLOCK = r"(?:[0-9]+:)?[0-9]+(?:\.[0-9]+)?"
_UNIT = r"(?:seconds|secs?|s)\b"
_SPAN = rf"({_CLOCK})\s*(?:{_UNIT})?\s*(?:-|\u2013|\bto\b)\s*({_CLOCK})"
_TIME_BEFORE = re.compile(
    rf"^\W*(?:from\s+)?{_SPAN}\s*(?:{_UNIT})?\s*[\])]?\s*[:,.\u2013-]?\s+(.*)$", re.IGNORECASE
)
_TIME_BEHIND = re.compile(rf"^(.*\S)\s*\[\s*{_SPAN}\s*({_UNIT})?\s*\]\s*$", re.IGNORECASE)
_NO_END = re.compile(
    rf"^\W*(?:at\s+|from\s+)?{_CLOCK}\s*{_UNIT}\s*[\])]?\s*[\]):,.-]", re.IGNORECASE
)
_NO_END_INSIDE = re.compile(
    rf";\s*({_CLOCK}\s*(?:{_UNIT})?\s*-?\s*(?:end\s*)?:.*)$", re.IGNORECASE | re.DOTALL
)
_INLINE = re.compile(
    rf"(?:\bfrom\s+|[\[(]\s*)?\b{_SPAN}\s*(?:{_UNIT}|(?=[\])]|\s*:))", re.IGNORECASE
)
_BAR = re.compile(r"\{[^{}]*\}|(\|)")  # {a|b} is a choice of the page, not two shots
_BULLET = re.compile(
    r"^(?:[-*\u2022]|[0-9]+\s*[.):]|(?:shot|scene)\s*"
    r"(?:[0-9]+|one|two|three|four|five|six|seven|eight)\s*[.):-])\s+",
    re.IGNORECASE,
)
_NEXT = re.compile(
    r"(?<=[.!?])\s+|[,;]?\s+(?:and\s+)?then,?\s+|[.,;]?\s*\bcut to:?\s+|;\s*", re.IGNORECASE
)
_LAST = re.compile(r"(?:[,;.\s]+(?:and|then))+[,\s]*$", re.IGNORECASE)
_FIRST = re.compile(r"^(?:then|next|finally|cut to:?|after that)\b,?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PromptShot:
    """The prompt of the video from `start` to `end`, in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class _Span:
    """The time of one shot: seconds, or frames whose rate the text does not name."""

    start: float
    end: float
    frames: bool


def parse_shots(text: str, seconds: float) -> list[PromptShot]:
    """The shots of `text`, in order and without gaps; the last ends at `seconds`.

    A shot has its time before it, `0-2s: a ball`, or behind it in brackets, `a ball [0-2s]`. Shots
    without times share `seconds` evenly. Whole numbers without a unit in brackets behind a shot,
    as in `a ball [0-120] | a cube [121-240]`, are frames at any rate: the last frame stands for
    the end of the canvas, and a shot may start with or after the last frame of the one before.

    PromptError if only some shots have times, if frames are mixed with seconds, and for times that
    have no end, overlap, leave a gap or do not end at `seconds`.
    """
    pieces = _split(text)
    if not pieces:
        raise PromptError("storyboard without shots: write one line for each shot")
    if len(pieces) > MAX_SHOTS:
        raise PromptError(f"storyboard of {len(pieces)} shots: write {MAX_SHOTS} or fewer")
    for i, piece in enumerate(pieces, 1):
        if not _time_of(piece) and _NO_END.match(piece):
            raise PromptError(f"shot {i} {piece[:40]!a:.42} has no end: {WRITE_TIMES}")
        if _TIME_BEFORE.match(f"{piece} .") and not _time_of(piece):
            raise PromptError(f"shot {i} {piece[:40]!a:.42} has no text: describe it, or remove it")
    read = [_time_of(piece) for piece in pieces]
    if not any(read):
        each = seconds / len(pieces)
        shots = [PromptShot(i * each, (i + 1) * each, piece) for i, piece in enumerate(pieces)]
        return [*shots[:-1], replace(shots[-1], end=float(seconds))]
    timed = []
    for i, (piece, found) in enumerate(zip(pieces, read, strict=True), 1):
        if not found:
            raise PromptError(f"shot {i} {piece[:40]!a:.42} has no time: {WRITE_TIMES}")
        if open_shot := _NO_END_INSIDE.search(found[1]):
            raise PromptError(f"shot {i + 1} {open_shot[1][:40]!a:.42} has no end: {WRITE_TIMES}")
        timed.append(found)
    if any(span.frames for span, _ in timed):
        return _from_frames(timed, seconds)
    shots = [PromptShot(span.start, span.end, message) for span, message in timed]
    _check_times(shots, seconds)
    return shots


def _split(text: str) -> list[str]:
    """The pieces of `text`: parts between bars, else lines, else timed parts, else sentences."""
    bars = [found.start() for found in _BAR.finditer(text) if found[1]]
    edges = zip([0, *(bar + 1 for bar in bars)], [*bars, None], strict=True)
    parts = [text[start:end] for start, end in edges]
    lines = [line.strip() for part in parts for line in part.splitlines() if line.strip()]
    if len(parts) == 1 and len(lines) == 1:
        cuts = [found.start() for found in _INLINE.finditer(lines[0])]
        if _TIME_BEFORE.match(lines[0]) and cuts:
            lines = [lines[0][start:end] for start, end in pairwise([*cuts, None])]
        elif not _TIME_BEHIND.match(lines[0]):
            lines = _NEXT.split(lines[0])
    lines = [line if _time_of(line) else _BULLET.sub("", line) for line in lines]
    lines = [_LAST.sub("", _FIRST.sub("", line.strip())).strip(" ;,") for line in lines]
    return [line for line in lines if line]


def _time_of(piece: str) -> tuple[_Span, str] | None:
    """The time of a piece, and its text without the time; None for a piece without a time."""
    if found := _TIME_BEFORE.match(piece):
        return _Span(_seconds(found[1]), _seconds(found[2]), False), found[3]
    if found := _TIME_BEHIND.match(piece):
        message, start, end, unit = found.groups()
        frames = not unit and start.isdigit() and end.isdigit()
        message = _FIRST.sub("", _BULLET.sub("", message.strip())).strip(" ;,")
        return _Span(_seconds(start), _seconds(end), frames), message
    return None


def _seconds(clock: str) -> float:
    minutes, _, rest = clock.rpartition(":")
    return 60 * int(minutes or 0) + float(rest)


def _from_frames(timed: list[tuple[_Span, str]], seconds: float) -> list[PromptShot]:
    """Shots in seconds from spans in frames, scaled so that the last one ends at `seconds`."""
    for i, (span, _) in enumerate(timed, 1):
        if not span.frames:
            raise PromptError(f"shot {i} counts seconds and another shot frames: use one of both")
        name = f"shot {i} from frame {span.start:g} to frame {span.end:g}"
        if span.end <= span.start:
            raise PromptError(f"{name}: let it end after it starts")
        at = timed[i - 2][0].end if i > 1 else 0.0
        if span.start not in (at, at + 1):  # counted from 0 or from 1, to the last or past it
            wrong = "overlaps the shot before" if span.start < at else "leaves a gap before it"
            raise PromptError(f"{name} {wrong}: start it at frame {at:g}")
    first = timed[0][0].start
    starts = [span.start - first for span, _ in timed]
    ends_inside = any(after.start > span.end for (span, _), (after, _) in pairwise(timed))
    total = timed[-1][0].end - first + (1 if ends_inside else 0)
    edges = [start / total * seconds for start in starts] + [float(seconds)]
    return [
        PromptShot(start, end, message)
        for (start, end), (_, message) in zip(pairwise(edges), timed, strict=True)
    ]


def _check_times(shots: list[PromptShot], seconds: float) -> None:
    at = 0.0
    for i, shot in enumerate(shots, 1):
        span = f"shot {i} from {shot.start:g} s to {shot.end:g} s"
        if shot.end <= shot.start:
            raise PromptError(f"{span}: let it end after it starts")
        if not isclose(shot.start, at, abs_tol=TIME_TOLERANCE):
            wrong = "overlaps the shot before" if shot.start < at else "leaves a gap before it"
            raise PromptError(f"{span} {wrong}: start it at {at:g} s")
        at = shot.end
    if not isclose(at, seconds, abs_tol=TIME_TOLERANCE):
        raise PromptError(
            f"the shots end at {at:g} s, the canvas at {seconds:g} s: let the last shot end there"
        )
