"""`measure edits` on the trained Wan: seams, drift and texture by each method, with their bars."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sora_core.measure.report import Figure

from .bench import BenchSettings, HostWanBench, pack_core
from .training import wan_file

METHODS = {"replacement": "t2v", "channels": "i2v", "ours": ""}
OPERATIONS = ("image", "forward", "backward", "fill", "connect", "loop", "chain")
SEAM_BAR, DRIFT_BAR, TEXTURE_BAR = 1.5, 1.0, 0.02
BARRED_SEAMS = ("forward", "backward", "connect", "loop")
BARS = {f"{name}_seam_pixels_median": SEAM_BAR for name in BARRED_SEAMS} | {
    "chain_colour_drift_per_link": DRIFT_BAR,
    "chain_texture_change_per_link": TEXTURE_BAR,
}
REPORTED = ("_seam_pixels_", "_seam_flow_median", "_seam_colour_median", "chain_", "_kept_latent")

Log = Callable[[str], None]


def measure_method(
    method: str,
    folder: Path,
    operations: Sequence[str],
    count: int,
    settings: BenchSettings,
    sheets: Path | None,
    log: Log,
) -> list[Any]:
    """The claims of `method` on `count` held-out clips; bars are those for the trained Wan."""
    path = wan_file(METHODS[method] or "t2v", folder)
    bench: Any = HostWanBench(path, [], settings, log)
    bench.clips = list(pack_core("measure.heldout_clips").heldout_clips(count))
    report = pack_core("measure.edit_report")
    if method == "ours":
        runner = pack_core("measure.edit_cases").EditRunner
        bench = runner(bench.pipeline, bench.reader, bench.clips, settings.steps, 1, log)
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
    claims = report.claims(bench, operations, None, sheets)
    reported = [claim for claim in claims if any(part in claim.figure.name for part in REPORTED)]
    return [replace(claim, bound=BARS.get(claim.figure.name), at_least=False) for claim in reported]


def figures_of(method: str, claims: Sequence[Any]) -> list[Figure]:
    """The figures of `claims`, with the method in their names."""
    return [
        Figure(f"{method}/{claim.figure.name}", claim.figure.value, claim.figure.unit)
        for claim in claims
    ]
