"""Colours of files against the standards' own matrices, in floating point, and over ten saves."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from av.filter import Graph

from sora_core.video.chroma import (
    SITED_CENTRE,
    SITED_LEFT,
    ChromaHalving,
    enlarging,
    halving_blocks,
)
from sora_core.video.colour import FrameConverter, YuvWriter
from sora_core.video.probe import probe
from sora_core.video.reader import read_frames
from sora_core.video.writer import write_video

KR_KB = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
UNNAMED = 2
LIMITED, FULL = 1, 2
HEIGHT, WIDTH = 48, 64


def rgb_of(planes, matrix, limited, bits):
    """R'G'B' in 0 to 255, unrounded: the definition in BT.601, BT.709 and BT.2020."""
    y, cb, cr = planes.astype(float)
    step = 2 ** (bits - 8)
    if limited:
        y, cb, cr = (y / step - 16) / 219, (cb / step - 128) / 224, (cr / step - 128) / 224
    else:
        top, middle = 2**bits - 1, 2 ** (bits - 1)
        y, cb, cr = y / top, (cb - middle) / top, (cr - middle) / top
    kr, kb = KR_KB[matrix]
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    return (255 * np.stack([r, g, b], -1)).clip(0, 255)


def frame_of(y, cb, cr, pixels, matrix, color_range):
    frame = av.VideoFrame(y.shape[1], y.shape[0], pixels)
    dtype = np.uint16 if "10" in pixels else np.uint8
    for plane, values in zip(frame.planes, (y, cb, cr), strict=True):
        np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width] = values
    frame.colorspace, frame.color_range = matrix, color_range
    return frame


def sited(frame, location):
    """`frame` that states the position of its chroma."""
    frame.pts, frame.time_base = 0, Fraction(1, 24)
    graph = Graph()
    size = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
    colour = f"colorspace={frame.colorspace}:range={frame.color_range}"
    graph.link_nodes(
        graph.add("buffer", f"{size}:time_base=1/24:pixel_aspect=1/1:{colour}"),
        graph.add("setparams", f"chroma_location={location}"),
        graph.add("buffersink"),
    ).configure()
    graph.vpush(frame)
    return graph.vpull()


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize("layout", ["yuv420p", "yuv422p", "yuv444p"])
@pytest.mark.parametrize("bits", [8, 10])
def test_flat_colours_are_within_a_level_of_the_standard(matrix, color_range, layout, bits):
    pixels = layout if bits == 8 else f"{layout}10le"
    step, random = 2 ** (bits - 8), np.random.default_rng(0)
    worst = 0.0
    for y, cb, cr in random.integers((40, 90, 90), (210, 166, 166), (40, 3)) * step + step // 2:
        shape = (HEIGHT, WIDTH)
        halved = [-(-side // 2) for side in shape]
        chroma = {"yuv420p": halved, "yuv422p": [HEIGHT, halved[1]]}.get(layout, shape)
        planes = np.full(shape, y), np.full(chroma, cb), np.full(chroma, cr)
        frame = frame_of(*planes, pixels, matrix, color_range)
        observed = FrameConverter(WIDTH, HEIGHT).rgb(frame)
        right = rgb_of(np.array([y, cb, cr]), matrix, color_range == LIMITED, bits)
        worst = max(worst, abs(observed - right).max())
    # libswscale, and so every FFmpeg, divides full range of 10 bits by 1020 and not by 1023.
    assert worst <= (1.2 if (color_range, bits) == (FULL, 10) else 1)


@pytest.mark.parametrize(("location", "sitings"), [
    ("left", (SITED_LEFT, SITED_CENTRE)), ("center", (SITED_CENTRE, SITED_CENTRE)),
    ("topleft", (SITED_LEFT, SITED_LEFT)),
])  # fmt: skip
def test_halved_chroma_lies_where_the_file_puts_it(location, sitings):
    columns, rows = sitings
    across = 128 + 60 * np.sin(np.arange(WIDTH // 2) / 5)
    down = 128 + 60 * np.sin(np.arange(HEIGHT // 2) / 5)
    cb = np.broadcast_to(across, (HEIGHT // 2, WIDTH // 2)).round()
    cr = np.broadcast_to(down[:, None], (HEIGHT // 2, WIDTH // 2)).round()
    frame = frame_of(np.full((HEIGHT, WIDTH), 128), cb, cr, "yuv420p", 1, LIMITED)
    observed = FrameConverter(WIDTH, HEIGHT).rgb(sited(frame, location))
    whole_cb = cb @ enlarging(WIDTH // 2, WIDTH, columns).T
    whole_cb = enlarging(HEIGHT // 2, HEIGHT, rows) @ whole_cb
    whole_cr = enlarging(HEIGHT // 2, HEIGHT, rows) @ cr @ enlarging(WIDTH // 2, WIDTH, columns).T
    right = rgb_of(np.stack([np.full((HEIGHT, WIDTH), 128), whole_cb, whole_cr]), 1, True, 8)
    assert abs(observed - right)[2:-2, 2:-2].max() <= 1


@pytest.mark.parametrize("rows", [480, 720, 1280])
def test_a_matrix_that_is_not_named_is_that_of_the_host_at_every_height(rows):
    planes = np.full((rows, 64), 120), np.full((rows // 2, 32), 90), np.full((rows // 2, 32), 180)
    frame = frame_of(*planes, "yuv420p", UNNAMED, 0)
    host = frame.to_ndarray(format="rgb24")  # what ComfyUI 0.3.75 asks of PyAV
    observed = FrameConverter(64, rows).rgb(frame)
    assert abs(observed.astype(int) - host).max() <= 2  # the host rounds down
    assert abs(observed[0, 0] - rgb_of(np.array([120, 90, 180]), 5, True, 8)).max() <= 1


def test_what_is_not_named_is_noted(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    assert any("BT.601" in note for note in probe(path).notes)
    named = write_video(tmp_path / "b.mp4", [torch.zeros(2, 64, 64, 3, dtype=torch.uint8)], 24)
    assert probe(named).notes == ()


def hard(height, width):
    """Waves, a saturated edge and noise: what loses most when chroma is halved."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / 9 + y / 30), np.cos(y / 7), np.sin((x + y) / 15)], -1)
    picture = waves * 90 + 128
    picture[height // 4 : height // 2, width // 4 : width // 2] = (220, 30, 40)
    noise = np.random.default_rng(0).normal(0, 20, (height // 4, width // 4, 3))
    picture[-(height // 4) :, -(width // 4) :] += noise
    return torch.from_numpy(picture.clip(0, 255).round().astype(np.uint8))


@pytest.mark.parametrize("size", [(240, 320), (66, 200), (32, 32), (48, 98)])
def test_what_was_read_once_is_written_as_it_was(size):
    height, width = size
    writer, converter = YuvWriter(width, height, "yuv420p"), FrameConverter(width, height)
    first = now = converter.rgb(sited(writer.frame(hard(height, width)), "left"))
    for _ in range(10):
        now = converter.rgb(sited(writer.frame(torch.from_numpy(now)), "left"))
    moved = abs(now.astype(int) - first)
    assert moved.mean() < 0.01
    assert moved.max() <= 12  # where bytes of RGB were clipped


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (67, 97), (66, 257)])
def test_ten_saves_move_no_level_and_no_colour(tmp_path, codec, height, width):
    x = torch.arange(width)
    hill = torch.exp(-(((x - width / 2) / 10) ** 2)).expand(height, width)
    stripe = torch.stack([hill * 0 + 128, 128 - 10 * hill, 128 + 100 * hill], -1)
    first = stripe.round().byte().expand(3, -1, -1, -1).contiguous()

    def centre(frames):
        blue = (frames[..., 2].float() - frames[..., 1].float()).clamp(min=8).sub(8).sum((0, 1))
        return float((blue * x).sum() / blue.sum())

    frames = first
    for n in range(10):
        path = write_video(tmp_path / f"{n}.mp4", [frames], 24, codec=codec, crf=1)
        frames = torch.cat(list(read_frames(path)))
    levels = (frames.float() - first.float()).mean((0, 1, 2))
    assert levels.abs().max() <= 1.5
    assert abs(centre(frames) - centre(first)) <= 0.5


@pytest.mark.parametrize("colour", [(224, 172, 140), (62, 94, 63), (255, 0, 0), (7, 250, 128)])
def test_a_flat_colour_is_within_a_level_and_a_half_after_ten_saves(tmp_path, colour):
    first = torch.tensor(colour, dtype=torch.uint8).expand(3, 64, 96, 3).contiguous()
    frames = first
    for n in range(10):
        frames = torch.cat(
            list(read_frames(write_video(tmp_path / f"{n}.mp4", [frames], 24, crf=1)))
        )
    assert (frames.float() - first.float()).abs().max() <= 2


@pytest.mark.parametrize("full", [1, 2, 3, 7, 96, 191, 192, 193, 194, 321, 1280, 1921])
@pytest.mark.parametrize("siting", [SITED_LEFT, SITED_CENTRE])
def test_halving_undoes_enlarging(full, siting):
    halved = -(-full // 2)
    inverse = np.zeros((halved, full))
    for block in halving_blocks(full, siting):
        inverse[block.halved] = 0
        inverse[block.halved, block.full] = block.matrix
    assert abs(inverse @ enlarging(halved, full, siting) - np.eye(halved)).max() < 1e-4


def test_flat_chroma_stays_flat():
    planes = torch.full((2, 720, 1280), 100.0)
    assert torch.allclose(ChromaHalving(720, 1280)(planes), torch.tensor(100.0), atol=1e-3)


@pytest.mark.parametrize("pixels", ["gray", "gray10le", "ya8"])
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
def test_grey_of_limited_range_reaches_black_and_white(pixels, color_range):
    bits = 10 if "10" in pixels else 8
    low, high = (16, 235) if color_range == LIMITED else (0, 255)
    for level in (0, 60, 128, 255):
        frame = av.VideoFrame(64, 48, pixels)
        value = round((low + (high - low) * level / 255) * 2 ** (bits - 8))
        if color_range == FULL:
            value = round(level / 255 * (2**bits - 1))
        rows = np.frombuffer(frame.planes[0], np.uint16 if bits > 8 else np.uint8)
        rows[:] = value
        if pixels == "ya8":
            rows[1::2] = 255
        frame.color_range = color_range
        observed = FrameConverter(64, 48).rgb(frame)
        assert abs(observed.astype(int) - level).max() <= 1
        assert abs(FrameConverter(64, 48).rgb_16(frame) / 257 - level).max() <= 1


def test_wide_primaries_and_an_unnamed_range_are_noted(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.color_primaries, stream.codec_context.colorspace = 12, 1
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    notes = " ".join(probe(path).notes)
    assert "Display P3" in notes and "limited range" in notes and "BT.601" not in notes
