"""Interrupts at every step, chunk and frame: nothing more happens, nothing is left (figure 7)."""

import time
from collections.abc import Callable
from io import BytesIO

import av
import pytest
import torch
from PIL import Image

from sora_core.canvas.canvas import Canvas
from sora_core.models.chunked_codec import decode_chunks
from sora_core.pipeline.decode import decode_frames
from sora_core.pipeline.generate import SAMPLERS, Pipeline, generate, load
from sora_core.video.writer import write_video
from tests.support.tiny import write_tiny
from tools.client import GraphError

CANVAS = Canvas(width=50, height=34, seconds=4.5)
STEPS, CHUNKS, FRAMES = 11, 20, 36  # with four samplers 100 interrupts
WITHIN = 2.0  # seconds


class Interrupt(BaseException):
    """As ComfyUI's own; on older hosts it is an Exception, and nobody may catch that either."""


class OlderInterrupt(Exception):  # noqa: N818
    """See `Interrupt`."""


class Countdown:
    """Counts what happens, and interrupts the n-th time."""

    def __init__(self, n: int, interrupt: type[BaseException]) -> None:
        self.n, self.interrupt, self.count = n, interrupt, 0

    def __call__(self, texts: object = None) -> None:
        self.count += 1
        if self.count == self.n:
            self.since = time.monotonic()
            raise self.interrupt


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Pipeline:
    return load(write_tiny(tmp_path_factory.mktemp("models")))


def interrupted_everywhere(units: int, run: Callable, is_clean: Callable[[], bool]) -> None:
    """`run(on_unit)` stops at any of its units, leaves nothing, and then runs as the first time."""
    expected = run(lambda texts: None)
    for n in range(1, units + 1):
        countdown = Countdown(n, (Interrupt, OlderInterrupt)[n % 2])
        with pytest.raises(countdown.interrupt):
            run(countdown)
        assert time.monotonic() - countdown.since < WITHIN
        assert countdown.count == n
        assert is_clean()
        assert run(lambda texts: None) == expected
    beyond = Countdown(units + 1, Interrupt)
    assert run(beyond) == expected
    assert beyond.count == units


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_run_stops_at_any_step(pipeline, sampler):
    small = Canvas(width=32, height=32, seconds=0.6)

    def run(on_step):
        latent = generate(
            pipeline, "a red ball", small, 3, steps=STEPS, sampler=sampler, on_step=on_step
        )
        return latent.numpy().tobytes()

    interrupted_everywhere(STEPS, run, lambda: True)
    print(f"\ninterrupts {sampler}: {STEPS} steps, next run bit-identical")


def test_decoding_stops_at_any_chunk(pipeline):
    latent = torch.randn(1, 16, CHUNKS, 4, 4, generator=torch.Generator().manual_seed(0))

    def run(on_chunk):
        video = []
        with torch.inference_mode():
            for chunk in decode_chunks(pipeline.autoencoder, latent, length=1):
                on_chunk(chunk)
                video.append(chunk.numpy().tobytes())
        return video

    interrupted_everywhere(CHUNKS, run, lambda: True)
    print(f"\ninterrupts decoding: {CHUNKS} chunks, next run bit-identical")


@pytest.mark.slow
def test_a_video_stops_at_any_frame_and_leaves_no_file(pipeline, tmp_path):
    grid = CANVAS.grid()
    latent = torch.randn(1, 16, *grid.shape, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "a.mkv"

    def run(on_frame):
        path.unlink(missing_ok=True)
        frames = decode_frames(pipeline, latent, CANVAS)
        write_video(path, frames, 8, codec="ffv1", on_frame=on_frame)  # x264 repeats no bits
        with av.open(str(path)) as video:
            return [frame.to_ndarray(format="rgb24").tobytes() for frame in video.decode(video=0)]

    interrupted_everywhere(FRAMES, run, lambda: list(tmp_path.iterdir()) == [])
    print(f"\ninterrupts writing: {FRAMES} frames, next video bit-identical, no file left")


@pytest.mark.host
@pytest.mark.parametrize("when", [1, 3, 7])
def test_a_server_stops_within_a_step_and_then_runs_as_before(client, server, sampled, when):
    decoded = {"latent": ["sample", 0], "vae": ["loader", 2]}
    sampled |= {
        "video": {"class_type": "SoraDecodeVideo", "inputs": decoded},
        "frames": {"class_type": "SoraDecodeFrames", "inputs": dict(decoded)},
        "saved": {"class_type": "SaveVideo", "inputs": {"video": ["video", 0]}},
        "shown": {"class_type": "PreviewImage", "inputs": {"images": ["frames", 0]}},
    }
    graph = client.completed(sampled)
    schedule, since = graph["schedule"]["inputs"], []
    steps = schedule["steps"]

    def pictures(fps):
        graph["canvas"]["inputs"]["fps"] = fps  # another rate, so that nothing is remembered
        files = client.run(graph).files("shown")
        return [Image.open(BytesIO(client.view(file))).tobytes() for file in files]

    def texts(kind, data):
        if kind == "progress" and data["value"] >= when and not since:
            since.append(time.monotonic())
            client.interrupt()

    expected = pictures(8.0)
    assert expected
    schedule["steps"] = 1000
    with pytest.raises(GraphError, match="interrupted"):
        client.run(graph, texts)
    assert time.monotonic() - since[0] < WITHIN
    assert not list(server.base.rglob("*.part*"))
    schedule["steps"] = steps
    assert pictures(8.001) == expected
    print(f"\ninterrupts /interrupt at step {when}: next run bit-identical, no file left")
