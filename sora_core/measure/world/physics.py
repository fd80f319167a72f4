"""Physics: whether motions obey gravity, inertia and contact. Axes: t frames.

The path of each thing is fitted by the law of its motion, after Phyworld (arXiv 2411.02385), which
compares velocities from centroids found by colour. A clip passes if every figure of the fit lies
in the range of true clips through the autoencoder, measured on other scenes. The ranges of
one law hold 95 % of these together (Bonferroni); a misfit has no lower bound.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...shapes import Frames
from .clips import Clips, Sample, calibration_readings, read_all
from .row import Row
from .shape import OUTSIDE_SHARE
from .tracker import Track, track

FIT_FRAMES = 8  # frames that a fit needs
SLACK = 0.1  # of a range, added at each end: some tens of clips do not reach its ends
MISFITS = {"residual", "struck", "jitter", "area", "rest", "early", "gap"}

Laws = dict[str, float]
"""The figures of a fit by name, in pixels and frames; nan if there is no fit."""


def fit_bounce(sample: Sample, frames: Frames) -> Laws:
    """Hops of one height: gravity, height, misfit of the parabolas, sideways jitter, area."""
    found = track(frames, sample.tints[0])
    at, y = _frames_in_view(found), found.y[found.inside]
    if len(at) < FIT_FRAMES:
        return _unfit("gravity height residual jitter area")
    periods, phases = np.linspace(5, 26, 106), np.linspace(0, 1, 41)[:-1]
    grid = np.stack(np.meshgrid(periods, phases), axis=-1).reshape(-1, 2)
    for step in ((0.1, 0.0125), (0.02, 0.003)):
        gravity, residual = _fitted_factors(_hop_profiles(at, grid), y)
        valid = np.where(gravity < 0, residual, np.inf)  # rows count downward, hops go up
        best = grid[valid.argmin()]
        span = np.linspace(-1, 1, 9)
        grid = best + np.stack(np.meshgrid(span, span), axis=-1).reshape(-1, 2) * step
    gravity, residual = _fitted_factors(_hop_profiles(at, best[None]), y)
    return {
        "gravity": -gravity[0],
        "height": -gravity[0] * best[0] ** 2 / 8,
        "residual": residual[0],
        "jitter": _jitter(at, found.x[found.inside]),
        "area": _variation(found.area[found.inside]),
    }


def fit_fall(sample: Sample, frames: Frames) -> Laws:
    """A drop and one hop of half its time: gravity, landing, misfit, jitter, area, rest."""
    found = track(frames, sample.tints[0])
    at, y = _frames_in_view(found), found.y[found.inside]
    if len(at) < FIT_FRAMES:
        return _unfit("gravity landing residual jitter area rest")
    landings = np.linspace(2, 24, 441)
    gravity, residual = _fitted_factors(_drops(at, landings), y)
    best = np.where(gravity < 0, residual, np.inf).argmin()
    rest = y[at > 1.5 * landings[best] + 1]
    return {
        "gravity": -gravity[best],
        "landing": landings[best],
        "residual": residual[best],
        "jitter": _jitter(at, found.x[found.inside]),
        "area": _variation(found.area[found.inside]),
        "rest": float(rest.std()) if len(rest) > 1 else 0.0,
    }


def fit_roll(sample: Sample, frames: Frames) -> Laws:
    """Constant speed in the asked direction: speed, misfit of the line, vertical jitter, area."""
    found = track(frames, sample.tints[0])
    at, x = _frames_in_view(found), found.x[found.inside]
    if len(at) < FIT_FRAMES:
        return _unfit("speed residual jitter area")
    slope, _ = np.polyfit(at, x, 1)
    return {
        "speed": slope * _direction(sample),
        "residual": _jitter(at, x),
        "jitter": _jitter(at, found.y[found.inside]),
        "area": _variation(found.area[found.inside]),
    }


def fit_collision(sample: Sample, frames: Frames) -> Laws:
    """The first stops at contact, the second moves off: speed, share transferred, misfits, and
    vertical jitter and area of the less steady of the two."""
    hitter, target = (track(frames, tint) for tint in sample.tints[:2])
    both = hitter.inside & target.inside
    at = np.flatnonzero(both).astype(float)
    if len(at) < FIT_FRAMES:
        return _unfit("speed transfer residual struck creep early jitter area")
    first, second = hitter.x[both], target.x[both]
    times = np.linspace(at[2], at[-2], 121)
    before, after = np.minimum(at, times[:, None]), np.maximum(at - times[:, None], 0)
    speed, one = _fitted_factors(before, first)
    passed, two = _fitted_factors(after, second)
    best = (one**2 + two**2).argmin()
    late, early = at > times[best] + 1, at < times[best] - 1
    return {
        "speed": speed[best] * _direction(sample),
        "transfer": passed[best] / speed[best] if speed[best] else np.nan,
        "residual": one[best],
        "struck": two[best],
        "creep": _speed(at[late], first[late]),
        "early": float(second[early].std()) if early.any() else 0.0,
        "jitter": max(_jitter(at, thing.y[both]) for thing in (hitter, target)),
        "area": max(_variation(thing.area[both]) for thing in (hitter, target)),
    }


def fit_push(sample: Sample, frames: Frames) -> Laws:
    """The second rests, then moves with the first: speed, gap while pushed, early movement."""
    pusher, pushed = (track(frames, tint) for tint in sample.tints[:2])
    both = pusher.found & pushed.found
    at = np.flatnonzero(both).astype(float)
    if len(at) < FIT_FRAMES:
        return _unfit("speed together residual gap early")
    first, second = pusher.x[both], pushed.x[both]
    times = np.linspace(at[1], at[-3], 121)
    after = np.maximum(at - times[:, None], 0)
    speed, misfit = _fitted_factors(after, second)
    best = misfit.argmin()
    late, early = at >= times[best], at < times[best] - 1
    return {
        "speed": speed[best] * _direction(sample),
        "together": _speed(at[late], first[late]) / speed[best] if speed[best] else np.nan,
        "residual": misfit[best],
        "gap": float((first - second)[late].std()),
        "early": float(second[early].std()) if early.any() else 0.0,
    }


LAWS: Mapping[str, Callable[[Sample, Frames], Laws]] = {
    "bounce": fit_bounce,
    "fall": fit_fall,
    "roll": fit_roll,
    "collide": fit_collision,
    "push": fit_push,
}


def ranges(fits: Sequence[Laws]) -> dict[str, tuple[float, float]]:
    """The range of each figure, such that 95 % of clips lie in all of them."""
    share, found = OUTSIDE_SHARE / len(fits[0]), {}
    for name in fits[0]:
        values = [fit[name] for fit in fits if np.isfinite(fit[name])]
        if name in MISFITS:
            found[name] = (0.0, (1 + SLACK) * float(np.quantile(values, 1 - share)))
        else:
            low, high = np.quantile(values, [share / 2, 1 - share / 2])
            slack = SLACK * (high - low)
            found[name] = (float(low - slack), float(high + slack))
    return found


def lawful(fit: Laws, allowed: Mapping[str, tuple[float, float]]) -> bool:
    """Whether all figures lie in their ranges; nan does not."""
    return all(low <= fit[name] <= high for name, (low, high) in allowed.items())


def rows(clips: Clips, count: int, calibration: int, kinds: Sequence[str]) -> list[Row]:
    """`physics/KIND`: the share of clips whose figures are all in range."""
    return [_lawful_share(clips, count, calibration, kind) for kind in kinds]


def _lawful_share(clips: Clips, count: int, calibration: int, kind: str) -> Row:
    allowed = ranges(calibration_readings(clips, kind, calibration, LAWS[kind]))
    trio = read_all(clips, clips.samples(kind, count), LAWS[kind])
    return trio.shares(f"physics/{kind}", lambda fit: lawful(fit, allowed))


def _hop_profiles(at: Float[ndarray, "t"], grid: Float[ndarray, "n 2"]) -> Float[ndarray, "n t"]:
    """Heights, but for gravity, of hops with each (period, phase)."""
    period, phase = grid[:, :1], grid[:, 1:]
    since = np.mod(at / period + phase, 1) * period
    return since * (period - since) / 2


def _drops(at: Float[ndarray, "t"], landings: Float[ndarray, "n"]) -> Float[ndarray, "n t"]:
    """Heights, but for gravity, of drops that land at each time and hop once, half as long."""
    landing = landings[:, None]
    above = (landing**2 - np.minimum(at, landing) ** 2) / 2
    since = np.clip(at - landing, 0, 0.5 * landing)
    return above + since * (0.5 * landing - since) / 2


def _fitted_factors(
    basis: Float[ndarray, "n t"], values: Float[ndarray, "t"]
) -> tuple[Float[ndarray, "n"], Float[ndarray, "n"]]:
    """The factor of each basis that fits `values` best beside a constant, and the misfit (rms)."""
    centred = basis - basis.mean(axis=1, keepdims=True)
    target = values - values.mean()
    power = np.maximum((centred**2).sum(axis=1), 1e-9)
    factor = centred @ target / power
    misfit = target - factor[:, None] * centred
    return factor, np.sqrt((misfit**2).mean(axis=1))


def _frames_in_view(found: Track) -> Float[ndarray, "t"]:
    return np.flatnonzero(found.inside).astype(float)


def _jitter(at: Float[ndarray, "t"], values: Float[ndarray, "t"]) -> float:
    """The distance of `values` from a straight line (rms)."""
    return float((values - np.polyval(np.polyfit(at, values, 1), at)).std())


def _speed(at: Float[ndarray, "t"], values: Float[ndarray, "t"]) -> float:
    return float(np.polyfit(at, values, 1)[0]) if len(at) > 2 else 0.0


def _variation(area: Float[ndarray, "t"]) -> float:
    return float(area.std() / area.mean())


def _direction(sample: Sample) -> float:
    """1 if the first thing truly goes right, -1 if left."""
    x = sample.clip.truth.screen[0, :, 0]
    return 1.0 if (x[-1] - x[0]).item() >= 0 else -1.0


def _unfit(names: str) -> Laws:
    return dict.fromkeys(names.split(), np.nan)
