"""The sound of a canvas is that of its footage, to the sample, where the footage lies."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from sora_core.canvas import edits
from sora_core.canvas.canvas import Canvas, Placement
from sora_core.canvas.soundtrack import canvas_sound, recorded_sound, retimed, sound_alone
from sora_core.errors import MediaError
from sora_core.video.audio import Audio
from sora_core.video.audio_reader import read_sound
from sora_core.video.writer import write_video
from tests.support.memory import peak_memory

RATE = 8_000
FPS = 8
CANVAS = Canvas(width=16, height=16, seconds=2.0, fps=FPS)


def tone(seconds, rate=RATE, channels=1, seed=0):
    """Noise, in which no moment is like another, in steps that 16 bits hold."""
    generator = torch.Generator().manual_seed(seed)
    count = round(seconds * rate)
    return torch.randint(-8000, 8000, (channels, count), generator=generator) / 2**15


def clip(frames, sound=None, rate=RATE):
    images = torch.zeros(frames, 16, 16, 3, dtype=torch.uint8)
    return Placement(source=images, fps=FPS, sound=None if sound is None else (sound, rate))


def film(path, frames, sound, rate=RATE, codec="pcm_s16le", late=Fraction(0)):
    """A file of `frames` frames, whose sound begins `late` seconds after them."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1" if path.suffix == ".mkv" else "libx264", rate=FPS)
        video.width = video.height = 16
        video.pix_fmt = "yuv420p"
        layout = {1: "mono", 2: "stereo", 4: "quad"}[len(sound)]
        audio = container.add_stream(codec, rate=rate, layout=layout)
        for i in range(frames):
            picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            picture.pts, picture.time_base = i, Fraction(1, FPS)
            container.mux(video.encode(picture))
        for at in range(0, sound.shape[1], 1000):
            part = sound[:, at : at + 1000].mul(2**15).short()
            packed = part.T.reshape(1, -1).contiguous().numpy()
            piece = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
            piece.sample_rate, piece.time_base = rate, Fraction(1, rate)
            piece.pts = at + round(late * rate)
            container.mux(audio.encode(piece))
        for stream in (video, audio):
            container.mux(stream.encode())
    return path


def heard(canvas):
    """All of the sound, its rate, and that it is as long as the canvas."""
    track = canvas_sound(canvas)
    samples = track.take(10**9)
    assert samples.shape[1] == round(canvas.size.frames / canvas.fps * track.rate)
    return samples


@pytest.fixture(params=["in memory", ".mkv", ".mov"])
def footage(request, tmp_path):
    """Two seconds of footage as a placement, and its sound."""
    sound = tone(2.0)
    if request.param == "in memory":
        return clip(16, sound), sound
    return Placement(source=film(tmp_path / f"a{request.param}", 16, sound)), sound


def test_footage_on_a_canvas_of_its_own_is_heard_unchanged(footage):
    placed, sound = footage
    assert torch.equal(heard(CANVAS.place(placed)), sound)


@pytest.mark.parametrize("added", [1, 3, 8])
def test_a_clip_extended_backward_is_heard_exactly_so_much_later(footage, added):
    placed, sound = footage
    canvas = Canvas(width=16, height=16, seconds=(16 + added) / FPS, fps=FPS)
    samples = heard(edits.extend_backward(canvas, placed, 2.0))
    later = added * RATE // FPS
    assert samples[:, :later].abs().max() == 0
    assert torch.equal(samples[:, later:], sound)


def test_a_clip_extended_forward_is_followed_by_silence(footage):
    placed, sound = footage
    canvas = Canvas(width=16, height=16, seconds=3.0, fps=FPS)
    samples = heard(edits.extend_forward(canvas, placed))
    assert torch.equal(samples, torch.cat([sound, torch.zeros(1, RATE)], dim=1))


def test_trimmed_footage_is_heard_from_the_sample_of_its_first_frame(footage):
    placed, sound = footage
    part = Placement(source=placed.source, fps=placed.fps, sound=placed.sound, skip=0.5, seconds=1)
    samples = heard(CANVAS.place(part))
    assert torch.equal(samples[:, :RATE], sound[:, RATE // 2 : 3 * RATE // 2])
    assert samples[:, RATE:].abs().max() == 0


def test_what_lies_before_the_canvas_is_not_heard(footage):
    placed, sound = footage
    early = Placement(source=placed.source, fps=placed.fps, sound=placed.sound, start=-0.5)
    assert torch.equal(heard(CANVAS.place(early))[:, : 3 * RATE // 2], sound[:, RATE // 2 :])


def test_parts_of_footage_side_by_side_are_heard_as_one(footage):
    placed, sound = footage
    parts = [
        Placement(
            source=placed.source, fps=FPS, sound=placed.sound, start=at, skip=at, seconds=0.375
        )
        for at in (0.0, 0.375, 0.75, 1.125)
    ]
    assert torch.equal(heard(CANVAS.place(*parts))[:, :12000], sound[:, :12000])


def test_on_a_ring_the_sound_continues_from_the_end_to_the_start(footage):
    placed, sound = footage
    ring = Canvas(width=16, height=16, seconds=2.0, fps=FPS, ring=True)
    turned = Placement(source=placed.source, fps=FPS, sound=placed.sound, start=1.5)
    assert torch.equal(heard(ring.place(turned)), sound.roll(3 * RATE // 2, dims=1))


def test_where_footage_overlaps_the_later_one_is_heard_alone():
    below, above = tone(2.0, seed=1), tone(0.5, seed=2)
    samples = heard(CANVAS.place(clip(16, below), clip(4, above)))
    assert torch.equal(samples, torch.cat([above, below[:, RATE // 2 :]], dim=1))


def test_silent_footage_on_top_leaves_what_is_beneath_to_be_heard():
    below = tone(2.0)
    assert torch.equal(heard(CANVAS.place(clip(16, below), clip(16))), below)


def test_a_canvas_without_sound_has_no_track():
    assert canvas_sound(CANVAS) is None
    assert canvas_sound(CANVAS.place(clip(16))) is None


def test_another_frame_rate_of_the_canvas_moves_no_sound(footage):
    placed, sound = footage
    canvas = Canvas(width=16, height=16, seconds=2.0, fps=24)
    assert torch.equal(heard(canvas.place(placed)), sound)


def test_one_channel_among_two_is_heard_left_and_right_as_loud():
    mono, stereo = tone(1.0), tone(1.0, channels=2, seed=3)
    last = Placement(source=torch.zeros(8, 16, 16, 3), start=1.0, sound=(stereo, RATE))
    samples = heard(CANVAS.place(clip(8, mono), last))
    assert torch.equal(samples, torch.cat([mono.expand(2, -1), stereo], dim=1))


def sine(seconds, rate, hertz=440):
    return torch.sin(2 * torch.pi * hertz * torch.arange(round(seconds * rate)) / rate)[None] / 2


def test_sound_of_a_lower_rate_is_resampled_in_place():
    high, low = sine(1.0, 16_000), sine(1.0, RATE)
    last = Placement(source=torch.zeros(8, 16, 16, 3), start=1.0, sound=(low, RATE))
    samples = heard(CANVAS.place(clip(8, high, 16_000), last))
    assert torch.equal(samples[:, :16_000], high)
    assert (samples[:, 16_000:] - high)[:, 100:-100].abs().max() < 0.01


def test_at_double_speed_sound_lasts_half_as_long_and_is_an_octave_higher():
    fast = Placement(
        source=torch.zeros(16, 16, 16, 3), fps=FPS, sound=(sine(2.0, RATE), RATE), speed=2.0
    )
    samples = heard(CANVAS.place(fast))
    expected = sine(1.0, RATE, 880)
    assert (samples[:, :RATE] - expected)[:, 100:-100].abs().max() < 0.01
    assert samples[:, RATE + 10 :].abs().max() == 0


def test_recorded_sound_is_all_of_the_sound_and_needs_the_file_no_more(tmp_path):
    sound = Audio(tone(2.0), RATE)
    path = write_video(tmp_path / "a.mp4", [torch.zeros(16, 32, 32, 3).byte()], FPS, audio=sound)
    canvas = CANVAS.place(Placement(source=path, start=0.25))
    streamed = canvas_sound(canvas).take(10**9)
    recorded = recorded_sound(canvas)
    path.unlink()
    assert recorded.rate == RATE and torch.equal(recorded.samples, streamed)
    assert recorded.samples.abs().max() > 0.1


def test_footage_without_sound_records_none():
    assert recorded_sound(CANVAS.place(clip(16))) is None


def test_a_track_is_retimed_with_its_video():
    track = retimed(Audio(sine(2.0, RATE), RATE), 2.0)
    samples = track.take(10**9)
    assert abs(samples.shape[1] - RATE) <= 1
    assert (samples[:, : RATE - 100] - sine(1.0, RATE, 880)[:, : RATE - 100])[
        :, 100:
    ].abs().max() < 0.01


@pytest.mark.parametrize("seconds", [0.5, 2.0, 5.0])
def test_given_sound_is_cut_or_filled_to_the_length_of_the_video(seconds):
    sound = tone(seconds)
    samples = sound_alone((sound, RATE), 16, FPS).take(10**9)
    heard_part = min(2 * RATE, sound.shape[1])
    assert samples.shape[1] == 2 * RATE
    assert torch.equal(samples[:, :heard_part], sound[:, :heard_part])
    assert samples[:, heard_part:].abs().sum() == 0


@pytest.mark.parametrize("late", [Fraction(1, 4), Fraction(-1, 8)])
def test_sound_that_begins_apart_from_the_frames_stays_in_step_with_them(tmp_path, late):
    sound = tone(1.0)
    path = film(tmp_path / "a.mov", 16, sound, late=late)
    samples = heard(CANVAS.place(Placement(source=path)))
    shift = round(late * RATE)
    if shift > 0:
        assert samples[:, :shift].abs().max() == 0
        assert torch.equal(samples[:, shift : shift + RATE], sound)
    else:
        assert torch.equal(samples[:, : RATE + shift], sound[:, -shift:])


def test_other_layouts_are_heard_in_two_channels(tmp_path):
    path = film(tmp_path / "a.mov", 16, tone(2.0, channels=4))
    assert len(heard(CANVAS.place(Placement(source=path)))) == 2


def test_after_aac_the_sound_is_still_in_its_place(tmp_path):
    rate = 48_000
    sound = tone(2.0, rate)
    canvas = Canvas(width=16, height=16, seconds=3.0, fps=FPS)
    placed = edits.extend_backward(canvas, clip(16, sound, rate), 2.0)
    frames = torch.zeros(24, 16, 16, 3, dtype=torch.uint8)
    path = write_video(tmp_path / "a.mp4", [frames], FPS, audio=canvas_sound(placed))
    samples = torch.cat(list(read_sound(path)), dim=1)[0]
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 24
        assert container.duration / av.time_base == pytest.approx(3.0, abs=0.03)
    size = 2 ** (len(samples) + sound.shape[1]).bit_length()
    spectrum = torch.fft.rfft(samples, size) * torch.fft.rfft(sound[0], size).conj()
    assert torch.fft.irfft(spectrum, size).argmax() == rate


def test_three_channels_are_refused_in_a_sentence():
    with pytest.raises(MediaError, match="channels"):
        canvas_sound(CANVAS.place(clip(16, torch.zeros(3, 100))))


def test_a_long_track_takes_little_memory():
    canvas = Canvas(width=16, height=16, seconds=225.0, fps=FPS)
    quiet = torch.zeros(1, 1).expand(2, 225 * 48_000)  # takes none itself
    track = canvas_sound(canvas.place(clip(1, quiet, 48_000)))

    def listen():
        for _ in range(225):
            assert track.take(48_000).shape == (2, 48_000)

    assert peak_memory(listen) < 5 * 2**20
