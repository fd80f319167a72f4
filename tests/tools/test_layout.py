"""Nodes are laid out from left to right, none on another, all within a page."""

import json
import random

import pytest

from tools.draw_workflows import CORNER, PREFIX, SMALLEST
from tools.host import ROOT
from tools.layout import START, TITLE, Box, by_depth, places_in

WINDOW = Box(1500, 830)
DRAWN = sorted(ROOT.glob(f"workflows/{PREFIX}*.json"))
PAGE = (1600, 1000)


def random_graph(seed):
    """Boxes of nodes, and links from earlier to later ones."""
    chosen = random.Random(seed)
    names = [str(i) for i in range(chosen.randint(1, 20))]
    boxes = {n: Box(chosen.randint(140, 420), chosen.randint(40, 520)) for n in names}
    links = [
        (names[chosen.randrange(i)], name)
        for i, name in enumerate(names)
        if i
        for _ in range(chosen.randint(0, 3))
    ]
    return boxes, links


@pytest.mark.parametrize("seed", range(40))
def test_no_node_lies_on_another_or_left_of_one_it_depends_on(seed):
    boxes, links = random_graph(seed)
    places = places_in(WINDOW, boxes, links)
    assert set(places) == set(boxes)
    spans = [(*places[n], b.width, b.height) for n, b in boxes.items()]
    for i, (x, y, width, height) in enumerate(spans):
        for left, top, other_width, other_height in spans[:i]:
            beside = x + width <= left or left + other_width <= x
            above = y + height + TITLE <= top or top + other_height + TITLE <= y
            assert beside or above
    for source, target in links:
        same, below = places[source][0] == places[target][0], places[source] < places[target]
        assert below or (not same and places[source][0] < places[target][0])


def test_the_first_node_lies_in_the_corner_and_depth_orders_the_rest():
    boxes = {name: Box(200, 100) for name in "abc"}
    links = [("b", "a"), ("a", "c")]
    assert by_depth(boxes, links) == ["b", "a", "c"]
    assert places_in(WINDOW, boxes, links)["b"] == START


def test_a_chain_is_shaped_like_its_window():
    boxes = {str(i): Box(200, 100) for i in range(12)}
    links = [(str(i), str(i + 1)) for i in range(11)]
    places = places_in(WINDOW, boxes, links)
    columns, rows = (len({place[i] for place in places.values()}) for i in (0, 1))
    assert 3 <= columns <= 5 and 3 <= rows <= 4


@pytest.mark.parametrize("path", DRAWN, ids=[path.stem for path in DRAWN])
def test_a_template_opens_with_all_of_it_on_a_page_of_1600_by_1000(path):
    drawn = json.loads(path.read_text("utf-8"))
    view = drawn["extra"]["ds"]
    for node in drawn["nodes"]:
        for axis in (0, 1):
            start, end = node["pos"][axis], node["pos"][axis] + node["size"][axis]
            pixels = [(at + view["offset"][axis]) * view["scale"] for at in (start, end)]
            assert CORNER[axis] <= pixels[0] and pixels[1] <= PAGE[axis], node["type"]
    assert view["scale"] > SMALLEST
