"""Six extensions in the real host, each of the file that the one before saved: colours stay.

The model is the shipped one, at two steps: the generated part does not matter here, the preserved
one does. Preserved footage passes through the autoencoder each time, as a user's would.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch

from sora_core.video.reader import read_frames

pytestmark = [pytest.mark.host, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "workflows" / "footage" / "sora_ball.mp4"
TIMES, SECONDS = 6, 0.25
LEVELS = 1.5  # of 255, the mean of each of red, green and blue


def frames_of(path):
    return torch.cat(list(read_frames(path))).float()


def test_six_chained_extensions_keep_the_colours_of_the_first_clip(client, server):
    graph = json.loads((ROOT / "workflows" / "api" / "extend_video.json").read_text())
    kinds = {node["class_type"]: node for node in graph.values()}
    kinds["SoraSchedule"]["inputs"]["steps"] = 2
    kinds["SoraExtendVideo"]["inputs"].update(seconds=SECONDS, keep=0.0)
    kinds["SoraDecodeVideo"]["inputs"]["upscale"] = 1
    folder = server.base / "input"
    first = now = frames_of(SOURCE)
    current = shutil.copy(SOURCE, folder / "chain_0.mp4")
    for n in range(1, TIMES + 1):
        kinds["LoadVideo"]["inputs"]["file"] = Path(current).name
        kinds["SaveVideo"]["inputs"]["filename_prefix"] = f"chain/{n}"
        (file,) = client.run(client.completed(graph)).files(kind="output")
        result = server.output / file["subfolder"] / file["filename"]
        longer = frames_of(result)
        assert len(longer) > len(now)
        now, current = longer, shutil.copy(result, folder / f"chain_{n}.mp4")
        shift = (now[: len(first)] - first).mean((0, 1, 2))
        apart = (now[: len(first)] - first).abs().mean()
        print(f"extension {n}: levels moved {shift.round(decimals=2).tolist()}, apart {apart:.2f}")
    assert shift.abs().max() <= LEVELS
