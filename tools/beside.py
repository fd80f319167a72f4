"""Runs the published archive beside VideoHelperSuite and KJNodes, in graphs that use all three.

    python -m tools.beside VIDEOHELPERSUITE KJNODES [--python PYTHON] [--comfyui DIR]

Both are folders of the packs as their users have them; `--python` is an interpreter that has what
ComfyUI and both packs need. Starts a ComfyUI with the three packs and no other, runs each graph
and prints its figures. Exit code 1 if a pack does not load or a graph fails.
"""

import argparse
import io
import shutil
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from tools.client import Client, GraphError
from tools.graph import Graph
from tools.host import FOOTAGE, Server, bring_host
from tools.published import unpack

ARCHIVE = "sora-nodes"
SIDE, FPS, STEPS = 64, 8, 4
CLIP, SECOND = "sora_ball.mp4", "sora_cube.mp4"

Frames = np.ndarray
"""Frames of a file, `(t, y, x, 3)` in uint8."""


def node(kind: str, **inputs: object) -> dict[str, object]:
    return {"class_type": kind, "inputs": inputs}


def generation_nodes(canvas: str, prompt: str, steps: int = STEPS) -> Graph:
    """The nodes that generate the canvas of a node with sora-mini, up to `latent`."""
    return {
        "model": node("SoraLoadModel", model="sora-mini.safetensors"),
        "prompt": node("SoraEncodePrompt", clip=["model", 1], text=prompt),
        "negative": node("SoraEncodePrompt", clip=["model", 1], text=""),
        "known": node("SoraEncodeCanvas", canvas=[canvas, 0], vae=["model", 2]),
        "noise": node("SoraNoise", seed=0),
        "schedule": node("SoraSchedule", latent=["known", 0], steps=steps),
        "guider": node(
            "SoraGuider",
            model=["model", 0],
            positive=["prompt", 0],
            negative=["negative", 0],
            latent=["known", 0],
        ),
        "latent": node(
            "SoraSample",
            noise=["noise", 0],
            guider=["guider", 0],
            sigmas=["schedule", 0],
            latent=["known", 0],
            sampler="euler",
        ),
    }


def load_video(file: str) -> dict[str, object]:
    return node("VHS_LoadVideo", video=file, force_rate=FPS, frame_load_cap=0)


def combine_video(source: list, prefix: str, **more: object) -> dict[str, object]:
    """VideoHelperSuite's node that writes a video file of images."""
    return node(
        "VHS_VideoCombine",
        images=source,
        frame_rate=FPS,
        filename_prefix=f"beside/{prefix}",
        format="video/h264-mp4",
        crf=10,
        save_output=True,
        **more,
    )


def extension_graph() -> Graph:
    """VHS Load Video, KJ resize, our extension and decoder, VHS Video Combine."""
    return {
        "load": load_video(CLIP),
        "resize": node(
            "ImageResizeKJv2",
            image=["load", 0],
            width=SIDE,
            height=SIDE,
            keep_proportion="stretch",
        ),
        "size": node("SoraCanvas", aspect="custom", width=SIDE, height=SIDE, fps=float(FPS)),
        "extend": node("SoraExtendVideo", video=["resize", 0], seconds=1.0, canvas=["size", 0]),
        **generation_nodes("extend", "A polished green orb rolls to the left on sand."),
        "images": node("SoraDecodeFrames", latent=["latent", 0], vae=["model", 2]),
        "save": combine_video(["images", 0], "extended"),
    }


def inpainting_graph() -> Graph:
    """A mask of KJNodes over footage of VideoHelperSuite, our edit, VHS Video Combine."""
    side = {"frame_width": SIDE, "frame_height": SIDE, "shape_width": 32, "shape_height": 32}
    return {
        "load": load_video(SECOND),
        "shape": node(
            "CreateShapeMask", shape="square", frames=1, location_x=32, location_y=32, **side
        ),
        "mask": node("ResizeMask", mask=["shape", 0], width=SIDE, height=SIDE),
        "size": node("SoraCanvas", aspect="custom", width=SIDE, height=SIDE, fps=float(FPS)),
        "edit": node(
            "SoraEditVideo",
            video=["load", 0],
            firmness=0.0,
            mask=["mask", 0],
            canvas=["size", 0],
        ),
        **generation_nodes("edit", "A red ball rolls to the left on grass."),
        "images": node("SoraDecodeFrames", latent=["latent", 0], vae=["model", 2]),
        "save": combine_video(["images", 0], "inpainting"),
    }


def loop_graph() -> Graph:
    """Our VIDEO with the sound of VHS's, through the host's components."""
    return {
        "load": load_video(CLIP),
        "size": node("SoraCanvas", aspect="custom", width=SIDE, height=SIDE, fps=float(FPS)),
        "loop": node("SoraLoopVideo", seconds=1.0, video=["load", 0], canvas=["size", 0]),
        **generation_nodes("loop", "A polished green orb rolls to the left on sand."),
        "video": node("SoraDecodeVideo", latent=["latent", 0], vae=["model", 2], audio=["load", 2]),
        "parts": node("GetVideoComponents", video=["video", 0]),
        "save": combine_video(["parts", 0], "looped", audio=["parts", 1]),
    }


def matching(target: list) -> Graph:
    """KJ's match of the colours of each image of `target` with those of the first frame."""
    return {
        "first": node("ImageFromBatch", image=["load", 0], batch_index=0, length=1),
        "match": node("ColorMatch", image_ref=["first", 0], image_target=target, method="mkl"),
    }


def colour_match_graph() -> Graph:
    """The loop with its colours matched."""
    save = combine_video(["match", 0], "matched", audio=["parts", 1])
    return {**loop_graph(), **matching(["parts", 0]), "save": save}


def colour_match_alone_graph() -> Graph:
    """The footage with its colours matched, by the other packs alone: what the match changes."""
    save = combine_video(["match", 0], "alone")
    return {"load": load_video(CLIP), **matching(["load", 0]), "save": save}


GRAPHS = {
    "extended": extension_graph,
    "inpainting": inpainting_graph,
    "looped": loop_graph,
    "matched": colour_match_graph,
    "matched without Sora nodes": colour_match_alone_graph,
}


def main(arguments: list[str]) -> int:
    """0 if all three packs load and every graph runs, else 1; prints the figures of each graph."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        packs = [unpack(base / "archive" / ARCHIVE), *options.packs]
        tree = options.comfyui or bring_host()
        with Server(tree, base / "comfyui", packs=packs, python=options.python) as server:
            shutil.copytree(FOOTAGE, server.base / "input", dirs_exist_ok=True)
            return report(server)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options, with the folders of the packs as absolute paths."""
    parser = argparse.ArgumentParser(prog="tools.beside", description=__doc__)
    parser.add_argument("packs", nargs=2, type=Path, help="folders of the two packs")
    parser.add_argument("--python", default=sys.executable, help="runs ComfyUI")
    parser.add_argument("--comfyui", type=Path, help="in place of the pinned one")
    options = parser.parse_args(arguments)
    options.packs = [pack.resolve() for pack in options.packs]
    return options


def report(server: Server) -> int:
    """Prints what loaded and what each graph made; 1 if anything failed."""
    client = Client(server.client.url)
    known = client.nodes()
    counts = {pack: len(nodes_of(known, pack)) for pack in server_packs(server)}
    print("nodes " + ", ".join(f"{pack} {count}" for pack, count in counts.items()))
    failed = not all(counts.values())
    for name, make in GRAPHS.items():
        graph, start = make(), time.monotonic()
        if absent := {one["class_type"] for one in graph.values()} - set(known):
            print(f"{name} failed: this ComfyUI loads no {', '.join(sorted(absent))}")
            failed = True
            continue
        try:
            run = client.run(client.completed(graph))
        except GraphError as error:
            print(f"{name} failed: {error}")
            failed = True
            continue
        files = [one for one in run.files(kind="output") if one["filename"].endswith(".mp4")]
        content = client.view(files[-1])  # with sound it comes last
        frames, sound = frames_of_video(content), seconds_of_sound(content)
        size = f"{len(frames)} frames of {frames.shape[2]}x{frames.shape[1]}"
        print(
            f"{name} {size}, {sound:.2f} s of sound, {preserved(name, frames)}; "
            f"{time.monotonic() - start:.1f} s"
        )
    return int(failed)


def server_packs(server: Server) -> list[str]:
    return sorted(place.name for place in (server.base / "custom_nodes").iterdir())


def nodes_of(known: dict[str, dict], pack: str) -> list[str]:
    """The nodes that the server loaded from a folder of `custom_nodes`."""
    return [name for name, info in known.items() if info["python_module"].endswith(f".{pack}")]


def preserved(name: str, frames: Frames) -> str:
    """How close the footage in a result is to its source, after VideoHelperSuite compressed it."""
    source = frames_of_video((FOOTAGE / (SECOND if name == "inpainting" else CLIP)).read_bytes())
    count = min(len(source), len(frames))
    first, second = source[:count].astype(float), frames[:count, :, :SIDE].astype(float)
    if name == "inpainting":  # the border of the picture is outside of the mask
        first, second = first[:, :8], second[:, :8]
    difference = np.abs(first - second).mean()
    return f"first {count} frames differ from the source by {difference:.1f} of 255"


def frames_of_video(content: bytes) -> Frames:
    with av.open(io.BytesIO(content)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def seconds_of_sound(content: bytes) -> float:
    with av.open(io.BytesIO(content)) as container:
        if not container.streams.audio:
            return 0.0
        frames = container.decode(audio=0)
        return sum(frame.samples / frame.sample_rate for frame in frames)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
