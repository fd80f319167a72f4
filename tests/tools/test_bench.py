"""The benchmark is fair, and each suite rehearsed: the same work, and its ratio printed."""

from itertools import count

import pytest
import torch

from tools.bench import bf16, dit, limits, packing, sampler, stream, training, vae
from tools.bench.race import Candidate, DifferentError, median_interval, race, same


def timed(*seconds):
    """A candidate that takes `seconds` of its own clock, lap by lap, and again from the start."""
    now, laps = [0.0], [0]

    def run():
        now[0] += seconds[laps[0] % len(seconds)]
        laps[0] += 1

    return Candidate(run, cpu=lambda: now[0])


def figures(found):
    return {figure.name: figure.value for figure in found}


def test_half_the_time_is_twice_as_fast():
    done = race("race", {"peer": timed(2.0), "ours": timed(1.0)}, rounds=3)
    assert figures(done.verdict("ratio", "ours"))["ratio"] == 2


def test_a_candidate_that_is_faster_at_best_and_slower_as_a_rule_is_equal():
    done = race("race", {"peer": timed(1.0), "ours": timed(9.0, 1.1, 0.9, 1.1)}, rounds=3)
    assert figures(done.verdict("ratio", "ours"))["ratio"] == 1


def test_a_peer_that_disagrees_with_itself_is_no_measure():
    noisy = timed(1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0)
    done = race("race", {"peer": noisy, "ours": timed(1.0)}, rounds=3)
    assert figures(done.figures())["race/noise"] > 0.05
    assert not list(done.verdict("ratio", "ours"))


def test_a_share_has_its_median_and_quartiles_even_where_the_peer_is_noisy():
    noisy = timed(1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0)
    done = race("race", {"peer": noisy, "ours": timed(2.0)}, rounds=3)
    found = figures(done.share("share", "ours"))
    ratios = sorted(done.ratios("ours", lambda lap: lap.cpu))
    assert found["share"] == ratios[1]
    assert found["share/low"] == sum(ratios[:2]) / 2 and found["share/high"] == sum(ratios[1:]) / 2
    single = race("race", {"peer": timed(1.0), "ours": timed(2.0)}, rounds=1)
    assert set(figures(single.share("share", "ours")).values()) == {0.5}


def test_the_interval_of_a_median_holds_it_in_95_of_100_draws_of_any_distribution():
    generator = torch.Generator().manual_seed(0)
    for power in (1, 8):  # uniform, and far from symmetric
        draws = torch.rand(2000, 25, generator=generator) ** power
        intervals = [median_interval(draw.tolist()) for draw in draws]
        held = sum(low <= 0.5**power <= high for low, high in intervals)
        assert 0.94 < held / 2000 < 0.98


def test_one_noisy_round_moves_no_ratio_of_many_rounds():
    steady, noisy = timed(1.0), timed(*[1.1] * 20, 9.0)
    done = race("race", {"peer": steady, "ours": noisy}, rounds=20)
    found = figures(done.tested("ratio", "ours"))
    assert found["ratio"] == pytest.approx(1 / 1.1)
    assert found["ratio/low"] == pytest.approx(1 / 1.1) == found["ratio/high"]


def test_every_other_round_runs_in_reverse():
    order = []
    names = ("peer", "ours")
    seconds = count().__next__
    race("race", {n: Candidate(lambda n=n: order.append(n), 0, seconds) for n in names}, rounds=2)
    assert order[2:] == ["peer", "ours", "peer", "peer", "ours", "peer"]


@pytest.mark.parametrize("wrong", [1e-3, float("nan")])
def test_other_work_is_not_raced(wrong):
    expected = torch.ones(3)
    assert same("work", expected + 1e-7, expected).value < 1e-5
    with pytest.raises(DifferentError):
        same("work", expected + wrong, expected)


KEYS = {
    limits: ["limits/causal_vs_conv3d_32x5x16x16"],
    training: [
        "training/of_peak",
        "training/loop_of_bare",
        "training/packed_of_bucketed",
        "training/packed/gradient/error",
        "training/padded/gradient/error",
    ],
    packing: ["packing/vs_padded", "packing/packed/gradient/error"],
    dit: ["dit/forward_vs_wan", "dit/forward/error", "dit/train_vs_wan"],
    vae: ["vae/own_decode_of_peak", "vae/wan_weights_64", "vae/wan_64/decode/error"],
    sampler: ["sampler/vs_diffusers", "sampler/interval_vs_diffusers", "sampler/error"],
    bf16: [
        "bf16/dit_vs_fp32",
        "bf16/decode_vs_fp32",
        "bf16/dit_vs_wan",
        "bf16/quality/psnr",
        "bf16/quality/read_the_same",
    ],
    stream: ["stream/speed_64", "stream/speed_native", "stream/speed_64/bf16"],
}


SLOW = (limits, bf16, stream)


@pytest.mark.parametrize(
    "suite",
    [pytest.param(suite, marks=pytest.mark.slow) if suite in SLOW else suite for suite in KEYS],
    ids=lambda suite: suite.__name__.rpartition(".")[2],
)
def test_a_rehearsal_does_the_same_work_and_prints_its_ratios(suite):
    if suite in (dit, vae, sampler):
        pytest.importorskip("diffusers", reason="a peer of tools/requirements/bench.txt")
    assert set(KEYS[suite]) <= set(figures(suite.run(1, smoke=True)))
