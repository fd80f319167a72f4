"""Rows of a YAML file, built from its events: no tags, no alias bombs, no key twice.

Plain words are as in YAML 1.2: `no` is text, `010` is 10 and `1:30` is text, which YAML 1.1 (and
PyYAML's own loaders) would take for false, 8 and 90.
"""

import re
from typing import Any

import yaml

from tools.batch.text import describe, printable
from tools.batch.workflow import PlanError

MAX_DEPTH = 32
MAX_ALIASED = 100_000  # values that aliases repeat, over the whole file

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
INTEGER = re.compile(r"[-+]?[0-9]{1,40}")
FLOAT = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,4})?")
LONG = re.compile(r"[-+]?[0-9]{41,}")
WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


def yaml_rows(text: str) -> list[dict[str, Any]]:
    """The list of tables that `text` holds; PlanError or ValueError unless it is one."""
    try:
        rows = Builder().build(text)
    except yaml.YAMLError as error:
        raise ValueError(printable(str(error), 200)) from error
    if not isinstance(rows, list):
        raise PlanError("the YAML is not a list of jobs: begin each with a dash")
    return rows


class Frame:
    """A list or table that is being filled, and the number of values in it so far."""

    __slots__ = ("anchor", "key", "size", "value")

    def __init__(self, value: Any, anchor: str | None) -> None:  # noqa: ANN401
        self.value, self.anchor = value, anchor
        self.key: str | None = None
        self.size = 1


class Builder:
    """Builds values from YAML events with a stack of its own, so that depth costs no recursion."""

    def __init__(self) -> None:
        self.frames = [Frame([], None)]
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.aliased = 0
        self.documents = 0

    def build(self, text: str) -> Any:  # noqa: ANN401
        """The value of the single document in `text`, None if there is none.

        PlanError for a second document, a tag, or an alias that is unknown or repeats too much.
        """
        for event in yaml.parse(text, Loader=LOADER):
            if isinstance(event, yaml.ScalarEvent):
                self.check_tag(event)
                value = scalar(event.value) if event.implicit[0] else event.value  # not in quotes
                if event.anchor:
                    self.anchors[event.anchor] = (value, 1)
                self.add(value, 1, event)
            elif isinstance(event, yaml.AliasEvent):
                self.repeat(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self.open(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self.close(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                self.documents += 1
                if self.documents > 1:
                    raise PlanError(f"line {line(event)} begins a second YAML document: remove it")
        found = self.frames[0].value
        return found[0] if found else None

    def check_tag(self, event: Any) -> None:  # noqa: ANN401
        if event.tag not in (None, "!"):
            raise PlanError(f"line {line(event)} has the tag {describe(event.tag)}: remove it")

    def open(self, event: Any) -> None:  # noqa: ANN401
        self.check_tag(event)
        if len(self.frames) > MAX_DEPTH:
            raise PlanError(f"line {line(event)} is nested more than {MAX_DEPTH} deep")
        value = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        self.frames.append(Frame(value, event.anchor))

    def close(self, event: Any) -> None:  # noqa: ANN401
        frame = self.frames.pop()
        if frame.anchor:
            self.anchors[frame.anchor] = (frame.value, frame.size)
        self.add(frame.value, frame.size, event)

    def repeat(self, event: Any) -> None:  # noqa: ANN401
        """Adds the value of an anchor again; PlanError beyond MAX_ALIASED repeated values."""
        if event.anchor not in self.anchors:
            raise PlanError(
                f"line {line(event)} repeats {describe(event.anchor)}, which is not set"
            )
        value, size = self.anchors[event.anchor]
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            raise PlanError(f"line {line(event)}: aliases repeat more than {MAX_ALIASED} values")
        self.add(value, size, event)

    def add(self, value: Any, size: int, event: Any) -> None:  # noqa: ANN401
        """Adds `value`, which counts as `size` values, to the open list or table.

        A table takes a key and its value in turn; PlanError if a key is not text or occurs twice.
        """
        frame = self.frames[-1]
        frame.size += size
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.key is None:
            if not isinstance(value, str):
                raise PlanError(f"line {line(event)}: {describe(value)} does not name an input")
            if value in frame.value:
                raise PlanError(f"line {line(event)}: {describe(value)} is given twice")
            frame.key = value
        else:
            frame.value[frame.key] = value
            frame.key = None


def line(event: Any) -> int:  # noqa: ANN401
    return event.start_mark.line + 1


def scalar(text: str) -> Any:  # noqa: ANN401
    """The value of a plain word: null, true, false, a decimal number, or else the text itself."""
    word = text.lower() if len(text) < 6 else text
    if word in WORDS:
        return WORDS[word]
    if INTEGER.fullmatch(text):
        return int(text)
    if LONG.fullmatch(text):
        raise PlanError(f"a number of {len(text)} digits is too long")
    return float(text) if FLOAT.fullmatch(text) else text
