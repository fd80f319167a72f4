"""What footage shows, in words: from a video, pictures or a latent to two captions.

Axes: n looks, c channels, t latent frames, y rows, x columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import torch

from ..canvas.canvas import Canvas, Placement
from ..canvas.encode import Encode, encode_canvas
from ..canvas.rasterize import placed_frames
from ..errors import SizeError
from ..models.captioner import WINDOW, Captioner
from ..models.vocabulary import LONG_SIGN, SHORT_SIGN
from ..shapes import COMPRESSION, Frames, Latent
from ..video.frames import resize

UNCLEAR_MESSAGE = "Unclear: this footage is unlike the small world that the captioner knows."

CAPTION_FPS = 8.0  # as in training, so that motion has the trained pace
CAPTION_SIDE = 64  # pixels of the smaller side, as in training
LONGEST_SIDE = 128
CELL_SIDE = 16  # pixels: two latent cells
WINDOW_FRAMES = COMPRESSION.pixel_frames(WINDOW)
MAX_CLIPS = 8  # at most, spread over the footage: a long video takes no longer than a short one

TEMPERATURE = 0.6  # of drawn words: at 1 they vary more than they stay true
MAX_STILLS = 8
STILL_SIDE = 512  # pixels


@dataclass(frozen=True, slots=True)
class Caption:
    """What footage shows, in full and in short, and how likely all of it is true."""

    long: str
    short: str
    certainty: float


def footage_clips(
    placement: Placement, size: tuple[int, int], seconds: float, encode: Encode, channels: int
) -> list[Latent]:
    """Latents of some `WINDOW_FRAMES` frames each, as small as the captioner knows them, spread
    over footage of `size` (width, height) that lasts for `seconds`.
    """
    width, height = captioner_size(*size)
    length = min(seconds, WINDOW_FRAMES / CAPTION_FPS)
    frames = max(1, round(length * CAPTION_FPS))
    canvas = Canvas(width=width, height=height, seconds=frames / CAPTION_FPS, fps=CAPTION_FPS)
    count = min(MAX_CLIPS, ceil(seconds / length - 0.1))
    looks = []
    for start in torch.linspace(0, seconds - length, max(1, count)).tolist():
        skip = placement.skip + start
        part = replace(placement, skip=skip, seconds=canvas.seconds, fit="stretch")
        looks.append(encode_canvas(canvas.place(part), encode, channels).known)
    return looks


def stills(placement: Placement, size: tuple[int, int], seconds: float) -> Frames:
    """Moments of footage, spread over it, for a language model to look at."""
    canvas = Canvas(
        width=CAPTION_SIDE, height=CAPTION_SIDE
    )  # its one frame is the moment; its size is not used
    scale = min(1.0, STILL_SIDE / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    frames = []
    for i in range(MAX_STILLS):
        skip = placement.skip + seconds * (i + 0.5) / MAX_STILLS
        moment = next(placed_frames(canvas, replace(placement, skip=skip, seconds=None)))
        frames.append(resize(moment[:1], width, height))
    return torch.cat(frames)


def latent_clips(latent: Latent) -> list[Latent]:
    """Parts of `latent` as long as the captioner knows them, spread over it."""
    frames = latent.shape[2]
    if frames <= WINDOW:
        return [latent]
    count = min(MAX_CLIPS, ceil(frames / WINDOW))
    starts = torch.linspace(0, frames - WINDOW, count).round().long().tolist()
    return [latent[:, :, start : start + WINDOW] for start in starts]


def captioner_size(width: int, height: int) -> tuple[int, int]:
    """About the shape of `width` x `height`, as small as the captioner knows clips."""
    scale = CAPTION_SIDE / min(width, height)
    sides = [round(side * scale / CELL_SIDE) * CELL_SIDE for side in (width, height)]
    return min(sides[0], LONGEST_SIDE), min(sides[1], LONGEST_SIDE)


def caption(
    captioner: Captioner,
    clips: Sequence[Latent],
    seed: int | None = None,
    temperature: float = TEMPERATURE,
) -> Caption:
    """A caption of the one of `clips` with the captioner's highest confidence.

    Without a `seed` it has the likeliest words; otherwise words are sampled, with more variety at a
    higher `temperature`.
    """
    if not clips:
        raise SizeError("nothing to caption: give footage of one frame or more")
    latent, seeds = torch.cat(list(clips)).float(), None
    if seed is not None:
        seeds = [seed] * len(latent)
    predictions = captioner.generate(latent, LONG_SIGN, seeds, temperature)
    sure = [captioner.certainty_of(each) for each in predictions]
    best = max(range(len(predictions)), key=sure.__getitem__)
    if predictions[best].unclear >= 0.5:
        return Caption(UNCLEAR_MESSAGE, UNCLEAR_MESSAGE, sure[best])
    short = captioner.generate(
        latent[best : best + 1], SHORT_SIGN, seeds and seeds[:1], temperature
    )
    return Caption(predictions[best].text, short[0].text, sure[best])
