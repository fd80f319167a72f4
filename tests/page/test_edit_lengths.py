"""The page plans each edit as the core makes it: `tests/edits.json`, which both read."""

import json
from pathlib import Path

import pytest

from tests.page.modules import call

CASES = json.loads((Path(__file__).resolve().parents[1] / "edits.json").read_text("utf-8"))

PLANNED = """{
    const canvas = {type: 'SoraCanvas', values: {seconds: 9, fps: 8}, from: () => null}
    const clip = seconds => ({type: 'LoadVideo', values: {}, from: () => null, media: {seconds}})
    const clips = Object.fromEntries(
        Object.entries(given.clips).map(([name, seconds]) => [name, clip(seconds)]))
    const plan = module.planOf({type: given.node, values: given.values,
        from: input => input === 'canvas' ? canvas : clips[input] ?? null})
    const ends = bar => [bar.start, bar.end]
    return {seconds: plan.seconds, ring: plan.ring,
        bars: plan.bars.filter(bar => !bar.open).map(ends),
        open: plan.bars.filter(bar => bar.open).map(ends)}
}"""


@pytest.fixture(scope="module")
def planned():
    names = [case["name"] for case in CASES]
    return dict(zip(names, call("plan.js", PLANNED, CASES), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_page_plans_an_edit_as_long_as_the_core_makes_it(case, planned):
    plan = planned[case["name"]]
    assert plan["seconds"] == pytest.approx(case["seconds"])
    assert plan["ring"] == case.get("ring", False)
    assert plan["bars"] == [pytest.approx(each) for each in case["bars"]]
    assert plan["open"] == ([pytest.approx(case["open"])] if "open" in case else [])
