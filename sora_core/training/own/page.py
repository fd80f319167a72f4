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

CHART_WIDTH, CHART_HEIGHT, CHART_MARGIN = 560, 230, 46
MOST_TICKS = 5
PICTURE_SCALE = 2  # clips of 64 pixels are small on a screen
LINE_COLOURS = ("#1769aa", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#475569")
MOST_POINTS = 400
PAGE_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1240px; margin: 2em auto; padding: 0 1em;
  color: #1e1e22; background: #fafaf8 }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr));
  gap: 0 1.5em }
img { max-width: 100%; image-rendering: pixelated }
table { border-collapse: collapse }
td, th { padding: .15em .8em .15em 0; text-align: left }
.warning { background: #fff3cd; border-left: 4px solid #c2410c; padding: .6em 1em }
svg { max-width: 100%; height: auto; background: #fff }
.axis { fill: currentColor; opacity: .75 }
figure { margin: 1em 0 }
figcaption { font-weight: 600 }
figcaption small { display: block; font-weight: 400; color: #555 }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6ea; background: #18181b }
  svg { background: #27272a }
  polyline, circle, .legend { filter: brightness(1.6) }
  .warning { background: #422006 }
  figcaption small { color: #aaa }
}
"""


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves by name over the steps, in one picture; `logarithmic` sets the scale of the values.

    `unit` names the vertical axis, `meaning` explains the values in a sentence. A dashed line is at
    the step `marked`.
    """

    title: str
    unit: str
    curves: Mapping[str, LossCurve]
    logarithmic: bool = False
    meaning: str = ""
    marked: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The contents of the page: `pictures` are files with their captions, newest first.

    `references` are pictures to compare them with.
    """

    title: str
    facts: Mapping[str, str]
    warnings: Sequence[str]
    charts: Sequence[Chart]
    pictures: Sequence[tuple[Path, str]]
    references: Sequence[tuple[Path, str]] = ()


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
    for picture, caption in (*report.pictures[:1], *report.references):
        parts.append(figure(caption, "", image(picture, caption)))
    parts.append("<div class=charts>")
    parts += [
        figure(chart.title, chart.meaning, svg(chart))
        for chart in report.charts
        if any(chart.curves.values())
    ]
    parts.append("</div>")
    parts += [
        figure(caption, "", image(picture, caption)) for picture, caption in report.pictures[1:]
    ]
    with replacing(path) as unfinished:
        unfinished.write_text("\n".join(parts) + "\n", encoding="utf-8")


def figure(title: str, meaning: str, content: str) -> str:
    """`content` below its title and what it means."""
    more = f"<small>{escape(meaning)}</small>" if meaning else ""
    return f"<figure><figcaption>{escape(title)}{more}</figcaption>{content}</figure>"


def image(picture: Path, caption: str) -> str:
    """The PNG at `picture` as an element that holds its bytes, at PICTURE_SCALE."""
    content = picture.read_bytes()
    width = int.from_bytes(content[16:20], "big")  # of the IHDR chunk, which is the first
    data = base64.b64encode(content).decode("ascii")
    return (
        f"<img width={PICTURE_SCALE * width} alt='{escape(caption, quote=True)}' "
        f"src='data:image/png;base64,{data}'>"
    )


def ticks(low: float, high: float) -> list[float]:
    """Round values within `low` and `high`, at most MOST_TICKS of them: multiples of 1, 2 or 5."""
    rough = max((high - low) / (MOST_TICKS - 1), 1e-12)
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round values within ten to the power of `low` and `high`, for a logarithmic axis.

    The finest of these that has few enough: 1, 2 and 5 times powers of ten, or powers of ten. Where
    even the first has less than two, multiples of a round value.
    """
    powers = range(math.floor(low), math.floor(high) + 1)
    fine = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    fine = [value for value in fine if low <= math.log10(value) <= high]
    if len(fine) < 2:
        return [value for value in ticks(10**low, 10**high) if value > 0]
    if len(fine) <= MOST_TICKS + 1:
        return fine
    whole = [10.0**power for power in powers if low <= power]
    return whole[:: math.ceil(len(whole) / MOST_TICKS)]


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
        f"<path d='M{CHART_MARGIN} {CHART_MARGIN}V{CHART_HEIGHT - CHART_MARGIN}"
        f"H{CHART_WIDTH - CHART_MARGIN}' stroke=currentColor />"
        f"<text x=4 y={CHART_MARGIN - 12} class=axis>{escape(chart.unit)}</text>"
        f"<text x={CHART_WIDTH - CHART_MARGIN} y={CHART_HEIGHT - 8} class=axis "
        f"text-anchor=end>step</text>"
    ]
    for value in log_ticks(low, high) if chart.logarithmic else ticks(low, high):
        _, top = place(first, height(value))
        label = f"{value:.9g}"  # ticks of a narrow range differ in the fourth digit
        parts.append(
            f"<path d='M{CHART_MARGIN} {top}H{CHART_WIDTH - CHART_MARGIN}' stroke='#8884'/>"
            f"<text x={CHART_MARGIN - 6} y={top + 4} class=axis text-anchor=end>{label}</text>"
        )
    for x in dict.fromkeys(map(round, ticks(first, last))):
        along, _ = place(x, low)
        parts.append(
            f"<text x={along} y={CHART_HEIGHT - CHART_MARGIN + 18} class=axis "
            f"text-anchor=middle>{x}</text>"
        )
    if chart.marked is not None and first <= chart.marked <= last:
        along, _ = place(chart.marked, low)
        left = along < CHART_WIDTH / 2
        aside = f"x={along + 4}" if left else f"x={along - 4} text-anchor=end"
        parts.append(
            f"<path d='M{along} {CHART_MARGIN}V{CHART_HEIGHT - CHART_MARGIN}' "
            f"stroke=currentColor stroke-dasharray='4 4'/><text {aside} "
            f"y={CHART_MARGIN + 10} class=axis>least, step {chart.marked}</text>"
        )
    for i, (name, curve) in enumerate(curves.items()):
        colour = LINE_COLOURS[i % len(LINE_COLOURS)]
        line = " ".join("{},{}".format(*place(x, height(y))) for x, y in curve if math.isfinite(y))
        parts.append(f"<polyline points='{line}' stroke='{colour}' stroke-width=2 />")
        if line:
            x, y = line.rsplit(" ", 1)[-1].split(",")
            parts.append(f"<circle cx={x} cy={y} r=3 fill='{colour}' />")
        parts.append(
            f"<text x={CHART_MARGIN + 120 * (i % 4)} y={14 + 14 * (i // 4)} fill='{colour}' "
            f"class=legend>"
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
