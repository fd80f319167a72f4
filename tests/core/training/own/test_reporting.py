"""The report of a run names what the folder of the run holds."""

from sora_core.training.distributed import Ranks
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
