"""A template opens as an app on the newest front end: prompt, timeline, a button, a video."""

import aiohttp
import pytest

from tests.browser.visit import keep_picture, open_template
from tools.page import visit

pytestmark = pytest.mark.browser

CENTER = "[data-testid=linear-center-panel]"
RUN_MS = 240_000
RUN = "[data-testid=linear-run-button-icon]"


@pytest.fixture
def app_page(browser, server, newest):
    """A page of its own for each app: what introduces apps lies over the next template's card."""
    page = visit(browser, server.client, frontend=newest)
    yield page
    page.close()


def close_introduction(page):
    """The page introduces its apps once, over everything else."""
    over = page.get_by_test_id("coach-landing-overlay")
    page.wait_for_timeout(1500)
    if over.count():
        page.keyboard.press("Escape")
        over.wait_for(state="hidden")


def test_a_template_opens_as_an_app_with_its_prompt_and_a_button(app_page):
    open_template(app_page, "text_to_video", as_app=True)
    app_page.locator(RUN).first.wait_for()
    close_introduction(app_page)
    prompts = [area.input_value() for area in app_page.locator("textarea:visible").all()]
    assert sum("ball" in prompt for prompt in prompts) == 1
    keep_picture(app_page, "app_text_to_video")
    assert app_page.broken == []


def test_a_timeline_is_part_of_the_app(app_page):
    open_template(app_page, "extend_video", as_app=True)
    close_introduction(app_page)
    timeline = app_page.locator(".sora-timeline")
    timeline.first.wait_for()
    keep_picture(app_page, "app_extend_video")
    assert timeline.first.bounding_box()["width"] > 150


def test_the_button_of_an_app_makes_a_video(app_page, client):
    try:
        client.get("/api/jobs")
    except aiohttp.ClientResponseError:
        pytest.skip("apps of the newest page show results of newer ComfyUIs: use --comfyui")
    open_template(app_page, "text_to_video", as_app=True)
    close_introduction(app_page)
    app_page.locator(RUN).first.click()
    app_page.locator(f"{CENTER} video").first.wait_for(timeout=RUN_MS)
    keep_picture(app_page, "app_text_to_video_done")
