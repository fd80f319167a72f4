"""JSON in which a key given twice, and nesting without end, are errors and not silence."""

import json
from typing import Any

from tools.batch.text import describe

MAX_DEPTH = 64


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401
    """The value of `text`; ValueError if it is not JSON, repeats a key or is too deep."""
    try:
        value = json.loads(text, object_pairs_hook=unique_keys)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None
    check_depth(value)
    return value


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The table that `pairs` form, as `object_pairs_hook`; ValueError if a key occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {describe(twice)} is given twice")
    return found


def check_depth(value: object) -> None:
    """ValueError if lists and tables are nested more than MAX_DEPTH deep."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(f"nested more than {MAX_DEPTH} deep")
