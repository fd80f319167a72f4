"""A plan splits the frames of a video among calls of a model, each at its own place."""

import pytest
import torch

from sora_core.pipeline.temporal_plan import RING_CUTS, TemporalPlan
from sora_core.sampling.windows import Windows
from sora_core.shapes import Grid

LENGTH, OVERLAP = 5, 2


def plan(frames, *, ring=False, in_segments=False, cut_everywhere=True, ring_place=1):
    windows = Windows(min(LENGTH, frames), min(OVERLAP, frames - 1))
    return TemporalPlan(Grid(frames, 2, 2), windows, ring, in_segments, cut_everywhere, ring_place)


def called(plan, start=0, frames=None):
    """The first frame, the place and the length of each call of the model."""
    calls = []

    def predict(x, sigma, frame, place):
        calls.append((frame, place, x.shape[2]))
        return x

    x = torch.randn(1, 1, frames or plan.segment_frames, 2, 2)
    torch.testing.assert_close(plan.denoiser(predict, start)(x, 0.5), x)
    return calls


def test_a_video_of_one_window_is_one_call():
    assert called(plan(4)) == [(0, 0, 4)]
    assert not (plan(4).is_long or plan(4).resumable or plan(4).summary)


def test_windows_cover_a_long_video_each_at_its_own_place():
    calls = called(plan(11))
    assert calls == [(0, 0, 5), (3, 3, 5), (6, 6, 5)]
    assert "windows" in plan(11).summary[0]


def test_a_segment_is_one_call_at_its_place_in_the_whole_video():
    long = plan(11, in_segments=True)
    assert long.segmented and long.segment_frames == LENGTH
    assert called(long, start=3) == [(3, 3, 5)]
    assert "each continuing the one before" in long.summary[0]


def test_a_loop_is_never_in_segments():
    assert not plan(11, ring=True, in_segments=True).segmented


@pytest.mark.parametrize("cut_everywhere", [True, False])
def test_a_short_loop_is_called_whole_from_each_cut(cut_everywhere):
    loop = plan(4, ring=True, cut_everywhere=cut_everywhere)
    calls = called(loop)
    assert len(calls) == (4 if cut_everywhere else RING_CUTS) == loop.cuts[0]
    assert len({frame for frame, _, _ in calls}) == len(calls)
    assert {(place, length) for _, place, length in calls} == {(1, 6)}  # a frame more at each end


def test_a_long_loop_is_called_in_windows_along_each_line():
    loop = plan(11, ring=True)
    calls = called(loop)
    lines = [i for i, (_, place, _) in enumerate(calls) if place == 1]
    assert len(lines) == RING_CUTS
    assert {length for _, _, length in calls} == {LENGTH}
    for begin in lines:
        first = calls[begin][0]
        rest = [call for call in calls[begin:] if call[0] - first == call[1] - 1]
        assert rest[0] == calls[begin] and len(rest) >= 2  # frame and place go on together
