"""A clip that turns into another is one before and the other after, with no jump between."""

import pytest
import torch

from sora_core.training.crossfade_dataset import SPANS, fade, fade_weights
from sora_core.training.dataset import FIRST_OBJECT, ClipShard


def clips(count=3, frames=17):
    levels = torch.arange(count, dtype=torch.uint8) * 100
    return ClipShard(
        frames=levels.view(-1, 1, 1, 1, 1).expand(-1, frames, 4, 4, 3),
        segments=torch.full((count, frames, 4, 4), FIRST_OBJECT, dtype=torch.uint8),
        labels=[{} for _ in range(count)],
        things=[[("ball", str(i)), ("cube", "second")] for i in range(count)],
        captions=[[f"short {i}", f"long {i}"] for i in range(count)],
    )


@pytest.mark.parametrize("span", SPANS)
def test_a_clip_is_itself_before_the_span_and_the_other_after_it(span):
    result, first, after = fade(clips(), span), 4 * span[0] - 3, 4 * span[1] - 3
    assert (result.frames[1, :first] == 100).all() and (result.frames[1, after:] == 0).all()
    assert (result.frames[0, :first] == 0).all() and (result.frames[0, after:] == 200).all()


@pytest.mark.parametrize("span", SPANS)
def test_a_fade_has_no_step_that_stands_out(span):
    steps = fade_weights(17, span).diff()
    inside = steps[steps > 0]
    assert (steps >= 0).all() and torch.isclose(steps.sum(), torch.tensor(1.0))
    assert inside[0] < inside.median() and inside[-1] < inside.median()
    torch.testing.assert_close(inside, inside.flip(0))


def test_both_clips_are_captioned_with_their_first_objects():
    result = fade(clips(), (1, 3))
    assert result.captions[1] == ["short 1 short 0", "long 1 long 0"]
    assert result.things[0] == [("ball", "0"), ("ball", "2")]
    assert (result.segments[:, 0] == FIRST_OBJECT).all()
    assert (result.segments[:, -1] == FIRST_OBJECT + 1).all()
