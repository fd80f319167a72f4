"""Rows of a table file: CSV as spreadsheets write it, JSON lines or YAML."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.batch.strict_json import parse_json
from tools.batch.text import describe, printable
from tools.batch.workflow import PlanError, read_file
from tools.batch.yaml_rows import yaml_rows

Row = dict[str, Any]
"""One line of a table: `name`, and values by `TITLE.INPUT`."""

MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # Excel's "Unicode text"
SEPARATORS = ",;\t"


def read_rows(path: Path, encoding: str | None = None) -> list[Row]:
    """The rows of a CSV, JSON lines or YAML file; PlanError when it is none of them.

    Text is UTF-8, or UTF-16 with a byte order mark, or in the code page `encoding`.
    """
    readers: dict[str, Callable[[str], list[Row]]] = {
        ".csv": csv_rows,
        ".tsv": csv_rows,
        ".jsonl": jsonl_rows,
        ".yaml": yaml_rows,
        ".yml": yaml_rows,
    }
    name = printable(path.name)
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise PlanError(f"{name} is no table of jobs: use .csv, .jsonl or .yaml")
    try:
        rows = reader(decoded(read_file(path), name, encoding))
    except (ValueError, csv.Error) as error:
        raise PlanError(f"cannot read {name}: {printable(str(error), 300)}") from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise PlanError(f"row {number} of {name} does not set inputs by name")
    return rows


def decoded(content: bytes, name: str, encoding: str | None) -> str:
    """The text of a file, without its byte order mark."""
    marked = MARKS.get(content[:2]) or "utf-8-sig"
    try:
        text = content.decode(encoding or marked)
    except LookupError as error:
        raise PlanError(
            f"--encoding {describe(encoding)} is no encoding; cp1252 and gbk are"
        ) from error
    except UnicodeError as error:
        known = f"--encoding {encoding}" if encoding else marked.removesuffix("-sig").upper()
        raise PlanError(
            f"{name} is not text in {known}: save it as 'CSV UTF-8', or name its code page with"
            " --encoding, such as cp1252 (Western), gbk (Chinese) or cp932 (Japanese)"
        ) from error
    if "\0" in text:
        raise PlanError(f"{name} holds NUL characters: it is no text, or UTF-16 without a mark")
    return text.removeprefix("\ufeff")


def csv_rows(text: str) -> list[Row]:
    """An empty cell leaves the workflow's value; a cell such as `[1, 2]` is a list.

    Columns are separated by `,`, `;` or a tab: the one in Excel's first line `sep=;`, or else the
    one that the header has most of.
    """
    first, _, rest = text.partition("\n")
    separator = None
    if first.strip().strip('"').lower().startswith("sep="):
        separator = first.strip().strip('"')[4:5] or "\t"
        if separator not in SEPARATORS:
            raise PlanError(
                f"sep= names {describe(separator)}, which separates no columns: use , ; or a tab"
            )
        text = rest
    if separator is None:
        header = text.lstrip("\r\n").partition("\n")[0]
        separator = max(SEPARATORS, key=unquoted(header).count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    filled = (cells for cells in reader if any(cells))
    header = [name.strip() for name in next(filled, [])]
    while header and not header[-1]:
        header.pop()  # a spreadsheet writes columns that were emptied
    check_header(header)
    rows = []
    for cells in filled:
        if len(cells) < len(header) or any(cells[len(header) :]):
            line = reader.line_num
            raise PlanError(f"line {line} has more or fewer cells than the first line")
        rows.append(
            {key: cell_value(cell) for key, cell in zip(header, cells, strict=False) if cell}
        )
    return rows


def unquoted(header: str) -> str:
    return "".join(header.split('"')[::2])


def check_header(header: list[str]) -> None:
    """PlanError if a column has no name, or the name of another."""
    for at, name in enumerate(header, 1):
        if not name:
            raise PlanError(f"column {at} has no name: write TITLE.INPUT in the first line")
        if header.count(name) > 1:
            raise PlanError(f"the column {describe(name)} is there twice: remove one")


def cell_value(cell: str) -> str | list[Any]:
    """The list in a cell that is a JSON array; the text of any other cell."""
    if not cell.startswith("["):
        return cell
    try:
        return parse_json(cell)
    except ValueError:
        return cell  # text that happens to open with a bracket


def jsonl_rows(text: str) -> list[Row]:
    """One row for each line that is not blank; PlanError names a line that is not JSON."""
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(parse_json(line))
            except ValueError as error:
                raise PlanError(f"line {number} is not JSON: {error}") from error
    return rows
