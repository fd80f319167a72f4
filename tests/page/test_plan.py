"""The plan of each node on the page before a run, and what a drag writes."""

from pathlib import Path

import pytest

from sora_core.canvas.canvas import Placement, curve_of
from sora_core.errors import ConfigError
from tests.page.modules import call

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
MOMENTS = [-2.0, 0.0, 0.25, 0.75, 1.5, 9.0]
READ = """{
    const {curveOf, textOf, firmnessAt} = module
    const [text, moments] = given
    const curve = curveOf(text)
    return curve && [curve, curveOf(textOf(curve, 0.5))].map(each =>
        moments.map(at => firmnessAt(each, at)))
}"""


def test_a_curve_is_the_same_on_the_page_and_in_the_core():
    for text, displayed in zip(
        CURVES, call("curve.js", READ, [[text, MOMENTS] for text in CURVES]), strict=True
    ):
        try:
            placed = Placement(source=Path("clip.mp4"), firmness=curve_of(text))
        except ConfigError:
            assert displayed is None, text
            continue
        for later, firmness in zip((0, 0.5), displayed, strict=True):
            assert firmness == pytest.approx([placed.firmness_at(at + later) for at in MOMENTS])


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

DRAGGED = """{
    const [type, values] = given
    const clip = {type: 'LoadVideo', values: {}, from: () => null, media: {seconds: 2}}
    const canvas = {type: 'SoraCanvas', values: {seconds: 6, fps: 8}, from: () => null}
    const plan = values => module.planOf(
        {type, values, from: input => input === 'canvas' ? canvas : clip})
    return plan(values).handles.map((handle, i) => {
        const aim = handle.at + 0.25
        const written = handle.write(aim)
        const after = plan({...values, ...written}).handles[i]
        const still = plan({...values, ...handle.write(handle.at)}).handles[i]
        return {was: handle.at, still: still.at, aim, at: after.at, written}
    })
}"""


def test_whatever_is_dragged_is_where_it_was_left():
    for look, handles in zip(LOOKS, call("plan.js", DRAGGED, list(LOOKS.values())), strict=True):
        assert handles, look
        for handle in handles:
            assert handle["still"] == pytest.approx(handle["was"]), look
            assert handle["at"] == pytest.approx(handle["aim"]), (look, handle)


EXTREMES = """await (async () => {
    const [type, values, given_inputs] = given
    const {planOf} = await import('./plan.js')
    const {viewOf, zoomed} = await import('./view.js')
    const theme = {background: '#222', outline: '#666', text: '#ddd', faint: '#999'}
    const marks = {playhead: 0.5, hovered: null, line: 1, focused: true}
    const wrong = []
    const record = name => (...numbers) => {
        if (numbers.some(one => typeof one === 'number' && !Number.isFinite(one)))
            wrong.push([name, String(numbers)])
        return {width: 10, addColorStop(at) { if (!(at >= 0 && at <= 1)) wrong.push(at) }}
    }
    const paper = new Proxy({}, {get: (_, name) => record(name), set: () => true})
    const canvas = {type: 'SoraCanvas', values: {seconds: 6, fps: 8}, from: () => null}
    const numbers = Object.keys(values).filter(name => typeof values[name] === 'number')
    const looks = ['min', 'max'].flatMap(end => [...numbers.map(name => [name]), numbers].map(
        names => ({...values, ...Object.fromEntries(
            names.map(name => [name, given_inputs[name][end]]))})))
    for (const values of looks)
        for (const seconds of [0, 2])
            for (const fed of [canvas, null]) {
                const clip = {type: 'LoadVideo', values: {}, from: () => null, media: {seconds}}
                const plan = planOf({type, values, from: input => input === 'canvas' ? fed : clip})
                const view = viewOf(plan, 600)
                module.drawTimeline(paper, plan, view, marks, theme)
                const zoom = zoomed(plan, view, 9, 300)
                module.drawTimeline(paper, plan, viewOf(plan, 600, zoom), marks, theme)
            }
    return {drawn: looks.length, wrong}
})()"""


LIMITS = {"fps": [1, 240], "firmness": [0, 1], "speed": [0.05, 20]}
LONGEST = 3600  # seconds


def limits(values):
    """The least and the most that the widgets of a node take."""
    ends = {name: LIMITS.get(name, [0, LONGEST]) for name in values}
    return {name: {"min": least, "max": most} for name, (least, most) in ends.items()}


def test_a_timeline_is_drawn_of_whatever_may_be_typed():
    """What a widget throws while it is drawn stops ComfyUI's page from drawing anything."""
    looks = [[node, values, limits(values)] for node, values in LOOKS.values()]
    for look, result in zip(LOOKS, call("draw.js", EXTREMES, looks), strict=True):
        assert result["drawn"] and result["wrong"] == [], look


BENDS = """{
    const clip = {type: 'LoadVideo', values: {}, from: () => null, media: {seconds: 2}}
    const plan = values => module.planOf({type: 'SoraPlaceVideo', values, from: () => clip})
    const bends = ({bars: [bar]}) => bar.curve.map(([seconds]) => bar.start + seconds)
    const dragged = ({at, write}) => bends(plan({...given, ...write(at + 0.25)}))
    return [bends(plan(given)), ...plan(given).handles.map(dragged)]
}"""


def test_a_curve_moves_with_its_footage_and_not_with_its_borders():
    values = {"start": 0.5, "seconds": 0.75, "speed": 2, "curve": "0: 1, 0.5: 0"}
    ((still, moved, trimmed, shortened),) = call("plan.js", BENDS, [values])
    assert moved == [seconds + 0.25 for seconds in still]
    assert trimmed == shortened == still


PAST = """{
    const clip = {type: 'LoadVideo', values: {}, from: () => null, media: {seconds: 2}}
    const look = {type: 'SoraPlaceVideo', values: {start: 0.5, seconds: 1}, from: () => clip}
    return module.planOf(look).handles[2].write(given)
}"""


def test_footage_is_not_dragged_past_its_end():
    assert call("plan.js", PAST, [100]) == [{"start": 0.5, "seconds": 0}]


VIEWS = """{
    const {viewOf, zoomed, scrolled, secondsAt, snapped} = module
    const plan = {seconds: 10, fps: 8, bars: [{start: 3.3, end: 5}], prompts: [], handles: []}
    const whole = viewOf(plan, 624)
    const close = viewOf(plan, 624, zoomed(plan, whole, 4, given))
    const later = viewOf(plan, 624, scrolled(plan, close, 60))
    const handle = {at: 8, write: () => ({})}
    const aims = [3.28, 5.95, 7.45].map(at => snapped(plan, whole, handle, at, 7.5).at)
    return {before: secondsAt(whole, given), after: secondsAt(close, given), close, later, aims}
}"""


def test_a_zoom_holds_its_moment_and_a_scroll_its_length():
    for observed in call("view.js", VIEWS, [12, 300, 612]):
        assert observed["after"] == pytest.approx(observed["before"])
        assert observed["later"]["seconds"] == observed["close"]["seconds"] == 2.5
        assert observed["aims"] == [3.3, 6, 7.5]


PEAKS = "[...module.peaksOf(Float32Array.from(given), 2)]"


def test_a_peak_is_the_largest_magnitude_of_its_samples():
    assert call("media.js", PEAKS, [[0, -0.5, 0.25, 0.125, 2]]) == [[0.5, 0.25, 1]]
