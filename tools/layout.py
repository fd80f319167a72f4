"""Where the nodes of a graph lie: in columns from left to right that fit a window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GAP = 40  # pixels between columns
ROW_GAP = 24  # between a node and the title of the next
TITLE = 30  # pixels that a title takes above its node
START = (40, 70)  # where the first node lies

Links = Sequence[tuple[str, str]]
Place = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """Width and height in pixels of the graph, without the title."""

    width: float
    height: float


@dataclass
class Column:
    nodes: list[str]
    width: float = 0
    height: float = 0

    def fits(self, box: Box, limit: float) -> bool:
        return not self.nodes or self.height + ROW_GAP + TITLE + box.height <= limit

    def add(self, node: str, box: Box) -> None:
        self.height += TITLE + box.height + (ROW_GAP if self.nodes else 0)
        self.width = max(self.width, box.width)
        self.nodes.append(node)


def places_in(window: Box, boxes: Mapping[str, Box], links: Links) -> dict[str, Place]:
    """The upper left corner of each node: as low and narrow as columns of one height allow.

    `window` is what the page shows, at any zoom: of all heights of a column, that is taken whose
    whole fits the shape of the window best. No node lies left of one that it depends on.
    """
    order = by_depth(boxes, links)
    tallest = max(TITLE + box.height for box in boxes.values())
    whole = sum(TITLE + ROW_GAP + box.height for box in boxes.values())
    limits = {tallest + (whole - tallest) * i / 60 for i in range(61)}
    tried = [columns_of(order, boxes, links, limit) for limit in sorted(limits)]
    return places_of(min(tried, key=lambda columns: shrinking(columns, window)), boxes)


def shrinking(columns: Sequence[Column], window: Box) -> float:
    """How many times larger than the window the columns are."""
    width = sum(column.width for column in columns) + GAP * (len(columns) - 1)
    return max(width / window.width, max(column.height for column in columns) / window.height)


def by_depth(boxes: Mapping[str, Box], links: Links) -> list[str]:
    """The nodes from first to last: each just before the first that depends on it."""
    after: dict[str, list[str]] = {node: [] for node in boxes}
    for source, target in links:
        after[source].append(target)
    depth: dict[str, int] = {}

    def from_end(node: str) -> int:
        if node not in depth:
            depth[node] = 1 + max(map(from_end, after[node]), default=0)
        return depth[node]

    numbers = {node: i for i, node in enumerate(boxes)}
    return sorted(boxes, key=lambda node: (-from_end(node), numbers[node]))


def columns_of(
    order: Sequence[str], boxes: Mapping[str, Box], links: Links, limit: float
) -> list[Column]:
    """Columns of at most `limit` pixels, filled in order.

    A node joins the last column, or the one before where it is free to and there is space.
    """
    sources: dict[str, list[str]] = {node: [] for node in order}
    for source, target in links:
        sources[target].append(source)
    columns, at = [Column([])], dict[str, int]()
    for node in order:
        first = max((at[source] for source in sources[node]), default=0)
        last = len(columns) - 1
        tried = [i for i in (last - 1, last) if i >= first]
        i = next((i for i in tried if columns[i].fits(boxes[node], limit)), last + 1)
        if i > last:
            columns.append(Column([]))
        columns[i].add(node, boxes[node])
        at[node] = i
    return columns


def places_of(columns: Sequence[Column], boxes: Mapping[str, Box]) -> dict[str, Place]:
    """The corner of each node of `columns`."""
    places, (x, top) = {}, START
    for column in columns:
        y = top
        for node in column.nodes:
            places[node] = (x, y)
            y += boxes[node].height + ROW_GAP + TITLE
        x += column.width + GAP
    return places
