"""The scene reader's targets are read back as the truth, and facts hold where they should."""

import numpy as np
import pytest
import torch

from sora_core.errors import ConfigError, WeightsError
from sora_core.measure.world.free import load_scene_reader
from sora_core.measure.world.free_prompts import DemandedFacts, EventFact, ShotFact, ThingFact
from sora_core.measure.world.holds import does, holds
from sora_core.measure.world.observe import Observed, Peak, Scenery, linked, peaks_of
from sora_core.models.scene_reader import SceneLogits
from sora_core.training import scene_reader
from sora_core.training.distributed import Ranks
from sora_core.training.scene_reader import (
    READER_SIZE,
    READER_WORDS,
    RECENT_LESSONS,
    SceneReaderTask,
    drawn_numbers,
    lessons,
    loss_of,
    new_scene_reader,
    save_scene_reader,
    targets_of,
)
from sora_core.world.town.recipes import scene_of
from sora_core.world.town.render import render_town

TIMES = np.linspace(0, 1, 17)


def thing(
    x=32.0, y=40.0, kind="ball", colour="red", size="medium", half=8.0, spins=0.0, fallen=0.0
):
    """A thing over 17 frames; whatever is one number stays as it is."""
    words = {"kind": kind, "colour": colour, "size": size}
    tracks = [np.broadcast_to(np.asarray(v, float), 17).copy() for v in (x, y, half, half)]
    flags = [np.broadcast_to(np.asarray(v, float), 17).copy() for v in (spins, fallen)]
    return Observed(words, *tracks, *flags)


def clip(*things, floors=("grass",) * 17, skies=("day",) * 17, camera="static", cuts=(), **marks):
    return Scenery(things, tuple(floors), tuple(skies), camera, tuple(cuts), marks, 64, 64)


def red(**facts):
    return ThingFact("a", kind="ball", colour="red", **facts)


def hop(height):
    return 40 - height * np.abs(np.sin(3 * np.pi * TIMES))


@pytest.mark.parametrize(
    ("motion", "track"),
    (
        ("left", {"x": 50 - 30 * TIMES}),
        ("right", {"x": 10 + 30 * TIMES}),
        ("toward", {"half": 6 + 4 * TIMES}),
        ("away", {"half": 10 - 4 * TIMES}),
        ("bounce", {"y": hop(14)}),
        ("fall", {"y": np.minimum(44, 8 + 150 * TIMES**2)}),
        ("spin", {"spins": 1.0}),
        ("still", {}),
    ),
)
def test_no_motion_is_taken_for_another(motion, track):
    single = ("left", "right", "toward", "away", "bounce", "fall", "spin", "still")
    assert [m for m in single if does(m, thing(**track))] == [motion]


def test_motions_in_order_hold_in_that_order_alone():
    stops = thing(x=np.minimum(10 + 60 * TIMES, 40))
    assert holds(DemandedFacts((red(motions=("right", "still")),)), clip(stops))
    assert not holds(DemandedFacts((red(motions=("still", "right")),)), clip(stops))


@pytest.mark.parametrize(
    ("facts", "things", "right"),
    (
        (DemandedFacts((red(count=1),)), (thing(),), True),
        (DemandedFacts((red(count=1),)), (thing(), thing(x=10)), False),
        (DemandedFacts((red(count=2),)), (thing(), thing(x=10)), True),
        (DemandedFacts((ThingFact("a", kind="ball", banned=("red",)),)), (thing(),), False),
        (DemandedFacts((red(),), only=True), (thing(), thing(x=10, kind="cube")), False),
        (DemandedFacts((red(),), banned={"kind": ("cube",)}), (thing(), thing(kind="cube")), False),
        (DemandedFacts((red(),), banned={"floor": ("grass",)}), (thing(),), False),
        (DemandedFacts((ThingFact("a", kind="person"),)), (thing(kind="woman"),), True),
        (DemandedFacts((ThingFact("a", colour="cyan"),)), (thing(colour="turquoise"),), True),
    ),
)
def test_counts_and_negations(facts, things, right):
    assert holds(facts, clip(*things)) is right


@pytest.mark.parametrize(
    ("relation", "x", "y", "half", "right"),
    (
        ("left of", 10, 40, 8, True),
        ("left of", 54, 40, 8, False),
        ("right of", 54, 40, 8, True),
        ("behind", 32, 28, 6, True),
        ("in front of", 32, 28, 6, False),
        ("on", 32, 24, 8, True),
        ("on", 10, 40, 8, False),
        ("larger than", 10, 40, 12, True),
    ),
)
def test_relations(relation, x, y, half, right):
    things = (ThingFact("a", kind="cube"), ThingFact("b", kind="ball"))
    facts = DemandedFacts(things, relations=(("a", relation, "b"),))
    assert holds(facts, clip(thing(x, y, "cube", half=half), thing())) is right


def test_a_push_needs_contact_and_what_is_pushed_to_move():
    pusher = thing(x=5 + 40 * TIMES, kind="cube")
    pushed = thing(x=np.maximum(36, 5 + 40 * TIMES + 16))
    facts = DemandedFacts((ThingFact("a", kind="cube"), red().__class__("b", kind="ball")))
    event = DemandedFacts(facts.things, events=(EventFact("push", "a", "b"),))
    assert holds(event, clip(pusher, pushed))
    assert not holds(event, clip(pusher, thing(x=60)))


def test_leaving_and_returning_are_in_order():
    x = np.where((TIMES > 0.4) & (TIMES < 0.7), np.nan, np.where(TIMES <= 0.4, 30 + 60 * TIMES, 56))
    gone = thing(x=x)
    facts = DemandedFacts((red(),), events=(EventFact("leave", "a"), EventFact("return", "a")))
    assert holds(facts, clip(gone))
    assert not holds(facts, clip(thing()))


def test_a_stroke_that_fades_does_not_hold():
    facts = DemandedFacts(events=(EventFact("stroke", colour="red"),))
    assert holds(facts, clip(thing(), red=np.minimum(0.2, TIMES / 3)))
    assert not holds(facts, clip(thing(), red=0.2 * np.sin(np.pi * TIMES)))
    assert not holds(facts, clip(thing(), blue=np.minimum(0.2, TIMES / 3)))


def test_day_to_night_is_not_night_to_day():
    facts = DemandedFacts((red(),), sky=("day", "night"))
    turning = ("day",) * 9 + ("night",) * 8
    assert holds(facts, clip(thing(), skies=turning))
    assert not holds(facts, clip(thing(), skies=turning[::-1]))
    assert not holds(facts, clip(thing()))


def test_shots_have_their_own_floors():
    facts = DemandedFacts(
        (red(),), events=(EventFact("cut"),), shots=(ShotFact("grass"), ShotFact("wood"))
    )
    floors = ("grass",) * 8 + ("wood",) * 9
    assert holds(facts, clip(thing(), floors=floors, cuts=(8,)))
    assert not holds(facts, clip(thing(), cuts=(8,)))


def answers(targets):
    """What a perfect network would answer."""
    count = {name: len(words) for name, words in READER_WORDS.items()}

    def sure(indices, width):
        hot = torch.nn.functional.one_hot(indices.clamp(min=0), width)
        return 10.0 * hot.movedim(-1, 1 if indices.ndim > 1 else -1)[None]

    return SceneLogits(
        heat=(20 * targets.centre.float() - 10)[None],
        box=targets.box[None],
        offset=targets.offset[None],
        spins=(20 * targets.spins - 10)[None],
        fallen=(20 * targets.fallen - 10)[None],
        thing={name: sure(t, count[name]) for name, t in targets.thing.items()},
        frame={
            "floor": sure(targets.floor, count["floor"]),
            "sky": sure(targets.sky, count["sky"]),
        },
        clip={"camera": sure(targets.camera, count["camera"])},
        stroke=sure(targets.stroke, 1 + count["colour"]),
        cut=(20 * targets.cut - 10)[None],
    )


@pytest.mark.parametrize("kind", ("collide", "roll", "push"))
def test_true_answers_are_read_back_as_the_things_of_the_scene(kind):
    scene = scene_of(kind, 990_000_001)
    rendered = render_town(scene, READER_SIZE)
    observed = answers(targets_of(scene, rendered, 8.0))
    found = linked([peaks_of(observed, t, READER_WORDS) for t in range(17)])
    wanted = sorted((t.kind, t.colour) for t in scene.things)
    assert sorted((o.words["kind"], o.words["colour"]) for o in found) == wanted


def test_a_thing_that_hides_comes_back_under_its_name():
    peak = {"kind": "ball", "colour": "red", "size": "small"}
    frames = [[Peak(5.0 + 4 * t, 40, 6, 6, False, False, peak)] for t in range(12)]
    frames[5:8] = [[], [], []]
    assert len(linked(frames)) == 1


def test_what_is_right_has_a_smaller_loss_than_what_is_not():
    (_, one), (_, other) = lessons(890_000_000, 2)
    right, wrong = (sum(loss_of(answers(t), [one]).values()).item() for t in (one, other))
    assert right < 0.3 * wrong


def test_the_network_takes_any_size_of_whole_cells_and_refuses_others():
    reader = new_scene_reader()
    assert reader(torch.zeros(1, 3, 5, 32, 48)).heat.shape == (1, 5, 8, 12)
    with pytest.raises(ConfigError, match="multiples of 16"):
        reader(torch.zeros(1, 3, 5, 40, 48))


def test_a_saved_reader_comes_back_and_no_other_file_does(tmp_path):
    file = tmp_path / "reader.safetensors"
    reader = new_scene_reader()
    save_scene_reader(reader, file)
    again = load_scene_reader(file)
    assert file.stat().st_size < 3_000_000
    assert again.words == reader.words
    with pytest.raises(WeightsError, match="is not there"):
        load_scene_reader(tmp_path / "none.safetensors")


def test_clips_are_drawn_again_only_from_the_last_ones_and_new_ones_come_in_every_step():
    generator = torch.Generator().manual_seed(0)
    drawn = [drawn_numbers(step, 8, generator) for step in range(300)]
    newest = [max(numbers) for numbers in drawn]
    assert newest == [3 * step + 2 for step in range(300)]
    assert all(
        new - min(numbers) < RECENT_LESSONS for new, numbers in zip(newest, drawn, strict=True)
    )
    assert len({n for numbers in drawn[100:] for n in numbers}) > 600


@pytest.mark.slow
def test_a_clip_that_is_drawn_again_is_not_rendered_again(monkeypatch):
    rendered = []
    true = scene_reader.scene_lesson(1)
    monkeypatch.setattr(scene_reader, "scene_lesson", lambda seed: (rendered.append(seed), true)[1])
    task = SceneReaderTask(new_scene_reader(), batch=8)
    for step in range(90):
        video, targets = task.draw(step, Ranks())
    assert (len(video), len(targets)) == (8, 8)
    assert len(rendered) == len(set(rendered)) == 270
