"""Segments cover the whole video, and each continues from the frames before it."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from sora_core.errors import ConfigError
from sora_core.sampling.drift import SegmentAnchor, Statistics, closest_segment
from sora_core.sampling.inpaint import hold_known
from sora_core.sampling.samplers import euler
from sora_core.sampling.schedules import linear_sigmas
from sora_core.sampling.segments import SegmentSettings, generate_segments, segment_starts
from sora_core.seams.anchoring import anchor

quick = settings(deadline=None, max_examples=30)


def normal(frames=11, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 2, frames, 4, 4, generator=generator, dtype=torch.float64)


def open_mask(frames=11):
    return torch.ones(1, 1, frames, 4, 4, dtype=torch.float64)


class Generated:
    """Fills every segment with its own number, around the known part, and lists the segments."""

    def __init__(self):
        self.links = []

    def __call__(self, link):
        self.links.append(link)
        noise = normal(link.known.shape[2], link.start)
        answer = torch.full_like(noise, link.index + 1)
        return euler(
            hold_known(lambda x, sigma: answer, link.known, link.mask), noise, linear_sigmas(2)
        )


@quick
@given(
    some.integers(2, 9).flatmap(lambda n: some.tuples(some.just(n), some.integers(1, n - 1))),
    some.integers(1, 60),
)
def test_links_cover_every_frame_and_see_as_much_history_as_asked(link, frames):
    length, history = link
    starts = segment_starts(frames, length, history)
    assert starts[0] == 0
    assert starts[-1] == max(0, frames - length)
    assert all(a < b <= a + length - history for a, b in pairwise(starts))


def test_each_link_keeps_what_the_links_before_it_have_generated():
    generated = Generated()
    latent = generate_segments(generated, normal(), open_mask(), 5, SegmentSettings(history=2))
    numbers = latent[0, 0, :, 0, 0].tolist()
    assert numbers == [1] * 5 + [2] * 3 + [3] * 3
    assert [link.start for link in generated.links] == [0, 3, 6]


def test_a_chain_goes_backwards_from_footage_at_the_end():
    known, mask = normal(), open_mask()
    mask[:, :, -2:] = 0
    generated = Generated()
    latent = generate_segments(generated, known, mask, 5, SegmentSettings(history=2))
    assert [link.start for link in generated.links] == [6, 3, 0]
    assert torch.equal(latent[:, :, -2:], known[:, :, -2:])
    assert latent[0, 0, :9, 0, 0].tolist() == [3] * 3 + [2] * 3 + [1] * 3


def test_a_link_that_is_all_known_is_not_generated():
    known, mask = normal(), open_mask()
    mask[:, :, :8] = 0
    generated = Generated()
    latent = generate_segments(generated, known, mask, 5, SegmentSettings(history=2))
    assert [link.index for link in generated.links] == [2]
    assert torch.equal(latent[:, :, :8], known[:, :, :8])


def test_history_that_is_not_firm_is_noised_so_far_and_kept_footage_never():
    known, mask = normal(), open_mask()
    mask[:, :, :4] = 0
    generated = Generated()
    latent = generate_segments(generated, known, mask, 5, SegmentSettings(history=2, firmness=0.75))
    assert generated.links[1].mask[0, 0, :, 0, 0].tolist() == [0, 0.25, 1, 1, 1]
    assert torch.equal(latent[:, :, :4], known[:, :, :4])


def test_a_segment_gets_the_statistics_of_its_reference():
    generated, weights = Generated(), torch.tensor([[1.0] * 5 + [0] * 6, [0.0] * 5 + [1] * 6])
    generate_segments(generated, normal(), open_mask(), 5, SegmentSettings(), weights)
    generate_segments(generated, normal(), open_mask(), 5, SegmentSettings())
    assert [link.overlap for link in generated.links] == pytest.approx([0, 0.4, 0.6, 0, 1, 1])
    means = [link.reference and link.reference.mean.flatten().tolist() for link in generated.links]
    assert means == [None, [1, 1], pytest.approx([1.6, 1.6]), None, [1, 1], [1, 1]]


def test_a_segment_is_anchored_to_the_first_with_the_same_prompts():
    likes = [Statistics.from_latent(normal(seed=i)) for i in range(3)]
    texts = [torch.tensor(weights) for weights in ([1.0, 0.0], [0.25, 0.75], [0.0, 1.0])]
    anchors = [SegmentAnchor(like, prompts) for like, prompts in zip(likes, texts, strict=True)]
    assert closest_segment(anchors, texts[0]) == (likes[0], 1)
    assert closest_segment([*anchors, *anchors], texts[2]) == (likes[2], 1)
    assert closest_segment(anchors[:2], texts[2]) == (likes[1], 0.75)
    assert closest_segment(anchors[:1], texts[2]) == (None, 0)


def test_an_anchored_prediction_has_the_statistics_it_is_anchored_to():
    like = Statistics.from_latent(3 * normal(seed=1) + 2)
    anchored = anchor(lambda x, sigma: x, like, 1.0)(normal(), 0.5)
    torch.testing.assert_close(Statistics.from_latent(anchored).mean, like.mean)
    torch.testing.assert_close(Statistics.from_latent(anchored).deviation, like.deviation)


def test_an_anchor_of_half_the_strength_goes_half_the_way():
    like = Statistics.from_latent(3 * normal(seed=1) + 2)
    none, half, full = (anchor(lambda x, sigma: x, like, s)(normal(), 0.5) for s in (0, 0.5, 1))
    torch.testing.assert_close(half, (none + full) / 2)
    torch.testing.assert_close(none, normal())


@pytest.mark.parametrize("wrong", [{"history": 0}, {"firmness": 1.5}, {"anchor": -0.1}])
def test_a_chain_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError):
        SegmentSettings(**wrong)


def test_a_history_as_long_as_a_link_is_refused():
    with pytest.raises(ConfigError, match="history 5"):
        generate_segments(Generated(), normal(), open_mask(), 5, SegmentSettings(history=5))


def references(known, mask, weights, **more):
    """The reference of each generated segment of five frames."""
    generated = Generated()
    generate_segments(generated, known, mask, 5, SegmentSettings(**more), weights)
    return [link.reference for link in generated.links], [link.overlap for link in generated.links]


@pytest.mark.parametrize("placed", [slice(0, 3), slice(8, 11)])
def test_the_footage_of_half_a_segment_is_its_reference(placed):
    known, mask = normal(), open_mask()
    mask[:, :, placed] = 0
    found, overlaps = references(known, mask, None, covariance=True)
    expected = Statistics.from_latent(known[:, :, placed])
    assert torch.equal(found[0].covariance, expected.covariance)
    assert torch.equal(found[0].mean, expected.mean)
    assert overlaps == [1, 1, 1] and all(found)


def test_less_footage_and_deviations_alone_leave_the_first_segment_without_a_reference():
    known, mask = normal(), open_mask()
    mask[:, :, :3] = 0
    assert references(known, mask, None)[0][0] is None
    mask[:, :, 2, :2] = 1
    found, overlaps = references(known, mask, None, covariance=True)
    assert found[0] is None and overlaps == [0, 1, 1]


def test_later_footage_of_the_same_prompt_does_not_replace_the_first_reference():
    known, mask = normal(), open_mask()
    mask[:, :, :3] = mask[:, :, 5:8] = 0  # the second segment has frames 4 to 8
    generated = Generated()
    settings = SegmentSettings(history=1, covariance=True)
    latent = generate_segments(generated, known, mask, 5, settings)
    found = generated.links[1].reference
    assert found is not None
    assert torch.equal(found.mean, Statistics.from_latent(latent[:, :, :5]).mean)
