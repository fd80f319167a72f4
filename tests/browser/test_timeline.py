"""The timeline on canvas nodes: its contents, what a drag writes, and that a run follows it."""

import io
from shutil import copyfile

import av
import pytest

from tests.browser.visit import (
    drag,
    drop,
    keep_picture,
    open_template,
    read_until,
    run,
    wait_steady,
    widgets,
)

pytestmark = pytest.mark.browser

FADES = """async ([at, row]) => {
    const [{planOf}, {drawTimeline}, {viewOf, xOf}] = await Promise.all(
        ['plan', 'draw', 'view'].map(
            name => import(app.api.fileURL(`/extensions/sora_nodes/${name}.js`))))
    const canvas = {type: 'SoraCanvas', values: {seconds: 6, fps: 8}, from: () => null}
    const clip = {type: 'LoadVideo', values: {}, from: () => null,
                  media: {seconds: 9}}
    const from = input => input === 'canvas' ? canvas : clip
    const values = {start: 1, seconds: 4, curve: '0: 1, 4: 0'}
    const plan = planOf({type: 'SoraPlaceVideo', values, from})
    const paper = new OffscreenCanvas(600, 84).getContext('2d')
    const view = viewOf(plan, 600)
    const marks = {playhead: null, hovered: null, line: null, focused: false}
    const theme = {background: '#222', outline: '#666', text: '#ddd', faint: '#999'}
    drawTimeline(paper, plan, view, marks, theme)
    return at.map(seconds =>
        [...paper.getImageData(Math.round(xOf(view, seconds)), row, 1, 1).data])
}"""


PLAN = """() => app.graph.nodes.find(node => node.type === 'SoraExtendVideo')
    .widgets.find(widget => widget.name === 'timeline').plan()"""


def test_footage_is_drawn_fainter_where_it_is_held_less(page):
    *held, beside = page.evaluate(FADES, [[2, 3, 4, 4.75, 5.5], 26])
    far = [abs(blue - beside[2]) for _, _, blue, _ in held]
    assert far == sorted(far, reverse=True)
    assert len(set(far)) == len(far) and far[-1] < far[0] / 3


def saved(detail, client):
    """The file that the last run saved, and how many frames it has."""
    outputs = client.get(f"/history/{detail['prompt_id']}")[detail["prompt_id"]]["outputs"]
    (file,) = [file for node in outputs.values() for file in node.get("images", ())
               if file["type"] == "output"]  # fmt: skip
    with av.open(io.BytesIO(client.view(file))) as container:
        return file, sum(1 for _ in container.decode(video=0))


def ours(page):
    """The nodes of the pack, as the server lists them."""
    graph = page.evaluate("app.graphToPrompt().then(made => made.output)")
    return {key: node for key, node in graph.items() if node["class_type"].startswith("Sora")}


def test_a_run_follows_the_timeline_and_its_video_brings_the_graph_back(page, client):
    open_template(page, "text_to_video")
    wait_steady(page, "SoraCanvas")
    before = widgets(page, "SoraCanvas")
    drag(page, before["seconds"], 0.5, kind="SoraCanvas")
    wanted = before | {"seconds": 0.5}
    after = read_until(page, lambda: widgets(page, "SoraCanvas"), lambda found: found == wanted)
    assert after == wanted
    kind, detail = run(page)
    assert kind == "execution_success", detail
    file, frames = saved(detail, client)
    assert frames == round(0.5 * after["fps"])

    graph = ours(page)
    page.evaluate("app.graph.clear()")
    drop(page, file, "video/mp4")
    page.wait_for_function("app.graph.nodes.length")
    assert read_until(page, lambda: ours(page), lambda found: found == graph) == graph
    assert widgets(page, "SoraCanvas") == after


def test_a_saved_image_brings_its_graph_back(page, client):
    open_template(page, "text_to_image")
    kind, detail = run(page)
    assert kind == "execution_success", detail
    graph = ours(page)
    file, _ = saved(detail, client)
    page.evaluate("app.graph.clear()")
    drop(page, file, "image/png")
    page.wait_for_function("app.graph.nodes.length")
    assert read_until(page, lambda: ours(page), lambda found: found == graph) == graph


def test_a_border_between_shots_is_dragged_and_written_into_the_text(page):
    open_template(page, "storyboard")
    wait_steady(page, "SoraStoryboard")
    drag(page, 2.0, 2.5, kind="SoraStoryboard")
    first, second = read_until(
        page,
        lambda: widgets(page, "SoraStoryboard")["text"].splitlines(),
        lambda lines: lines[0].startswith("0-2.5s: "),
    )
    assert first.startswith("0-2.5s: ") and second.startswith("2.5-4s: ")
    keep_picture(page, "storyboard_dragged")
    page.keyboard.press("Control+z")
    page.wait_for_function(
        "app.graph.nodes.find(n => n.type === 'SoraStoryboard').widgets[0].value.includes('0-2s')"
    )


def test_footage_is_known_before_a_run(page):
    open_template(page, "extend_video")
    page.wait_for_function(f"({PLAN})().known && ({PLAN})().bars[0].media.version > 3")
    plan, added = page.evaluate(PLAN), widgets(page, "SoraExtendVideo")["seconds"]
    (bar,) = plan["bars"]
    assert bar["end"] - bar["start"] + added == pytest.approx(plan["seconds"])
    wait_steady(page, "SoraExtendVideo")
    drag(page, plan["seconds"], plan["seconds"] - 0.5, kind="SoraExtendVideo")
    wanted = pytest.approx(added - 0.5, abs=0.06)
    found = read_until(
        page,
        lambda: widgets(page, "SoraExtendVideo")["seconds"],
        lambda seconds: seconds == wanted,
    )
    assert found == wanted


def test_footage_is_read_when_the_first_answers_are_lost(page, server):
    """One request fails and one is never answered; the page opens the file anew."""
    clips = server.base / "input"
    name = "read_late.mp4"
    copyfile(next(clips.glob("sora_*.mp4")), clips / name)
    lost = iter(["abort", "hold"])

    def answer(route):
        what = next(lost, None)
        if what == "abort":
            route.abort()
        elif what is None:
            route.continue_()

    page.route(f"**/view?*{name}*", answer)
    open_template(page, "extend_video")
    page.evaluate(
        """name => {
            const loader = app.graph.nodes.find(node => node.type === 'LoadVideo')
            loader.widgets.find(widget => widget.name === 'file').value = name
        }""",
        name,
    )
    page.wait_for_function(f"({PLAN})().bars[0]?.media?.version > 3", timeout=60_000)
    assert next(lost, None) is None
    page.unroute(f"**/view?*{name}*")


def test_nothing_but_ordinary_widgets_is_saved(page):
    open_template(page, "storyboard")
    preserved = page.evaluate(
        "JSON.stringify(app.graph.serialize().nodes)"
    )  # the app of a template names it
    assert "timeline" not in preserved
    prompt = page.evaluate("app.graphToPrompt().then(made => JSON.stringify(made.output))")
    assert "timeline" not in prompt
