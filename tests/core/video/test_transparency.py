"""Alpha of every format that is read, also where a container stores it beside the pictures."""

import av
import numpy as np
import pytest
import torch
from PIL import Image, features

from sora_core.video.probe import probe
from sora_core.video.reader import read_alpha, read_frames

FORMATS = [
    ("webm", "libvpx-vp9", "yuva420p"), ("webm", "libvpx", "yuva420p"),
    ("mkv", "libvpx-vp9", "yuva420p"), ("mkv", "ffv1", "bgra"), ("mkv", "ffv1", "yuva444p10le"),
    ("mov", "prores_ks", "yuva444p10le"), ("mov", "qtrle", "argb"), ("mov", "png", "rgba"),
]  # fmt: skip


def cut_out(path, codec, pixels, count=20):
    """Red whose opaque part grows: of frame i the columns left of 3 i."""
    with av.open(str(path), "w") as container:
        options = {"crf": "4", "b": "4M", "auto-alt-ref": "0", "g": "6", "cpu-used": "8"}
        stream = container.add_stream(codec, rate=10, options=options if "vpx" in codec else {})
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for i in range(count):
            frame = np.zeros((48, 64, 4), np.uint8)
            frame[..., 0], frame[:, : 3 * i, 3] = 200, 255
            picture = av.VideoFrame.from_ndarray(frame, format="rgba").reformat(format=pixels)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("suffix", "codec", "pixels"), FORMATS)
def test_alpha_is_that_of_each_frame_also_from_half_way(tmp_path, suffix, codec, pixels):
    path = cut_out(tmp_path / f"a.{suffix}", codec, pixels)
    info = probe(path)
    assert info.has_alpha and not any("transparency" in note for note in info.notes)
    alpha = torch.cat(list(read_alpha(path)))
    opaque = (alpha[:, 24].float() / 255).sum(1)
    assert opaque.tolist() == pytest.approx([3 * i for i in range(20)], abs=0.5)
    assert torch.equal(torch.cat(list(read_alpha(path, start=1.3, fps=10))), alpha[13:])
    frames = torch.cat(list(read_frames(path, start=1.3, fps=10)))
    assert torch.equal(frames, torch.cat(list(read_frames(path)))[13:])
    red = frames[3, 24, 4].tolist()  # an opaque pixel
    assert red == pytest.approx([200, 0, 0], abs=12)


def with_opaque_frames(path, target, numbers):
    """A copy of a WebM in which the frames `numbers` have no alpha, as browsers write opaque ones.

    The BlockAdditions of each become an element that means nothing.
    """
    data, at, count = bytearray(path.read_bytes()), 0, 0
    while (at := data.find(b"\x75\xa1", at)) >= 0:
        begin = at + 2 + 9 - data[at + 2].bit_length()
        width = begin - at - 1
        size = int.from_bytes(data[at + 2 : begin], "big") - (1 << 7 * (width - 1))
        assert data[begin] == 0xA6 and data[begin + size :]
        if count in numbers:
            data[at:begin] = b"\xec" + (size + (1 << 7 * width)).to_bytes(width, "big")
        at, count = begin + size, count + 1
    assert count == 20
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx"])
@pytest.mark.parametrize("numbers", [range(10, 20), range(7), [13], [19], range(1, 20, 2)])
def test_all_frames_are_read_where_some_have_no_alpha(tmp_path, codec, numbers):
    path = cut_out(tmp_path / "a.webm", codec, "yuva420p")
    opaque = with_opaque_frames(path, tmp_path / "b.webm", range(20))
    mixed = with_opaque_frames(path, tmp_path / "c.webm", numbers)
    sentences = []
    frames = torch.cat(list(read_frames(mixed, on_damage=sentences.append)))
    assert sentences == [] and len(frames) == 20
    assert torch.equal(frames, torch.cat(list(read_frames(opaque))))
    assert torch.equal(torch.cat(list(read_frames(mixed, start=1.3, fps=10))), frames[13:])
    info = probe(mixed)
    assert not info.has_alpha
    assert any("its transparency is not read" in note for note in info.notes)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF")
def test_alpha_of_avif_is_noted(tmp_path):
    path = tmp_path / "a.avif"
    Image.new("RGBA", (64, 48), (200, 60, 40, 100)).save(path)
    info = probe(path)
    assert not info.has_alpha
    assert any("its transparency is not read" in note for note in info.notes)
    Image.new("RGB", (64, 48), (200, 60, 40)).save(path)
    assert not any("its transparency" in note for note in probe(path).notes)
