"""Makes the footage of the workflows: two clips of the toy world with sound, a still, and a folder
of captioned clips to train on.

python -m tools.make_footage
"""

import torch
from PIL import Image

from sora_core.shapes import Size
from sora_core.video.audio import Audio
from sora_core.video.writer import write_video
from sora_core.world.captions import describe
from sora_core.world.render import render
from sora_core.world.scene import sample_scene
from tools.host import FOOTAGE

SCENES = {"sora_ball": 980_000_517, "sora_cube": 980_000_518}  # of clips nothing was trained on
STILL = "sora_still", 980_000_523
CLIPS = "sora_clips", range(980_000_530, 980_000_536)
SIZE, FPS, RATE = Size(64, 64, 17), 8.0, 48_000


def main() -> None:
    """Writes each file from a fixed seed of held-out scenes; prints captions of the first three."""
    FOOTAGE.mkdir(exist_ok=True)
    for (name, seed), pitch in zip(SCENES.items(), (110.0, 165.0), strict=True):
        scene = sample_scene(seed, held_out=True)
        frames = render(scene, SIZE, FPS).frames
        write_video(FOOTAGE / f"{name}.mp4", [frames], FPS, crf=10, audio=ticking(pitch))
        print(f"{name}: {describe(scene, seed).long}")
    name, seed = STILL
    scene = sample_scene(seed, held_out=True)
    pixels = render(scene, Size(SIZE.width, SIZE.height), FPS).frames[0]
    Image.fromarray(pixels.numpy()).save(FOOTAGE / f"{name}.png")
    print(f"{name}: {describe(scene, seed, still=True).long}")
    folder, seeds = CLIPS
    (FOOTAGE / folder).mkdir(exist_ok=True)
    for number, seed in enumerate(seeds, 1):
        scene = sample_scene(seed, held_out=True)
        path = FOOTAGE / folder / f"clip_{number}.mp4"
        write_video(path, [render(scene, SIZE, FPS).frames], FPS, crf=16)
        path.with_suffix(".txt").write_text(describe(scene, seed).long + "\n", encoding="utf-8")


def ticking(pitch: float) -> Audio:
    """A rising hum with a tick at each half second, so that offsets are audible."""
    moments = torch.arange(round(SIZE.frames / FPS * RATE)) / RATE
    hum = 0.1 * torch.sin(2 * torch.pi * pitch * (moments + moments**2 / 4))
    number, since = moments // 0.5, moments % 0.5
    tick = torch.sin(2 * torch.pi * 2 * pitch * (3 + number) * since) * torch.exp(-60 * since)
    return Audio((hum + 0.4 * tick)[None], RATE)


if __name__ == "__main__":
    main()
