"""The report of a training as a user opens it: one file from the disk, without any network."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from sora_core.training.distributed import Ranks
from tests.support.own_runs import GroupRuns, small_plan, small_settings

pytestmark = pytest.mark.browser

LABELS = """() => [...document.querySelectorAll('svg')].map(chart => {
    const {left, right, top, bottom} = chart.getBoundingClientRect()
    const texts = [...chart.querySelectorAll('text')]
    const inside = texts.every(text => {
        const box = text.getBoundingClientRect()
        return box.left >= left - 1 && box.right <= right + 1 && box.top >= top - 1
            && box.bottom <= bottom + 1 && box.height >= 8
    })
    return [inside, texts.map(text => text.textContent), chart.querySelectorAll('polyline').length]
})"""
PICTURES = "() => [...document.images].map(image => [image.complete, image.naturalWidth])"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small run, alone in another folder."""
    folder = tmp_path_factory.mktemp("own")
    group = GroupRuns(small_plan(folder), folder / "cache", {})
    result = group.one(folder / "run", small_settings(folder), Ranks())
    return Path(shutil.copy(result.report, tmp_path_factory.mktemp("alone") / "report.html"))


@pytest.mark.parametrize("width", [1600, 480], ids=["desktop", "phone"])
def test_the_report_is_one_page_with_pictures_and_labelled_charts(
    browser: Browser, report: Path, width: int
):
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked, broken = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda message: broken.append(message.text))
    page.goto(report.as_uri())
    charts, pictures = page.evaluate(LABELS), page.evaluate(PICTURES)
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert broken == []
    assert len(pictures) == 3  # of two validations, and the true clips
    assert all(complete and size > 0 for complete, size in pictures)
    assert len(charts) == 7
    for inside, texts, lines in charts:
        assert lines >= 1 and "step" in texts and {"loss", "of 255", "ratio"} & set(texts)
        assert inside, texts
    assert wide <= width
