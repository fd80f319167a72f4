"""What is asked of held-out clips, and that a broken edit is found out."""

from dataclasses import replace

import pytest
import torch

from sora_core.measure.edit_cases import (
    OPERATIONS,
    EditRunner,
    largest_error,
    link_lengths,
    recolour_case,
    run_chain,
    run_edit,
    settled_frames,
)
from sora_core.measure.edit_report import (
    BAR_HEIGHT,
    GENERATED_COLOUR,
    KNOWN_COLOUR,
    Claim,
    drift_claims,
    preservation_claims,
    seam_claims,
    with_bars,
    write_edits,
)
from sora_core.measure.heldout_clips import (
    CLIP_SIZE,
    TUNING_SEED,
    HeldOutClip,
    heldout_clips,
    to_and_fro,
)
from sora_core.measure.report import Figure
from sora_core.pipeline.generate import encode_footage, load
from sora_core.world.scene import is_held_out, sample_scene
from tests.support.tiny import write_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return load(write_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def clips():
    return list(heldout_clips(2))


def test_takes_are_held_out_and_those_for_tuning_are_others(clips):
    for take in clips:
        thing = take.scene.things[0]
        assert is_held_out(thing.shape, thing.colour, thing.motion)
    (tuned,) = heldout_clips(1, TUNING_SEED)
    assert tuned.seed != clips[0].seed
    assert not torch.equal(tuned.frames, clips[0].frames)


def test_another_colour_changes_the_caption_in_one_place_only():
    for seed in range(12):
        take = HeldOutClip(seed, sample_scene(seed, held_out=True), torch.empty(0))
        text, asked = take.caption.split(), take.recoloured_caption.split()
        assert text != asked
        assert take.other_colour != take.scene.things[0].colour
        head = next(i for i, (a, b) in enumerate(zip(text, asked, strict=False)) if a != b)
        tail = next(
            i
            for i, (a, b) in enumerate(zip(reversed(text), reversed(asked), strict=False))
            if a != b
        )
        assert len(text) - head - tail <= 2
        assert len(asked) - head - tail <= 2


def test_to_and_fro_never_jumps():
    numbers = to_and_fro(torch.arange(9)[:, None], 17).flatten()
    assert len(numbers) == 17
    assert numbers.diff().abs().tolist() == [1] * 16
    assert numbers.max() == 8


@pytest.mark.parametrize(
    "name, preserved", [("image", 1), ("forward", 9), ("backward", 8), ("fill", 9)]
)
def test_what_is_known_is_kept_exactly(tiny, clips, name, preserved):
    edit = run_edit(tiny, OPERATIONS[name](*clips), 2)
    assert len(edit.frames) == 17
    assert len(edit.known_frames) == preserved
    assert edit.latent_error == 0
    assert edit.seams.joins


def test_causal_decoding_keeps_what_comes_first_as_the_autoencoder_gives_it_back(tiny, clips):
    edit = run_edit(tiny, OPERATIONS["forward"](*clips), 2)
    assert edit.own_loss == pytest.approx(0, abs=0.01)


def test_frames_settle_two_after_what_was_generated():
    assert settled_frames(range(9)) == list(range(9))
    assert settled_frames((*range(5), *range(13, 17))) == [0, 1, 2, 3, 4, 15, 16]


def test_a_latent_that_was_not_kept_is_found_out(tiny, clips):
    encoded = encode_footage(tiny, OPERATIONS["forward"](*clips).canvas)
    known, mask = encoded.known, encoded.mask
    moved = known.clone()
    moved[:, :, 0, 0, 0] += 0.01
    assert largest_error(known, known, mask) == 0
    assert largest_error(moved, known, mask) == pytest.approx(0.01, rel=1e-3)
    moved = known.clone()
    moved[:, :, -1] += 1  # is painted
    assert largest_error(moved, known, mask) == 0


def test_a_loop_is_measured_around_and_a_change_of_colour_at_no_join(tiny, clips):
    around = run_edit(tiny, OPERATIONS["loop"](*clips), 2)
    assert len(around.frames) == 16 == len(around.seams.steps.pixels)
    changed = run_edit(tiny, recolour_case(0.5)(*clips), 2)
    assert changed.known_frames == changed.seams.joins == ()


def test_a_chain_begins_with_the_clip_and_is_as_long_as_its_links(tiny, clips):
    links = run_chain(tiny, clips[0], links=2, count=1)
    assert [len(link) for link in links] == link_lengths(2) == [17, 12, 12]
    again = run_edit(tiny, OPERATIONS["image"](*clips), 1)
    assert (links[0][0].int() - again.frames[0].int()).abs().max() <= 1  # another chunk, rounded


def test_claims_hold_up_to_their_bound():
    assert Claim(Figure("x", 1.0), 1.0).holds
    assert not Claim(Figure("x", 1.01), 1.0).holds
    assert "falls short" in str(Claim(Figure("x", 0.79), 0.8, at_least=True))
    assert "holds" not in str(Claim(Figure("x", 9.9)))


def test_a_worse_edit_falls_short(tiny, clips):
    edit = run_edit(tiny, OPERATIONS["forward"](*clips), 1)
    worse = replace(edit, latent_error=0.01, own_loss=0.3)
    assert [c.holds for c in preservation_claims("x", [edit])] == [True] * 4
    assert [c.holds for c in preservation_claims("x", [edit, worse])] == [False, True, True, True]
    assert [c.holds for c in preservation_claims("x", [worse])] == [False, True, False, True]
    still = [c.figure.value for c in seam_claims("x", [edit]) if "median" in c.figure.name]
    assert still == pytest.approx(list(edit.seams.ratios(9).values()))


def test_drift_of_chains_stands_beside_that_of_the_true_scenes(tiny, clips):
    (true,) = heldout_clips(1, clips[0].seed, replace(CLIP_SIZE, frames=41))
    links = true.frames.split(link_lengths(2))
    bench = EditRunner(tiny, reader=None, clips=clips[:1])
    values = {c.figure.name: c.figure.value for c in drift_claims(bench, [links])}
    assert values["chain_colour_drift_per_link"] == values["true_chain_colour_drift_per_link"]
    brighter = [link // 2 + 10 * i for i, link in enumerate(links)]
    (colour, *_) = drift_claims(bench, [brighter])
    assert not colour.holds


def test_bars_show_which_frames_are_footage(tiny, clips, tmp_path):
    frames = with_bars(clips[0].frames, (0, 1))
    assert frames.shape[1] == 64 + BAR_HEIGHT
    assert frames[1, -1, 0].tolist() == list(KNOWN_COLOUR)
    assert frames[2, -1, 0].tolist() == list(GENERATED_COLOUR)
    path = write_edits("image", [run_edit(tiny, OPERATIONS["image"](*clips), 1)], tmp_path)
    assert path.name == "image.png" and path.stat().st_size > 1000
