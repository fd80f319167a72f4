"""The gestures of the timeline, on both front ends and in both renderers."""

import math
import re
from fractions import Fraction

import av
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.visit import (
    PLACE,
    TIMELINE,
    TRACK,
    WAIT_S,
    drag,
    keep_picture,
    press_and_move,
    read_until,
    wait_steady,
)

pytestmark = pytest.mark.browser

CLIP, FPS, SECONDS, SIDE = "red_then_blue.mp4", 8, 2, 64
SAMPLES = 16000  # a second

OPEN = """([nodes, links]) => {
    const {extensionManager: {workflow}} = app
    const added = nodes.map(([type, values], i) => {
        const node = LiteGraph.createNode(type)
        node.pos = [60 + 380 * i, 100]
        app.graph.add(node)
        for (const [name, value] of Object.entries(values))
            node.widgets.find(widget => widget.name === name).value = value
        return node
    })
    for (const [from, slot, to, input] of links)
        added[from].connect(slot, added[to], added[to].inputs.findIndex(one => one.name === input))
    app.canvas.ds.scale = 1
    app.canvas.ds.offset = [20, 60]
    app.canvas.setDirty(true, true)
    const tracker = workflow.activeWorkflow.changeTracker
    if (tracker.captureCanvasState) tracker.captureCanvasState()
    else tracker.checkState()
}"""
EMPTY = "() => !document.querySelector('.sora-timeline, [data-node-id]')"
FIND = """app.graph.nodes.findLast(node => node.widgets?.some(one => one.name === 'timeline'))"""
WIDGET = f"({TIMELINE})()"
VALUES = f"() => Object.fromEntries({FIND}.widgets.map(one => [one.name, one.value]))"
DRAWN = f"() => {WIDGET}.element.firstChild.toDataURL()"
PLAN = f"() => {WIDGET}.plan()"
VIEW = f"() => {WIDGET}.view()"
PIXEL = f"""async ([seconds, y]) => {{
    const {{xOf}} = await import(app.api.fileURL('/extensions/sora_nodes/view.js'))
    const {{element: {{firstChild: paper, clientWidth}}, view}} = {WIDGET}
    const scale = paper.width / clientWidth
    const [x, row] = [xOf(view(), seconds) * scale, y * scale].map(Math.round)
    return [...paper.getContext('2d').getImageData(x, row, 1, 1).data]
}}"""
RULER, SOUND = 8, 76  # rows of the timeline
WAIT_MS = 1000 * WAIT_S


@pytest.fixture(scope="module", autouse=True)
def clip(server):
    """Two seconds: red without sound, then blue with a loud tone."""
    place = server.base / "input" / CLIP
    with av.open(str(place), "w") as file:
        video = file.add_stream("libx264", rate=FPS)
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        sound = file.add_stream("aac", rate=SAMPLES)
        sound.layout = "mono"
        for i in range(FPS * SECONDS):
            pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
            pixels[..., 0 if i < FPS else 2] = 220
            file.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(video.encode())
        time = np.arange(SAMPLES * SECONDS)
        tone = 0.9 * np.sin(2 * math.pi * 440 * time / SAMPLES) * (time >= SAMPLES)
        wave = av.AudioFrame.from_ndarray(tone.astype(np.float32)[None], "fltp", "mono")
        wave.sample_rate, wave.pts, wave.time_base = SAMPLES, 0, Fraction(1, SAMPLES)
        file.mux(sound.encode(wave))
        file.mux(sound.encode())
    yield
    place.unlink()


@pytest.fixture(autouse=True)
def released(any_page):
    """Releases what a test that failed still holds: the tests of a front end share a page."""
    yield
    any_page.mouse.up()
    for key in ("Alt", "Control", "Shift"):
        any_page.keyboard.up(key)


def show(page, *nodes, links=()):
    page.evaluate("app.graph.clear()")
    page.wait_for_function(EMPTY, timeout=WAIT_MS)
    page.evaluate(OPEN, [nodes, links])
    wait_steady(page)


def show_canvas(page, seconds=4.0):
    show(page, ["SoraCanvas", {"seconds": seconds, "fps": 8.0}])


def show_board(page, text="0-2s: a red ball\n2-4s: a cube"):
    canvas = ["SoraCanvas", {"seconds": 4.0, "fps": 8.0}]
    show(page, canvas, ["SoraStoryboard", {"text": text}], links=[[0, 0, 1, "canvas"]])


def show_clip(page, **values):
    canvas = ["SoraCanvas", {"seconds": 4.0, "fps": 8.0}]
    loader, place = ["LoadVideo", {"file": CLIP}], ["SoraPlaceVideo", values]
    show(page, loader, canvas, place, links=[[0, 0, 2, "video"], [1, 0, 2, "canvas"]])
    page.wait_for_function(f"({PLAN})().bars[0]?.media?.version > 3", timeout=60_000)
    page.wait_for_function(f"({PLAN})().bars[0].media.peaks", timeout=60_000)
    wait_steady(page)


def values(page):
    return page.evaluate(VALUES)


def expect_value(page, name, wanted):
    """Fails unless the widget `name` becomes `wanted`."""
    found = read_until(page, lambda: values(page)[name], lambda found: found == wanted)
    assert found == wanted


def expect_view(page, holds):
    """The view of the timeline once it `holds`; fails if it never does."""
    view = read_until(page, lambda: page.evaluate(VIEW), holds)
    assert holds(view), view
    return view


def expect_pixels(page, holds, *moments, row=TRACK):
    """Fails unless the pixels at `moments` of the timeline come to be as `holds` wants them."""
    pixels = read_until(
        page,
        lambda: [page.evaluate(PIXEL, [at, row]) for at in moments],
        lambda found: holds(*found),
    )
    assert holds(*pixels), pixels


def red(pixel):
    return pixel[0] > 2 * pixel[2]


def blue(pixel):
    return pixel[2] > 2 * pixel[0]


def red_then_blue(first, second):
    return red(first) and blue(second)


def brighter(pixel, other):
    return max(pixel[:3]) > max(other[:3]) + 60


def test_a_timeline_follows_a_widget_that_a_script_writes(any_page):
    show_canvas(any_page)
    before = any_page.evaluate(DRAWN)
    any_page.evaluate(f"{FIND}.widgets.find(one => one.name === 'seconds').value = 2.5")
    any_page.wait_for_function(f"before => ({DRAWN})() !== before", arg=before, timeout=WAIT_MS)
    assert any_page.evaluate(PLAN)["seconds"] == 2.5


def test_a_timeline_follows_the_nodes_before_it(any_page):
    show_board(any_page)
    before = any_page.evaluate(DRAWN)
    any_page.evaluate(
        "app.graph.nodes.find(one => one.type === 'SoraCanvas')"
        ".widgets.find(one => one.name === 'seconds').value = 8"
    )
    any_page.wait_for_function(f"before => ({DRAWN})() !== before", arg=before, timeout=WAIT_MS)


def test_a_border_is_grabbed_where_it_is_drawn_and_drawn_where_it_is_dragged(any_page):
    show_canvas(any_page)
    expect_pixels(any_page, brighter, 4.0, 3.8)
    press_and_move(any_page, 4.0, 2.48)
    expect_pixels(any_page, brighter, 2.5, 4.0)
    any_page.mouse.up()
    expect_value(any_page, "seconds", pytest.approx(2.5))
    keep_picture(any_page, f"gestures_{any_page.name}_canvas")


def test_a_border_snaps_to_seconds_and_to_borders_unless_alt_is_held(any_page):
    show_canvas(any_page)
    drag(any_page, 4.0, 3.04)
    expect_value(any_page, "seconds", 3)
    any_page.keyboard.down("Alt")
    drag(any_page, 3.0, 2.12)
    any_page.keyboard.up("Alt")
    expect_value(any_page, "seconds", pytest.approx(2.125, abs=0.03))
    show_clip(any_page, start=1.375, seconds=1.0)
    drag(any_page, 1.8, 2.45)  # its end comes to lie near 3 s, and is pulled there
    expect_value(any_page, "start", 2)


def test_escape_gives_up_a_drag(any_page):
    show_canvas(any_page)
    press_and_move(any_page, 4.0, 2.0)
    expect_value(any_page, "seconds", 2)
    any_page.keyboard.press("Escape")
    any_page.mouse.up()
    expect_value(any_page, "seconds", 4)


def test_the_filmstrip_shows_the_frames_of_each_moment(any_page):
    show_clip(any_page, start=1.0)
    expect_pixels(any_page, red_then_blue, 1.4, 2.6)
    keep_picture(any_page, f"gestures_{any_page.name}_clip")
    show_clip(any_page, start=1.0, skip=0.2, speed=2.0)  # blue from 1.4 s on
    expect_pixels(any_page, red_then_blue, 1.1, 1.7)


def test_the_waveform_shows_where_it_is_loud(any_page):
    show_clip(any_page, start=1.0)
    expect_pixels(any_page, brighter, 2.5, 1.5, row=SOUND - 4)


def test_the_wheel_zooms_at_the_pointer_and_scrolls(any_page):
    show_canvas(any_page)
    whole, spot = any_page.evaluate(VIEW), any_page.evaluate(PLACE, [None, 1.0, TRACK])
    any_page.mouse.move(*spot)
    any_page.keyboard.down("Control")
    any_page.mouse.wheel(0, -600)
    any_page.keyboard.up("Control")
    closer = expect_view(any_page, lambda view: view["seconds"] < whole["seconds"] / 2)
    whole_pixels = pytest.approx(spot, abs=2)
    assert any_page.evaluate(PLACE, [None, 1.0, TRACK]) == whole_pixels
    any_page.keyboard.down("Shift")
    any_page.mouse.wheel(0, 100)
    any_page.keyboard.up("Shift")
    expect_view(any_page, lambda view: view["start"] > closer["start"])
    assert any_page.evaluate("app.canvas.ds.scale") == pytest.approx(1)


def test_the_playhead_scrubs_a_preview(any_page):
    show_clip(any_page, start=1.0)
    press_and_move(any_page, 0.2, 1.5, row=RULER)
    box = any_page.locator(".sora-preview")
    expect(box).to_have_text(re.compile(r"^1\.50 s"), timeout=WAIT_MS)
    shade = """() => [...document.querySelector('.sora-preview canvas').getContext('2d')
        .getImageData(20, 20, 1, 1).data]"""
    any_page.wait_for_function(f"() => ({shade})()[0] > 100")
    any_page.mouse.move(*any_page.evaluate(PLACE, [None, 2.5, RULER]), steps=4)
    any_page.wait_for_function(f"() => ({shade})()[2] > 100")
    keep_picture(any_page, f"gestures_{any_page.name}_scrub")
    any_page.mouse.up()
    any_page.mouse.click(1200, 800)
    box.wait_for(state="detached")
    assert values(any_page)["start"] == 1


def test_keys_move_the_playhead_choose_a_border_and_move_it(any_page):
    show_canvas(any_page)
    any_page.evaluate(f"{WIDGET}.element.focus()")
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight"):
        any_page.keyboard.press(key)
    expect(any_page.locator(".sora-preview")).to_have_text("1.25 s", timeout=WAIT_MS)
    for key in ("ArrowDown", "ArrowLeft", "Shift+ArrowLeft"):
        any_page.keyboard.press(key)
    expect_value(any_page, "seconds", pytest.approx(2.875, abs=0.03))
    whole = any_page.evaluate(VIEW)["seconds"]
    any_page.keyboard.press("+")
    expect_view(any_page, lambda view: view["seconds"] < whole)
    any_page.keyboard.press("0")
    expect_view(any_page, lambda view: view["seconds"] == whole)


def test_a_drag_is_one_step_of_the_undo_of_the_page(any_page):
    show_board(any_page)
    text = values(any_page)["text"]
    drag(any_page, 2.0, 2.51)
    expect_value(any_page, "text", "0-2.5s: a red ball\n2.5-4s: a cube")
    any_page.keyboard.press("Control+z")
    any_page.wait_for_function(f"text => ({VALUES})().text === text", arg=text, timeout=WAIT_MS)
    wait_steady(any_page)
    drag(any_page, 2.0, 1.49)  # the node that undo made is grabbed as well
    expect_value(any_page, "text", "0-1.5s: a red ball\n1.5-4s: a cube")


def test_the_prompts_of_other_timelines_are_read_and_written_as_ours(any_page):
    show_board(any_page, "a ball rolls [0-120] | a cube falls [121-240]")
    first, second = any_page.evaluate(PLAN)["prompts"]
    assert (first["text"], second["text"]) == ("a ball rolls", "a cube falls")
    assert first["end"] == second["start"] == pytest.approx(4 * 121 / 241)
    keep_picture(any_page, f"gestures_{any_page.name}_board")
    drag(any_page, first["end"], 3.0)
    expect_value(any_page, "text", "0-3s: a ball rolls\n3-4s: a cube falls")


def test_nothing_but_ordinary_widgets_is_saved(any_page):
    show_clip(any_page, start=1.0)
    drag(any_page, 0.2, 1.5, row=RULER)
    saved = any_page.evaluate("""async () => {
        const {output} = await app.graphToPrompt()
        return JSON.stringify([app.graph.serialize(), output])
    }""")
    for word in ("timeline", "zoom", "playhead", "#2f4a5e"):
        assert word not in saved


def test_nodes_have_the_colour_of_their_stage(any_page):
    show_board(any_page)
    assert any_page.evaluate(f"{FIND}.color") == "#33503d"
    assert any_page.broken == []
