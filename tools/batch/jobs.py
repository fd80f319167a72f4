"""Jobs of a table: each row sets inputs of a workflow, and ranges and lists multiply it."""

import copy
import hashlib
import itertools
import json
import math
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from tools.batch.names import check_name, job_name, unique_key
from tools.batch.rows import Row, read_rows
from tools.batch.text import describe
from tools.batch.workflow import PlanError, find_input
from tools.graph import Graph

__all__ = ["Job", "Template", "plan", "read_rows"]

MAX_JOBS = 100_000
MAX_TEXT = 1_000_000
PROGRESS_EVERY = 1000

NUMBER = r"[+-]?\d{1,24}(?:\.\d{1,24})?"
RANGE = re.compile(rf"\s*({NUMBER})\s*\.\.\s*({NUMBER})(?:\s+by\s+({NUMBER}))?\s*")
ONE_NUMBER = re.compile(rf"\s*({NUMBER})\s*", re.ASCII)

Place = tuple[str, str]
"""Key of a node, and name of an input."""


class Template:
    """The workflow and the inputs that some jobs set, which those jobs share."""

    def __init__(self, graph: Graph, keys: Sequence[str], places: Sequence[Place]) -> None:
        self.graph, self.keys, self.places = graph, tuple(keys), tuple(places)
        self.prefixed = [
            key
            for key, node in graph.items()
            if isinstance(node["inputs"].get("filename_prefix"), str)
            and (key, "filename_prefix") not in self.places
        ]
        token = uuid.uuid4().hex
        count = len(self.keys) + 1
        marked = self.fill([f"{token}{at:04}" for at in range(count - 1)], f"{token}{count - 1:04}")
        parts = re.split(rf'"{token}(\d{{4}})"', json.dumps(marked, sort_keys=True))
        self.start = hashlib.sha256(parts[0].encode())
        gaps = zip(parts[1::2], parts[2::2], strict=True)
        self.rest = [(int(at), text.encode()) for at, text in gaps]

    def fill(self, values: Sequence[Any], prefix: str) -> Graph:
        """A copy of the workflow with these values, which saves its files under `prefix`."""
        filled = copy.deepcopy(self.graph)
        for (node, part), value in zip(self.places, values, strict=True):
            filled[node]["inputs"][part] = value
        for key in self.prefixed:
            filled[key]["inputs"]["filename_prefix"] = prefix
        return filled

    def digest(self, values: Sequence[Any], prefix: str) -> str:
        """SHA-256 of the JSON of `fill(values, prefix)`, without building it."""
        hashed = self.start.copy()
        for at, text in self.rest:
            value = values[at] if at < len(values) else prefix
            hashed.update(json.dumps(value, sort_keys=True).encode())
            hashed.update(text)
        return hashed.hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One run of the workflow. Its graph is built when it is sent: 100,000 would fill memory."""

    name: str
    folder: str
    template: Template
    values: tuple[Any, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """The value of each input that the table sets, by the table's name of the input."""
        return dict(zip(self.template.keys, self.values, strict=True))

    @property
    def graph(self) -> Graph:
        return self.template.fill(self.values, f"{self.folder}/{self.name}")

    def digest(self) -> str:
        """Changes when anything changes that the run depends on."""
        return self.template.digest(self.values, f"{self.folder}/{self.name}")


def plan(
    graph: Graph,
    rows: Sequence[Row],
    batch: str,
    on_progress: Callable[[float], None] = lambda share: None,
) -> list[Job]:
    """Every job of the table, in order; the server saves their files in its folder `batch`.

    `on_progress` is called now and then with the share of the table that is planned, 0 to 1.
    PlanError names the row that is wrong.
    """
    jobs: list[Job] = []
    rows_by_name: dict[str, int] = {}
    templates: dict[tuple[str, ...], Template] = {}
    for number, row in enumerate(rows, 1):
        try:
            keys = tuple(key for key in row if key != "name")
            if keys not in templates:
                templates[keys] = Template(graph, keys, find_places(graph, keys))
            share = partial(row_share, number - 1, len(rows), on_progress)
            for name, values in expand(templates[keys], row, share):
                unique = unique_key(name)
                if unique in rows_by_name:
                    raise PlanError(f"{name!r} is already the name of row {rows_by_name[unique]}")
                rows_by_name[unique] = number
                template = templates[keys]
                jobs.append(Job(name=name, folder=batch, template=template, values=values))
                if len(jobs) > MAX_JOBS:
                    raise PlanError(f"more than {MAX_JOBS} jobs: split the table")
        except PlanError as error:
            raise PlanError(f"row {number}: {error}") from error
        if not number % PROGRESS_EVERY:
            on_progress(number / len(rows))
    if not jobs:
        raise PlanError("the table has no rows")
    return jobs


def row_share(row: int, rows: int, on_progress: Callable[[float], None], share: float) -> None:
    on_progress((row + share) / rows)


def find_places(graph: Graph, keys: Sequence[str]) -> list[Place]:
    places = [find_input(graph, key) for key in keys]
    for place, key in zip(places, keys, strict=True):
        if places.count(place) > 1:
            raise PlanError(f"{describe(key)} is set twice")
    return places


def expand(
    template: Template, row: Row, on_progress: Callable[[float], None]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Name and values of each job of a row: the product of its ranges and lists."""
    name = check_name(row["name"]) if row.get("name") is not None else None
    axes = [
        choices(key, row[key], template.graph[node]["inputs"][part])
        for key, (node, part) in zip(template.keys, template.places, strict=True)
    ]
    total = math.prod(map(len, axes))
    if total > MAX_JOBS:
        raise PlanError(f"more than {MAX_JOBS} jobs: split the table")
    varying = [key for key, axis in zip(template.keys, axes, strict=True) if len(axis) > 1]
    for at, values in enumerate(itertools.product(*axes), 1):
        yield job_name(name, dict(zip(template.keys, values, strict=True)), varying), values
        if not at % PROGRESS_EVERY:
            on_progress(at / total)


def choices(key: str, value: object, present: object) -> list[Any]:
    """The values that a cell stands for, of the type that `present` has in the workflow."""
    if isinstance(value, list):
        if not value:
            raise PlanError(f"{describe(key)} has an empty list: give a value or leave it out")
        if len(value) > MAX_JOBS:
            raise PlanError(f"{describe(key)} has {len(value)} values; {MAX_JOBS} is the most")
        return [converted(key, item, present) for item in value]
    if is_number(present) and isinstance(value, str) and (found := RANGE.fullmatch(value)):
        return numbers(key, *found.groups())
    return [converted(key, value, present)]


def numbers(key: str, first: str, last: str, by: str | None) -> list[Any]:
    """From `first` to `last`, both included, exact in decimals."""
    start, stop, step = Decimal(first), Decimal(last), abs(Decimal(by or 1))
    if not step:
        raise PlanError(f"{describe(key)} has a range by 0: give a step above 0")
    if abs(stop - start) >= step * MAX_JOBS:
        raise PlanError(f"{describe(key)} is a range of more than {MAX_JOBS} values: split it")
    count = int(abs(stop - start) / step) + 1
    kind = float if "." in first + last + (by or "") else int
    values = (kind(start + (step if stop >= start else -step) * at) for at in range(count))
    return [checked_number(key, value) for value in values]


def converted(key: str, value: object, present: object) -> object:
    """`value` as the type that the workflow has in this place."""
    if isinstance(present, bool):
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        return require(key, value, isinstance(value, bool), "true or false")
    if is_number(present):
        if isinstance(value, str) and (found := ONE_NUMBER.fullmatch(value)):
            return checked_number(key, float(value) if "." in value else int(found[1]))
        return checked_number(key, value)
    if isinstance(present, str):
        require(key, value, isinstance(value, str), "text: put it in quotes")
    return checked_text(key, value)


def checked_number(key: str, value: Any) -> Any:  # noqa: ANN401
    """`value` if it is a finite float, or an int from -2^63 to 2^64 - 1; else PlanError."""
    wanted = "a number with a decimal point, or a range such as 1..4 or 0..1 by 0.25"
    fits = is_number(value)
    if fits and isinstance(value, int):
        wanted = "a whole number from -2^63 to 2^64 - 1"
        fits = -(1 << 63) <= value < 1 << 64
    return require(key, value, fits and (isinstance(value, int) or math.isfinite(value)), wanted)


def checked_text(key: str, value: object) -> object:
    """`value`; PlanError for text with a lone surrogate or more than MAX_TEXT characters."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise PlanError(f"{describe(key)} holds half a character (a lone surrogate)") from error
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise PlanError(f"{describe(key)} has {len(value)} characters; {MAX_TEXT} is the most")
    return value


def require(key: str, value: object, fits: bool, wanted: str) -> object:
    if not fits:
        raise PlanError(f"{describe(key)} is {describe(value)}, and takes {wanted}")
    return value


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
