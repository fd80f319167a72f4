"""Jobs from a table: each row sets inputs of a workflow, and ranges and lists multiply it."""

import copy
import csv
import hashlib
import io
import itertools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tools.batch.workflow import PlanError, find_input
from tools.graph import Graph

MOST_JOBS = 100_000
GIVEN_LENGTH, LABEL_LENGTH = 80, 48

NAME = re.compile(
    r"\w(?:[\w =+,-]{0,148}[\w=+,-])?"
)  # a file's name everywhere; no dot: it starts the ending
NUMBER = r"[+-]?\d+(?:\.\d+)?"
RANGE = re.compile(rf"\s*({NUMBER})\s*\.\.\s*({NUMBER})(?:\s+by\s+({NUMBER}))?\s*")

Row = dict[str, Any]
"""What one line of a table says: `name`, and values by `TITLE.INPUT`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One run of the workflow: its name, what it sets, and the graph that does so."""

    name: str
    settings: dict[str, Any]
    graph: Graph

    def digest(self) -> str:
        """Changes when anything changes that the run depends on."""
        return hashlib.sha256(json.dumps(self.graph, sort_keys=True).encode()).hexdigest()


def plan(graph: Graph, rows: list[Row], batch: str) -> list[Job]:
    """Every job of the table, in order; what is saved on the server goes into folder `batch`."""
    jobs: list[Job] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        try:
            for name, settings in expand(graph, row):
                if name.casefold() in seen:  # files' names, on some systems
                    raise PlanError(f"{name!r} is already the name of row {seen[name.casefold()]}")
                seen[name.casefold()] = number
                jobs.append(Job(name=name, settings=settings, graph=fill(graph, settings)))
                name_files(jobs[-1], f"{batch}/{name}")
                if len(jobs) > MOST_JOBS:
                    raise PlanError(f"more than {MOST_JOBS} jobs: split the table")
        except PlanError as error:
            raise PlanError(f"row {number}: {error}") from error
    if not jobs:
        raise PlanError("the table has no rows")
    return jobs


def expand(graph: Graph, row: Row) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and settings of each job of a row: the product of its ranges and lists."""
    given = {key: value for key, value in row.items() if key != "name"}
    places = [find_input(graph, key) for key in given]
    for place, key in zip(places, given, strict=True):
        if places.count(place) > 1:
            raise PlanError(f"{key!r} is set twice")
    axes = [
        choices(key, value, graph[node]["inputs"][part])
        for (key, value), (node, part) in zip(given.items(), places, strict=True)
    ]
    if math.prod(map(len, axes)) > MOST_JOBS:
        raise PlanError(f"more than {MOST_JOBS} jobs: split the table")
    varying = [key for key, axis in zip(given, axes, strict=True) if len(axis) > 1]
    for values in itertools.product(*axes):
        settings = dict(zip(given, values, strict=True))
        yield job_name(row.get("name"), settings, varying), settings


def choices(key: str, value: object, present: object) -> list[Any]:
    """The values that a cell stands for; `present` is the workflow's own, and gives the kind."""
    if isinstance(value, list):
        if not value:
            raise PlanError(f"{key!r} has an empty list: give a value or leave it out")
        return [converted(key, item, present) for item in value]
    if is_number(present) and isinstance(value, str) and (found := RANGE.fullmatch(value)):
        return numbers(key, *found.groups())
    return [converted(key, value, present)]


def numbers(key: str, first: str, last: str, by: str | None) -> list[int | float]:
    """From `first` to `last`, both included, exact in decimals."""
    start, stop, step = Decimal(first), Decimal(last), abs(Decimal(by or 1))
    if not step:
        raise PlanError(f"{key!r} has a range by 0: give a step above 0")
    count = int(abs(stop - start) / step) + 1
    if count > MOST_JOBS:
        raise PlanError(f"{key!r} has {count} values; {MOST_JOBS} is the most")
    kind = float if "." in first + last + (by or "") else int
    return [kind(start + (step if stop >= start else -step) * at) for at in range(count)]


def converted(key: str, value: object, present: object) -> object:
    """`value` in the kind that the workflow has in this place."""
    if isinstance(present, bool):
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        return require(key, value, isinstance(value, bool), "true or false")
    if is_number(present):
        if isinstance(value, str) and re.fullmatch(NUMBER, value.strip()):
            return float(value) if "." in value else int(value)
        fits = is_number(value) and math.isfinite(float(str(value)))
        return require(key, value, fits, "a number, or a range such as 1..4 or 0..1 by 0.25")
    if isinstance(present, str):
        return require(key, value, isinstance(value, str), "text: put it in quotes")
    return value


def require(key: str, value: object, fits: bool, wanted: str) -> object:
    if not fits:
        raise PlanError(f"{key!r} is {value!r}, and takes {wanted}")
    return value


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def job_name(given: object, settings: dict[str, Any], varying: list[str]) -> str:
    """The given name, and what varies; without one, the settings, told apart by their digest."""
    if given is not None and not (
        isinstance(given, str) and len(given) <= GIVEN_LENGTH and NAME.fullmatch(given)
    ):
        raise PlanError(
            f"{given!r} is no name for files: up to 80 letters, digits, spaces, _ - = + ,"
        )
    told = [settings[key] for key in (settings if given is None else varying)]
    parts = [re.sub(r"[^\w.]+", "_", str(value)).strip("_.") for value in told]
    label = "-".join(filter(None, parts)).replace(".", "p")
    exact = len(label) <= LABEL_LENGTH and all(re.fullmatch(r"[\w.]+", str(v)) for v in told)
    if not exact or given is None:
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
        label = "-".join(filter(None, [label[:LABEL_LENGTH], digest]))
    return "-".join(filter(None, [given, label]))


def fill(graph: Graph, settings: dict[str, Any]) -> Graph:
    """A copy of the graph with the settings in their places."""
    filled = copy.deepcopy(graph)
    for name, value in settings.items():
        node, part = find_input(graph, name)
        filled[node]["inputs"][part] = value
    return filled


def name_files(job: Job, prefix: str) -> None:
    """Lets every node that saves under a prefix use the job's, so that each job saves anew."""
    chosen = {find_input(job.graph, name) for name in job.settings}
    for key, node in job.graph.items():
        place = (key, "filename_prefix")
        if isinstance(node["inputs"].get("filename_prefix"), str) and place not in chosen:
            node["inputs"]["filename_prefix"] = prefix


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV, JSON lines or YAML file; PlanError when it is none of them."""
    readers = {".csv": csv_rows, ".jsonl": jsonl_rows, ".yaml": yaml_rows, ".yml": yaml_rows}
    if path.suffix.lower() not in readers:
        raise PlanError(f"{path.name} is no table of jobs: use .csv, .jsonl or .yaml")
    try:
        rows = readers[path.suffix.lower()](path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise PlanError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, csv.Error, yaml.YAMLError) as error:
        raise PlanError(f"cannot read {path.name}: {error}") from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not all(isinstance(key, str) for key in row):
            raise PlanError(f"row {number} of {path.name} does not set inputs by name")
    return rows


def csv_rows(text: str) -> list[Row]:
    """An empty cell leaves the workflow's value; a cell such as `[1, 2]` is a list."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise PlanError(f"line {reader.line_num} has more or fewer cells than the first line")
        rows.append({key.strip(): cell_value(cell) for key, cell in row.items() if cell})
    return rows


def cell_value(cell: str) -> str | list[Any]:
    if cell.startswith("["):
        try:
            return json.loads(cell)
        except ValueError:
            return cell  # text that happens to open with a bracket
    return cell


def jsonl_rows(text: str) -> list[Row]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def yaml_rows(text: str) -> list[Row]:
    rows = yaml.safe_load(text)
    if not isinstance(rows, list):
        raise PlanError("the YAML is not a list of jobs: begin each with a dash")
    return rows
