"""HDR frames as SDR: reference white is white, the curve clips nothing that it can preserve."""

import av
import numpy as np
import pytest

from sora_core.video.hdr import HLG, PQ, ToneMapper, eetf, hlg_scene, pq_light, pq_signal
from sora_core.video.probe import probe
from sora_core.video.reader import read_frames

CURVES = {"HLG": HLG, "PQ": PQ}


def mapped(curve, signal, primaries=9):
    """`signal` in [0, 1], three of them, as SDR bytes."""
    codes = (np.array(signal) * 65535).round().astype(np.uint16)
    return ToneMapper(curve, primaries, av.VideoFrame(16, 16))(codes[None, None])[0, 0].tolist()


def test_the_pq_curve_is_that_of_its_standard():  # values of SMPTE ST 2084
    assert pq_light(np.array([0.0, 0.5081, 1.0])) == pytest.approx([0, 100, 10_000], rel=2e-3)
    light = np.geomspace(0.01, 10_000, 50)
    assert pq_light(pq_signal(light)) == pytest.approx(light, rel=1e-9)


def test_the_hlg_curve_is_that_of_its_standard():  # BT.2100, table 5: one twelfth at one half
    assert hlg_scene(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 1 / 12, 1], abs=1e-6)
    assert 1000 * hlg_scene(np.array(0.75)) ** 1.2 == pytest.approx(203, rel=0.01)


@pytest.mark.parametrize("peak", [400.0, 1000.0, 4000.0, 10_000.0])
def test_the_tone_curve_rises_keeps_the_dark_and_ends_at_white(peak):
    light = np.linspace(0, peak, 2000)
    out = eetf(light, peak)
    assert (np.diff(out) >= 0).all()
    assert out[-1] == pytest.approx(203, rel=1e-3)
    knee = pq_light(np.array((1.5 * pq_signal(203.0) / pq_signal(peak) - 0.5) * pq_signal(peak)))
    dark = light < knee
    assert out[dark] == pytest.approx(light[dark], rel=1e-6)


@pytest.mark.parametrize(("curve", "white"), [(HLG, 0.75), (PQ, 0.5807)])
def test_reference_white_is_white_and_grey_is_grey(curve, white):
    red, green, blue = mapped(curve, [white] * 3)
    assert min(red, green, blue) >= 225 and max(red, green, blue) - min(red, green, blue) <= 1
    assert mapped(curve, [0, 0, 0]) == [0, 0, 0]
    assert min(mapped(curve, [1, 1, 1])) >= 254
    levels = [mapped(curve, [signal] * 3)[1] for signal in np.linspace(0, 1, 60)]
    assert levels == sorted(levels)


def test_light_below_the_knee_is_that_of_bt709():
    light = np.array([20.0, 20.0, 20.0])  # cd/m2 on a display whose white is 203
    expected = 255 * (20 / 203) ** (1 / 2.4)
    assert mapped(PQ, pq_signal(light)) == pytest.approx([expected] * 3, abs=1)


def test_red_of_bt709_stays_red():
    to_2020 = np.array([0.6274, 0.0691, 0.0164])  # BT.2087, its first column
    red, green, blue = mapped(PQ, pq_signal(100 * to_2020))
    assert red > 150 and green < 25 and blue < 25


@pytest.mark.parametrize("name", CURVES)
def test_a_file_of_it_is_mapped_and_says_so(tmp_path, name):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        options = {"x265-params": "log-level=none"}
        stream = container.add_stream("libx265", rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries = context.colorspace = 9
        context.color_trc, context.color_range = CURVES[name], 1
        luma = np.full((96, 64), 512, np.uint16)
        luma[:64] = round(64 + 876 * (0.75 if name == "HLG" else 0.5807))
        for number in range(4):  # of fewer, x265 leaves the decoding times to chance
            frame = av.VideoFrame.from_ndarray(luma, format="yuv420p10le")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert any(name in note and "BT.2390" in note for note in probe(path).notes)
    assert next(read_frames(path)).min() >= 225
