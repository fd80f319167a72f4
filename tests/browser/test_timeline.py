"""The timeline on canvas nodes: what it knows, what a drag writes, and that a run follows it."""

import io
from pathlib import Path

import av
import pytest

from sora_core.canvas import Placement, curve_of
from sora_core.errors import ConfigError
from tests.browser.visit import drag, drop, keep_picture, open_template, run, widgets

pytestmark = pytest.mark.browser

CURVES = [
    "0: 1, 1.5: 0.3",
    "0.5:0;1:1",
    "-1: 1\n2: .5",
    "0: 0.4",
    "1e-1: 1, 2: 0,",
    "",
    " ,",
    "1: 0, 0: 1",
    "0: 1, 0: 0",
    "0: 2",
    "0: -1",
    "0",
    "0: 1: 2",
    "a: b",
    "0x1: 1",
]
DRAWN = """async ([text, moments]) => {
    const {curveOf, textOf, firmnessAt} =
        await import(app.api.fileURL('/extensions/sora_nodes/curve.js'))
    const curve = curveOf(text)
    return curve && [curve, textOf(curve, 0.5)].map(each =>
        moments.map(at => firmnessAt(typeof each === 'string' ? curveOf(each) : curve, at)))
}"""


@pytest.mark.parametrize("text", CURVES)
def test_a_curve_is_the_same_on_the_page_and_in_the_core(page, text):
    moments = [-2.0, 0.0, 0.25, 0.75, 1.5, 9.0]
    shown = page.evaluate(DRAWN, [text, moments])
    try:
        placed = Placement(source=Path("clip.mp4"), firmness=curve_of(text))
    except ConfigError:
        assert shown is None
        return
    for later, firmness in zip((0, 0.5), shown, strict=True):
        assert firmness == pytest.approx([placed.firmness_at(at + later) for at in moments])


LOOKS = {
    "canvas": ["SoraCanvas", {"seconds": 2.0, "fps": 8.0}],
    "video": ["SoraPlaceVideo", {"start": 0.5, "skip": 0.25, "seconds": 1.0}],
    "fast video": ["SoraPlaceVideo", {"start": 0.5, "seconds": 0.5, "speed": 2.0}],
    "video from the end": ["SoraPlaceVideo", {"start": 0.5, "skip": 0.25, "seconds": 0.5}],
    "fading video": ["SoraPlaceVideo", {"start": 0.5, "seconds": 0.5, "curve": "0: 1, 0.5: 0"}],
    "latent": ["SoraPlaceLatent", {"start": 0.5, "curve": "0: 0, 1: 1"}],
    "image": ["SoraPlaceImage", {"start": 0.5, "seconds": 1.0}],
    "image to video": ["SoraImageToVideo", {"seconds": 2.0}],
    "forward": ["SoraExtendVideo", {"seconds": 1.0, "direction": "forward"}],
    "backward": ["SoraExtendVideo", {"seconds": 1.0, "direction": "backward"}],
    "both": ["SoraExtendVideo", {"seconds": 1.0, "direction": "both", "keep": 1.0}],
    "connect": ["SoraConnectVideos", {"seconds": 1.0}],
    "morph": ["SoraMorphVideos", {"seconds": 1.0, "firmness": 0.4}],
    "loop": ["SoraLoopVideo", {"seconds": 1.0}],
    "edit": ["SoraEditVideo", {"start": 0.5, "seconds": 1.0, "firmness": 0.0}],
    "storyboard": ["SoraStoryboard", {"text": "0-2s: a ball\n2-3s: a cube\n3-6s: a cone"}],
}
LOOKS["video from the end"][1]["counted_from"] = "end"

DRAGGED = """async ([type, values]) => {
    const {planOf} = await import(app.api.fileURL('/extensions/sora_nodes/plan.js'))
    const clip = {type: 'LoadVideo', values: {}, from: () => null,
                  media: {seconds: 2, frames: []}}
    const canvas = {type: 'SoraCanvas', values: {seconds: 6, fps: 8}, from: () => null}
    const plan = values => planOf(
        {type, values, from: input => input === 'canvas' ? canvas : clip})
    const found = []
    plan(values).handles.forEach((handle, i) => {
        const aim = handle.at + 0.25
        const written = handle.write(aim)
        const after = plan({...values, ...written}).handles[i]
        const still = plan({...values, ...handle.write(handle.at)}).handles[i]
        found.push({was: handle.at, still: still.at, aim, at: after.at, written})
    })
    return found
}"""


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_whatever_is_dragged_is_where_it_was_left(page, look):
    found = page.evaluate(DRAGGED, look)
    assert found
    for handle in found:
        assert handle["still"] == pytest.approx(handle["was"])
        assert handle["at"] == pytest.approx(handle["aim"]), handle


EXTREMES = """async ([type, values]) => {
    const [{planOf}, {timeline}] = await Promise.all(['plan', 'timeline'].map(
        name => import(app.api.fileURL(`/extensions/sora_nodes/${name}.js`))))
    const paper = new OffscreenCanvas(600, 72).getContext('2d')
    const canvas = {type: 'SoraCanvas', values: {seconds: 6, fps: 8}, from: () => null}
    const {[type]: {input}} = await (await app.api.fetchApi(`/object_info/${type}`)).json()
    const given = {...input.required, ...input.optional}
    const numbers = Object.keys(values).filter(name => typeof values[name] === 'number')
    const looks = ['min', 'max'].flatMap(end => [...numbers.map(name => [name]), numbers].map(
        names => ({...values, ...Object.fromEntries(
            names.map(name => [name, given[name][1][end]]))})))
    for (const values of looks)
        for (const seconds of [0, 2])
            for (const fed of [canvas, null]) {
                const clip = {type: 'LoadVideo', values: {}, from: () => null,
                              media: {seconds, frames: []}}
                const from = input => input === 'canvas' ? fed : clip
                timeline(() => planOf({type, values, from}), null, LiteGraph)
                    .draw(paper, null, 600, 0)
            }
    return looks.length
}"""


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_timeline_is_drawn_of_whatever_may_be_typed(page, look):
    """What a widget throws while it is drawn stops ComfyUI's page from drawing anything."""
    assert page.evaluate(EXTREMES, look)


BENDS = """async () => {
    const {planOf} = await import(app.api.fileURL('/extensions/sora_nodes/plan.js'))
    const clip = {type: 'LoadVideo', values: {}, from: () => null,
                  media: {seconds: 2, frames: []}}
    const values = {start: 0.5, seconds: 0.75, speed: 2, curve: '0: 1, 0.5: 0'}
    const plan = values => planOf({type: 'SoraPlaceVideo', values, from: () => clip})
    const bends = ({bars: [bar]}) => bar.curve.map(([seconds]) => bar.start + seconds)
    const dragged = ({at, write}) => bends(plan({...values, ...write(at + 0.25)}))
    return [bends(plan(values)), ...plan(values).handles.map(dragged)]
}"""


def test_a_curve_moves_with_its_footage_and_not_with_its_borders(page):
    still, moved, trimmed, shortened = page.evaluate(BENDS)
    assert moved == [seconds + 0.25 for seconds in still]
    assert trimmed == shortened == still


FADES = """async ([at, row]) => {
    const [{planOf}, {scaleOf, timeline}] = await Promise.all(['plan', 'timeline'].map(
        name => import(app.api.fileURL(`/extensions/sora_nodes/${name}.js`))))
    const canvas = {type: 'SoraCanvas', values: {seconds: 6, fps: 8}, from: () => null}
    const clip = {type: 'LoadVideo', values: {}, from: () => null,
                  media: {seconds: 9, frames: []}}
    const from = input => input === 'canvas' ? canvas : clip
    const values = {start: 1, seconds: 4, curve: '0: 1, 4: 0'}
    const plan = planOf({type: 'SoraPlaceVideo', values, from})
    const paper = new OffscreenCanvas(600, 72).getContext('2d')
    timeline(() => plan, null, LiteGraph).draw(paper, null, 600, 0)
    const {x} = scaleOf(600, 6)
    return at.map(seconds => [...paper.getImageData(Math.round(x(seconds)), row, 1, 1).data])
}"""


def test_footage_is_drawn_fainter_where_it_is_held_less(page):
    *held, beside = page.evaluate(FADES, [[2, 3, 4, 4.75, 5.5], 5])
    far = [abs(blue - beside[2]) for _, _, blue, _ in held]
    assert far == sorted(far, reverse=True)
    assert len(set(far)) == len(far) and far[-1] < far[0] / 3


WHOLE = """async () => {
    const {planOf} = await import(app.api.fileURL('/extensions/sora_nodes/plan.js'))
    const clip = {type: 'LoadVideo', values: {}, from: () => null,
                  media: {seconds: 2, frames: []}}
    const look = {type: 'SoraPlaceVideo', values: {start: 0.5, seconds: 1}, from: () => clip}
    const [, , end] = planOf(look).handles
    return end.write(100)
}"""


def test_footage_is_not_dragged_past_its_end(page):
    assert page.evaluate(WHOLE) == {"start": 0.5, "seconds": 0}


def saved(detail, client):
    """The file that the last run saved, and how many frames it has."""
    outputs = client.get(f"/history/{detail['prompt_id']}")[detail["prompt_id"]]["outputs"]
    (file,) = [file for node in outputs.values() for file in node.get("images", ())
               if file["type"] == "output"]  # fmt: skip
    with av.open(io.BytesIO(client.view(file))) as container:
        return file, sum(1 for _ in container.decode(video=0))


def ours(page):
    """The nodes of the pack, as the server would be told of them."""
    graph = page.evaluate("app.graphToPrompt().then(made => made.output)")
    return {key: node for key, node in graph.items() if node["class_type"].startswith("Sora")}


def test_a_run_follows_the_timeline_and_its_video_brings_the_graph_back(page, client):
    open_template(page, "text_to_video")
    before = widgets(page, "SoraCanvas")
    drag(page, "SoraCanvas", before["seconds"], 0.5)
    after = widgets(page, "SoraCanvas")
    assert after == before | {"seconds": 0.5}
    kind, detail = run(page)
    assert kind == "execution_success", detail
    file, frames = saved(detail, client)
    assert frames == round(0.5 * after["fps"])

    graph = ours(page)
    page.evaluate("app.graph.clear()")
    drop(page, file, "video/mp4")
    page.wait_for_function("app.graph.nodes.length")
    assert widgets(page, "SoraCanvas") == after
    assert ours(page) == graph


def test_a_saved_image_brings_its_graph_back(page, client):
    open_template(page, "text_to_image")
    kind, detail = run(page)
    assert kind == "execution_success", detail
    graph = ours(page)
    file, _ = saved(detail, client)
    page.evaluate("app.graph.clear()")
    drop(page, file, "image/png")
    page.wait_for_function("app.graph.nodes.length")
    assert ours(page) == graph


def test_a_border_between_shots_is_dragged_and_written_into_the_text(page):
    open_template(page, "storyboard")
    drag(page, "SoraStoryboard", 2.0, 2.5)
    first, second = widgets(page, "SoraStoryboard")["text"].splitlines()
    assert first.startswith("0-2.5s: ") and second.startswith("2.5-4s: ")
    keep_picture(page, "storyboard_dragged")
    page.keyboard.press("Control+z")
    page.wait_for_function(
        "app.graph.nodes.find(n => n.type === 'SoraStoryboard').widgets[0].value.includes('0-2s')"
    )


def test_footage_is_known_before_a_run(page):
    open_template(page, "extend_video")
    seconds = """() => app.graph.nodes.find(node => node.type === 'SoraExtendVideo')
        .widgets.find(widget => widget.name === 'timeline').plan()"""
    page.wait_for_function(f"({seconds})().known && ({seconds})().bars[0].frames.length > 3")
    plan, added = page.evaluate(seconds), widgets(page, "SoraExtendVideo")["seconds"]
    (bar,) = plan["bars"]
    assert bar["end"] - bar["start"] + added == pytest.approx(plan["seconds"])
    drag(page, "SoraExtendVideo", plan["seconds"], plan["seconds"] - 0.5)
    assert widgets(page, "SoraExtendVideo")["seconds"] == pytest.approx(added - 0.5, abs=0.06)


def test_nothing_but_ordinary_widgets_is_saved(page):
    open_template(page, "storyboard")
    kept = page.evaluate("JSON.stringify([app.graph.serialize(), app.graph.nodes.length])")
    assert "timeline" not in kept
    prompt = page.evaluate("app.graphToPrompt().then(made => JSON.stringify(made.output))")
    assert "timeline" not in prompt
