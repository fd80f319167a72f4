"""The report of a run names what the folder of the run holds, and warns where it memorizes."""

import re

import pytest

from sora_core.training.distributed import Ranks
from sora_core.training.own.page import MOST_TICKS, Chart, log_ticks, svg
from sora_core.training.own.reporting import HELD_OUT_MEAN, RunReport
from sora_core.training.own.settings import OwnSettings
from tests.support.clips import captioned_clip
from tests.support.plans import planned


def test_of_equal_losses_the_page_names_the_first_step_which_the_best_file_has(tmp_path):
    captioned_clip(tmp_path, "a.mp4")
    report = RunReport(tmp_path, OwnSettings(), planned(tmp_path), Ranks(), lambda progress: None)
    best = []
    for step, loss in ((2, 0.7), (4, 0.5), (6, 0.5), (8, 0.6)):
        best.append(report.is_best(step, {HELD_OUT_MEAN: loss}))
        report.record(step, {HELD_OUT_MEAN: loss})
    assert best == [True, True, False, False]
    assert "0.5 at step 4: best.safetensors" in report.page.read_text()


FALL = [1.0, 0.8, 0.7]


@pytest.mark.parametrize(
    ("late", "turn"),
    [([0.75, 0.76], 3), ([0.6, 0.75, 0.9], 4), ([0.6], None), ([0.75], None), ([0.702] * 3, None)],
    ids=["risen twice", "risen after a further fall", "fallen", "risen once", "as good as level"],
)
def test_the_page_and_the_note_warn_where_the_held_out_loss_turns_and_only_there(
    tmp_path, late, turn
):
    for i in range(4):
        captioned_clip(tmp_path, f"{i}.mp4", seed=i)
    plan, notes = planned(tmp_path, held_out=0.4), []
    assert plan.of_split("held-out")
    report = RunReport(tmp_path, OwnSettings(), plan, Ranks(), lambda progress: None)
    report.on_note = notes.append
    for step, loss in enumerate((*FALL, *late), 1):
        report.is_best(step, {HELD_OUT_MEAN: loss})
        report.record(step, {HELD_OUT_MEAN: loss, "held_out/average@0.98": loss})
    page = report.page.read_text()
    if turn is None:
        assert notes == [] and "class=warning" not in page
        return
    (note,) = notes
    assert f"risen since step {turn}:" in note
    (displayed,) = re.findall("<p class=warning.*?>(.*?)</p>", page)
    assert displayed == note
    assert f"least, step {turn}" in page


def test_a_logarithmic_axis_has_a_few_round_values_within_its_ends():
    for low in (-6.0, -2.3, -0.11, 0.4, 1.7):
        for spread in (0.11, 0.5, 1.4, 3.0, 9.0):
            values = log_ticks(low, low + spread)
            assert 2 <= len(values) <= 2 * MOST_TICKS
            assert values == sorted(values)
            assert all(10**low * 0.999 <= one <= 10 ** (low + spread) * 1.001 for one in values)
            assert all(float(f"{one:.3g}") == pytest.approx(one) for one in values)


@pytest.mark.parametrize("low, high", [(115.2, 116.4), (0.00011, 0.00012), (1e6, 1.000004e6)])
def test_the_labels_of_an_axis_differ_however_narrow_its_range_is(low, high):
    drawn = svg(Chart("detail", "", {"generated": [(1, low), (9, high)]}))
    labels = re.findall(r"text-anchor=end>([^<]*)</text>", drawn)
    assert len(labels) > 2
    assert len(set(labels)) == len(labels)
