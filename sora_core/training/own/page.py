"""The report of a run as one self-contained HTML page with pictures and curves.

The page has no script and opens from any disk; the browser's zoom enlarges the pictures.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ...files import replacing
from .history import LossCurve

CHART_WIDTH, CHART_HEIGHT, CHART_MARGIN = 720, 240, 48
LINE_COLOURS = ("#1769aa", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#475569")
MOST_POINTS = 400
PAGE_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em;
  color: #1e1e22; background: #fafaf8 }
img { max-width: 100%; image-rendering: pixelated }
table { border-collapse: collapse }
td, th { padding: .15em .8em .15em 0; text-align: left }
.warning { background: #fff3cd; border-left: 4px solid #c2410c; padding: .6em 1em }
svg { max-width: 100%; height: auto; background: #fff }
figure { margin: 1em 0 }
figcaption { color: #555 }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6ea; background: #18181b }
  svg { background: #27272a }
  .warning { background: #422006 }
  figcaption { color: #aaa }
}
"""


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves by name over the steps, in one picture; `logarithmic` sets the scale of the values."""

    title: str
    curves: Mapping[str, LossCurve]
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The contents of the page: `pictures` are files with their captions, newest first."""

    title: str
    facts: Mapping[str, str]
    warnings: Sequence[str]
    charts: Sequence[Chart]
    pictures: Sequence[tuple[Path, str]]


def write_page(path: Path, report: Report) -> None:
    """Writes `report` to `path` atomically, as a page that needs no other file."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>{escape(report.title)}</title><style>{PAGE_STYLE}</style>",
        f"<h1>{escape(report.title)}</h1>",
    ]
    parts += [f"<p class=warning role=alert>{escape(warning)}</p>" for warning in report.warnings]
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in report.facts.items()
    )
    parts.append(f"<table>{rows}</table>")
    parts += [
        f"<figure>{svg(chart)}<figcaption>{escape(chart.title)}</figcaption></figure>"
        for chart in report.charts
        if any(chart.curves.values())
    ]
    for picture, caption in report.pictures:
        data = base64.b64encode(picture.read_bytes()).decode("ascii")
        parts.append(
            f"<figure><img alt='{escape(caption, quote=True)}' src='data:image/png;base64,{data}'>"
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    with replacing(path) as unfinished:
        unfinished.write_text("\n".join(parts) + "\n", encoding="utf-8")


def svg(chart: Chart) -> str:
    """The curves of `chart` as an SVG element, with axes, ticks and a legend."""
    curves = {name: thinned(curve) for name, curve in chart.curves.items() if curve}
    points = [point for curve in curves.values() for point in curve if math.isfinite(point[1])]
    if not points:
        return ""

    def height(value: float) -> float:
        return math.log10(max(value, 1e-12)) if chart.logarithmic else value

    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(height(y) for _, y in points), max(height(y) for _, y in points)
    spread = high - low or max(abs(high), 1.0) * 0.1
    low, high = low - 0.05 * spread, high + 0.05 * spread

    def place(x: float, y: float) -> tuple[float, float]:
        right = CHART_MARGIN + (x - first) / max(last - first, 1) * (CHART_WIDTH - 2 * CHART_MARGIN)
        up = (y - low) / (high - low) * (CHART_HEIGHT - 2 * CHART_MARGIN)
        return round(right, 1), round(CHART_HEIGHT - CHART_MARGIN - up, 1)

    parts = [
        f"<svg role=img viewBox='0 0 {CHART_WIDTH} {CHART_HEIGHT}' fill=none "
        f"font-size=12 font-family=system-ui><title>{escape(chart.title)}</title>"
    ]
    for i in range(4):
        y = low + (high - low) * i / 3
        _, top = place(first, y)
        label = f"{10**y if chart.logarithmic else y:.3g}"
        parts.append(
            f"<path d='M{CHART_MARGIN} {top}H{CHART_WIDTH - CHART_MARGIN}' stroke='#8884'/>"
            f"<text x=4 y={top + 4} fill='#888'>{label}</text>"
        )
    for x in dict.fromkeys((first, (first + last) // 2, last)):
        along, _ = place(x, low)
        parts.append(
            f"<text x={along} y={CHART_HEIGHT - CHART_MARGIN + 18} fill='#888' "
            f"text-anchor=middle>{x}</text>"
        )
    for i, (name, curve) in enumerate(curves.items()):
        colour = LINE_COLOURS[i % len(LINE_COLOURS)]
        line = " ".join("{},{}".format(*place(x, height(y))) for x, y in curve if math.isfinite(y))
        parts.append(f"<polyline points='{line}' stroke='{colour}' stroke-width=2 />")
        parts.append(
            f"<text x={CHART_MARGIN + 150 * (i % 4)} y={14 + 14 * (i // 4)} fill='{colour}'>"
            f"{escape(name)}</text>"
        )
    return "".join(parts) + "</svg>"


def thinned(curve: LossCurve) -> LossCurve:
    """`curve` with at most MOST_POINTS points, each the mean of its neighbourhood."""
    if len(curve) <= MOST_POINTS:
        return curve
    size = math.ceil(len(curve) / MOST_POINTS)
    groups = [curve[i : i + size] for i in range(0, len(curve), size)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def duration(seconds: float) -> str:
    """`seconds` for people, such as 1 h 20 min."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
