"""HDR frames (PQ and HLG of BT.2100) as the SDR pictures that models accept.

Light is brought to the display of the SDR master, whose white is 203 cd/m2 (BT.2408), by the EETF
of BT.2390; then BT.2020 becomes BT.709 (BT.2087) and is coded for BT.1886. Axes: y rows, x columns.
"""

import struct

import av
import numpy as np
from av.sidedata.sidedata import Type
from jaxtyping import Float, UInt8, UInt16

from .container import side_data

PQ, HLG = 16, 18  # the numbers of their transfer curves in every standard
NAMES = {PQ: "PQ", HLG: "HLG"}
WHITE = 203.0  # cd/m2 of reference white: BT.2408, table 1
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2  # of its reference display: BT.2100, table 5
MASTERED_PEAK = 1000.0  # of a PQ file without mastering metadata
LIMITS = 400.0, 10_000.0  # cd/m2 of a display that a file may claim
SDR_GAMMA = 2.4  # BT.1886
CODES = 65535

BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
BT709_PRIMARIES = 1


class ToneMapper:
    """Maps the frames of one video; tables for its `curve` and its peak are computed once.

    `primaries` is the number of its primaries; the metadata of `frame`, its first, may have its
    peak.
    """

    def __init__(self, curve: int, primaries: int, frame: av.VideoFrame) -> None:
        self.curve, self.wide = curve, primaries != BT709_PRIMARIES
        codes = np.arange(CODES + 1) / CODES
        if self.curve == PQ:
            self.peak = mastered_peak(frame)
            self.light = pq_light(codes).clip(0, self.peak).astype(np.float32)
        else:
            self.peak = HLG_PEAK
            self.light = hlg_scene(codes).astype(np.float32)
        light = codes**2 * self.peak  # the index is a square root: fine steps where it is dark
        mapped = eetf(light, self.peak)
        self.gain = np.divide(mapped, light, where=light > 0, out=np.ones_like(light))
        self.gain = self.gain.astype(np.float32)
        self.levels = (255 * codes ** (2 / SDR_GAMMA)).round().astype(np.uint8)

    def __call__(self, signal: UInt16[np.ndarray, "y x 3"]) -> UInt8[np.ndarray, "y x 3"]:
        """`signal`, R'G'B' of the HDR curve over 65535, as SDR bytes."""
        light = self.light[signal]
        if self.curve == HLG:
            luma = light @ BT2020_LUMA
            light *= (HLG_PEAK * luma ** np.float32(HLG_GAMMA - 1))[..., None]
        brightest = light.max(-1)
        light *= self.gain[_index(brightest / np.float32(self.peak))][..., None]
        if self.wide:
            light = light @ BT2020_TO_BT709.T
        return self.levels[_index(light / np.float32(WHITE))]


def eetf(light: Float[np.ndarray, " n"], peak: float) -> Float[np.ndarray, " n"]:
    """`light` of a display of `peak` cd/m2 on one of 203: BT.2390-11, section 5.4.1."""
    if peak <= WHITE:
        return light
    whole = pq_signal(np.array(peak))
    x = pq_signal(light) / whole
    top = float(pq_signal(np.array(WHITE)) / whole)
    knee = 1.5 * top - 0.5
    t = (x - knee) / (1 - knee)
    shoulder = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * top
    )
    return pq_light(np.where(x < knee, x, shoulder) * whole)


def pq_light(signal: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """cd/m2 of a PQ signal in [0, 1]: the EOTF of SMPTE ST 2084."""
    power = np.maximum(signal, 0) ** (1 / 78.84375)
    ratio = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return 10_000 * ratio ** (1 / 0.1593017578125)


def pq_signal(light: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """The PQ signal in [0, 1] of `light` in cd/m2; the inverse of `pq_light`."""
    power = (light / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg_scene(signal: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Scene light in [0, 1] of an HLG signal: the inverse OETF of BT.2100."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def mastered_peak(frame: av.VideoFrame) -> float:
    """cd/m2 of the display on which `frame` was mastered, by its metadata if they are plausible."""
    display = side_data(frame, Type.MASTERING_DISPLAY_METADATA, 88)
    if display is None:
        return MASTERED_PEAK
    numerator, denominator = struct.unpack_from("=2i", display, 72)
    peak = numerator / denominator if denominator else 0.0
    return peak if LIMITS[0] <= peak <= LIMITS[1] else MASTERED_PEAK


def _index(share: Float[np.ndarray, "*any"]) -> UInt16[np.ndarray, "*any"]:
    """The table entry of `share` of the most light; the tables are spaced by square roots."""
    return (np.sqrt(share.clip(0, 1)) * np.float32(CODES) + np.float32(0.5)).astype(np.uint16)
