"""Whether captions say what clips show: read back in words, and how sure they are of it.

Axes: n clips, c channels, t frames, y rows, x columns.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import torch

from ..canvas import Placement
from ..caption import FPS, FRAMES, SIDE, Caption, caption, footage_looks
from ..models.autoencoder import Autoencoder
from ..models.captioner import Captioner
from ..models.streaming import encode_chunks
from ..models.vocabulary import split
from ..prompts.parse import parse
from ..prompts.vocabulary import World
from ..shapes import Frames, Latent, Size
from ..world.render import render
from ..world.scene import sample_scene
from .reader import Labels, Reading, shares
from .report import Figure

FIRST_SEED = 980_000_000
GRAMS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Telling:
    """A held-out clip: what it shows, what is told of it, twice, and how long that took."""

    labels: Labels
    caption: Caption
    drawn: Caption
    seconds: float  # of one core for each second of video, encoding included


@torch.inference_mode()
def looked_at(autoencoder: Autoencoder, frames: Frames) -> list[Latent]:
    """`frames`, at the rate of the world, as the captioner is shown footage."""
    size, seconds = (frames.shape[2], frames.shape[1]), len(frames) / FPS
    encode, channels = partial(encode_chunks, autoencoder), autoencoder.config.latent_channels
    return footage_looks(Placement(source=frames, fps=FPS), size, seconds, encode, channels)


def true_clip(seed: int) -> tuple[Labels, Frames]:
    """A held-out clip, and what it shows."""
    scene = sample_scene(seed, held_out=True)
    return scene.labels, render(scene, Size(SIDE, SIDE, FRAMES), FPS).frames


def tellings(
    captioner: Captioner, autoencoder: Autoencoder, count: int, first: int = FIRST_SEED
) -> Iterator[Telling]:
    """Captions of `count` held-out world clips: the likeliest words, and drawn ones."""
    for seed in range(first, first + count):
        labels, frames = true_clip(seed)
        began = time.process_time()
        looks = looked_at(autoencoder, frames)
        told = caption(captioner, looks)
        seconds = (time.process_time() - began) * FPS / len(frames)
        yield Telling(labels, told, caption(captioner, looks, seed), seconds)


def read_back(text: str, world: World) -> dict[str, str]:
    """What `text` says of each question about the world; empty where it says nothing."""
    facts = parse(text, world)
    main = facts.things[0]
    said = {"colour": main.colour, "shape": main.shape, "motion": main.motion}
    return said | {"camera": facts.camera, "floor": facts.floor, "sky": facts.sky}


def grammatical(text: str, world: World) -> bool:
    """Whether `text` is one whole scene in the very words of the world's own captions."""
    facts = parse(text, world)
    return facts.understood and facts.trained and all(read_back(text, world).values())


def distinct(captions: Sequence[str], count: int) -> float:
    """The share of all runs of `count` words that are not a run said before."""
    words = [split(text) for text in captions]
    runs = [tuple(said[i : i + count]) for said in words for i in range(len(said) - count + 1)]
    return len(set(runs)) / len(runs)


def figures(told: Sequence[Telling], world: World) -> list[Figure]:
    """Shares of captions that are right, grammatical and distinct; certainty; and the time."""
    readings = [Reading(each.labels, read_back(each.caption.long, world)) for each in told]
    drawn = [Reading(each.labels, read_back(each.drawn.long, world)) for each in told]
    table = shares(readings, "caption_") + shares(drawn, "drawn_")[-1:]
    for name, captions in (
        ("caption", [each.caption.long for each in told]),
        ("drawn", [each.drawn.long for each in told]),
    ):
        whole = fmean(grammatical(text, world) for text in captions)
        table.append(Figure(f"{name}_grammatical", whole))
        table.append(Figure(f"{name}_different", len(set(captions)) / len(captions)))
        table += [Figure(f"{name}_distinct_{n}", distinct(captions, n)) for n in GRAMS]
    certainty = [each.caption.certainty for each in told]
    right = [not reading.wrong for reading in readings]
    table.append(Figure("certainty", fmean(certainty)))
    for name, wanted in (("right", True), ("wrong", False)):
        some = [sure for sure, is_right in zip(certainty, right, strict=True) if is_right == wanted]
        if some:
            table.append(Figure(f"certainty_{name}", fmean(some)))
    return [*table, Figure("core_seconds_per_second", fmean(each.seconds for each in told), "s")]
