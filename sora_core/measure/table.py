"""The table of all claims about edits, made operation by operation."""

from collections.abc import Collection
from pathlib import Path

from .bench import Bench
from .claims import (
    Claim,
    appearing_claims,
    colour_claims,
    drift_claims,
    kept_claims,
    seam_claims,
    untouched_claims,
)
from .edits import OPERATIONS
from .sheets import write_chains, write_edits

EDITS = (*OPERATIONS, "chain", "colour")


def claims(
    bench: Bench,
    operations: Collection[str] = EDITS,
    firmness: float | None = None,
    sheets: Path | None = None,
) -> list[Claim]:
    """What each of `operations` was found to do; pictures of the first four go to `sheets`.

    Without a `firmness`, the one for the change of colour is found on other clips first.
    """
    table, joins = [], set()
    for name in OPERATIONS:
        if name not in operations:
            continue
        edits = bench.edits(name)
        if edits[0].kept:
            table += kept_claims(name, edits)
        table += seam_claims(name, edits)
        if name == "backward":
            table += appearing_claims(bench, edits)
        joins.update(edits[0].seams.joins)
        if sheets:
            write_edits(name, edits, sheets)
    if joins:
        table += untouched_claims(bench, sorted(joins))
    if "chain" in operations:
        chains = bench.chains()
        table += drift_claims(bench, chains)
        if sheets:
            write_chains(chains, [take.caption for take in bench.clips], sheets)
    if "colour" in operations:
        if firmness is None:
            firmness = bench.best_firmness(max(1, len(bench.clips) // 2))
        edits = bench.recoloured(bench.clips, firmness)
        table += colour_claims(bench, edits, firmness)
        if sheets:
            write_edits("colour", edits, sheets)
    return table
