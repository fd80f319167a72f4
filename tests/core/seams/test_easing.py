"""Text pushes nothing beside known footage, and all it can some frames further on."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from sora_core.sampling.guidance import guide_both
from sora_core.seams.easing import ease_guidance
from tests.core.sampling.test_two_guidances import SCALES, close, models, normal

SHARE = torch.tensor([0, 0.25, 0.5, 1, 1], dtype=torch.float64).view(1, 1, 5, 1, 1)
masks = some.lists(some.booleans(), min_size=1, max_size=9)


def mask_of(frames):
    """0 in the frames that are known."""
    return (~torch.tensor(frames)).float().view(1, 1, -1, 1, 1).expand(1, 1, -1, 2, 3)


@given(masks, some.integers(1, 4), some.booleans())
def test_the_push_rises_with_the_distance_to_what_is_known(known, over, ring):
    share, length = ease_guidance(mask_of(known), over, ring), len(known)
    if not any(known):
        assert share == 1.0
        return
    for t in range(length):
        steps = [abs(t - k) for k in range(length) if known[k]]
        steps += [length - step for step in steps] if ring else []
        wanted = min(max((min(steps) - 1) / over, 0), 1)
        assert share[0, 0, t, 0, 0] == pytest.approx(wanted)


def test_a_frame_that_is_known_in_part_or_softly_eases_nothing():
    mask = mask_of([False] * 4).clone()
    mask[:, :, 0] = 0.3
    mask[:, :, 1, :, 0] = 0
    assert ease_guidance(mask, 2) == 1.0
    assert ease_guidance(mask_of([True, False]), 0) == 1.0


@settings(deadline=None, max_examples=20)
@given(SCALES, SCALES)
def test_each_frame_is_led_by_its_own_scale(text, footage):
    result = guide_both(*models(), text, footage, share=SHARE)(normal(0), 0.5)
    for t, share in enumerate(SHARE.flatten().tolist()):
        alone = guide_both(*models(), 1 + (text - 1) * share, footage)(normal(0), 0.5)
        close(result[:, :, t], alone[:, :, t])


def test_where_no_frame_is_pushed_nothing_is_evaluated_to_push_from():
    full, only, nothing = models()
    guide_both(full, only, nothing, 4.0, 1.0, share=torch.zeros_like(SHARE))(normal(0), 0.5)
    assert (full.calls, only.calls, nothing.calls) == (1, 0, 0)
