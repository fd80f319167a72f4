"""Measurement of captions, of expansion by them, and the calibration of a captioner's certainty.

The ablation compares two transformers, trained on short and on descriptive captions, by the
answers of the classifier for their clips.

Axes: n clips, c channels, t frames, y rows, x columns.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ..canvas.canvas import Placement
from ..checkpoints.safetensors_io import read_header, read_tensors, write_tensors
from ..models.attribute_classifier import AttributeClassifier
from ..models.autoencoder import Autoencoder
from ..models.captioner import Captioner
from ..models.chunked_codec import encode_chunks
from ..models.vocabulary import LONG_SIGN, split
from ..pipeline.caption import (
    CAPTION_FPS,
    CAPTION_SIDE,
    WINDOW_FRAMES,
    Caption,
    caption,
    footage_clips,
)
from ..pipeline.generate import load
from ..prompts.expansion import Language, expand
from ..prompts.parse import parse
from ..prompts.vocabulary import World
from ..shapes import Frames, Latent, Size
from ..world.captions import describe
from ..world.render import render
from ..world.scene import sample_scene
from .classifier import ClassifierResult, Labels, classify, right_shares
from .fidelity import ClipRequest, SampleSettings, canvas_of_size, generated_clips
from .report import Figure

CAPTION_SEED = 980_000_000
GRAM_LENGTHS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class CaptionedClip:
    """A held-out clip's true labels, its greedy and its sampled caption, and the time they took."""

    labels: Labels
    caption: Caption
    drawn: Caption
    seconds: float  # core seconds per second of video, encoding included


@torch.inference_mode()
def caption_latents(autoencoder: Autoencoder, frames: Frames) -> list[Latent]:
    """The latents of `frames`, at 8 fps, as the captioner gets them."""
    size, seconds = (frames.shape[2], frames.shape[1]), len(frames) / CAPTION_FPS
    encode, channels = partial(encode_chunks, autoencoder), autoencoder.config.latent_channels
    return footage_clips(Placement(source=frames, fps=CAPTION_FPS), size, seconds, encode, channels)


def labelled_clip(seed: int) -> tuple[Labels, Frames]:
    """The labels and frames of the held-out clip with this `seed`."""
    scene = sample_scene(seed, held_out=True)
    return scene.labels, render(
        scene, Size(CAPTION_SIDE, CAPTION_SIDE, WINDOW_FRAMES), CAPTION_FPS
    ).frames


def captioned_clips(
    captioner: Captioner, autoencoder: Autoencoder, count: int, first: int = CAPTION_SEED
) -> Iterator[CaptionedClip]:
    """Captions of `count` held-out world clips, greedy and sampled."""
    for seed in range(first, first + count):
        labels, frames = labelled_clip(seed)
        began = time.process_time()
        looks = caption_latents(autoencoder, frames)
        result = caption(captioner, looks)
        seconds = (time.process_time() - began) * CAPTION_FPS / len(frames)
        yield CaptionedClip(labels, result, caption(captioner, looks, seed), seconds)


def stated_labels(text: str, world: World) -> dict[str, str]:
    """The answer of `text` to each question about the world; empty where it has none."""
    facts = parse(text, world)
    main = facts.things[0]
    stated = {"colour": main.colour, "shape": main.shape, "motion": main.motion}
    return stated | {"camera": facts.camera, "floor": facts.floor, "sky": facts.sky}


def grammatical(text: str, world: World) -> bool:
    """Whether `text` states a whole scene in words of the world's captions alone."""
    facts = parse(text, world)
    return facts.understood and facts.trained and all(stated_labels(text, world).values())


def distinct_share(captions: Sequence[str], count: int) -> float:
    """The number of different runs of `count` words, divided by the number of all such runs."""
    words = [split(text) for text in captions]
    runs = [tuple(line[i : i + count]) for line in words for i in range(len(line) - count + 1)]
    return len(set(runs)) / len(runs)


def caption_figures(captioned: Sequence[CaptionedClip], world: World) -> list[Figure]:
    """Shares of right, grammatical and distinct captions; mean certainty; time per second."""
    readings = [
        ClassifierResult(each.labels, stated_labels(each.caption.long, world)) for each in captioned
    ]
    drawn = [
        ClassifierResult(each.labels, stated_labels(each.drawn.long, world)) for each in captioned
    ]
    table = right_shares(readings, "caption_") + right_shares(drawn, "drawn_")[-1:]
    for name, captions in (
        ("caption", [each.caption.long for each in captioned]),
        ("drawn", [each.drawn.long for each in captioned]),
    ):
        whole = fmean(grammatical(text, world) for text in captions)
        table.append(Figure(f"{name}_grammatical", whole))
        table.append(Figure(f"{name}_different", len(set(captions)) / len(captions)))
        table += [Figure(f"{name}_distinct_{n}", distinct_share(captions, n)) for n in GRAM_LENGTHS]
    certainty = [each.caption.certainty for each in captioned]
    right = [not reading.wrong for reading in readings]
    table.append(Figure("certainty", fmean(certainty)))
    for name, wanted in (("right", True), ("wrong", False)):
        some = [sure for sure, is_right in zip(certainty, right, strict=True) if is_right == wanted]
        if some:
            table.append(Figure(f"certainty_{name}", fmean(some)))
    return [
        *table,
        Figure("core_seconds_per_second", fmean(each.seconds for each in captioned), "s"),
    ]


ABLATION_SEED = 990_000_000
STYLE = "sora-mini"


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """The share of right answers to one question, for each transformer."""

    question: str
    found: Mapping[str, float]

    def __str__(self) -> str:
        numbers = "  ".join(f"{arm} {share:.3f}" for arm, share in self.found.items())
        return f"{self.question:<8}{numbers}"

    @property
    def figures(self) -> list[Figure]:
        """One figure for each transformer."""
        return [Figure(f"{arm}_{self.question}", share) for arm, share in self.found.items()]


def expanded_wishes(count: int, language: Language) -> list[ClipRequest]:
    """`count` expanded short captions of held-out scenes, with all facts that they then state."""
    wanted = []
    for seed in range(ABLATION_SEED, ABLATION_SEED + count):
        short = describe(sample_scene(seed, held_out=True), seed).short
        prompt = expand(short, language, style=STYLE, seed=seed).text
        wanted.append(ClipRequest(prompt, stated_labels(prompt, language.world), seed))
    return wanted


def readings(
    model: Path, reader: AttributeClassifier, wanted: Sequence[ClipRequest]
) -> Iterator[ClassifierResult]:
    """The classifier's answers for the clips that the model file `model` generates for `wanted`."""
    pipeline = load(model)
    canvas = canvas_of_size(reader.config.size, pipeline.config.fps)
    for wish, frames in generated_clips(pipeline, wanted, canvas, SampleSettings()):
        yield ClassifierResult(wish.asked, classify(reader, frames))


def question_rows(found: Mapping[str, Sequence[ClassifierResult]]) -> list[QuestionRow]:
    """A row for each question, one for all questions right at once, and one for their mean."""
    tables = {
        arm: {each.name: each.value for each in right_shares(all)} for arm, all in found.items()
    }
    questions = list(next(iter(tables.values())))
    table_rows = [
        QuestionRow(name, {arm: table[name] for arm, table in tables.items()}) for name in questions
    ]
    single = questions[:-1]
    means = {
        arm: sum(table[name] for name in single) / len(single) for arm, table in tables.items()
    }
    return [*table_rows, QuestionRow("mean", means)]


CALIBRATION_SEED = 985_000_000
CALIBRATION_BATCH = 16

CalibrationTrial = tuple[float, bool]
"""The log odds of a caption's words, and whether the caption is right."""


def calibration_trials(
    captioner: Captioner, autoencoder: Autoencoder, world: World, count: int
) -> Iterator[CalibrationTrial]:
    """One trial for each of `count` held-out clips; no other measurement uses these clips."""
    clips = [labelled_clip(seed) for seed in range(CALIBRATION_SEED, CALIBRATION_SEED + count)]
    looks = torch.cat([look for _, clip in clips for look in caption_latents(autoencoder, clip)])
    predictions = [
        each
        for part in looks.split(CALIBRATION_BATCH)
        for each in captioner.generate(part, LONG_SIGN)
    ]
    for (labels, _), each in zip(clips, predictions, strict=True):
        yield each.odds, stated_labels(each.text, world) == labels


def calibrated(tried: Sequence[CalibrationTrial]) -> Tensor:
    """Offset and slope from the log odds of words to those of a right caption (Platt 1999).

    A weak penalty holds them near 0 and 1 if there are few trials.
    """
    odds = torch.tensor([each for each, _ in tried], dtype=torch.float64)
    right = torch.tensor([float(is_right) for _, is_right in tried], dtype=torch.float64)
    fitted = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([fitted], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> float:
        search.zero_grad()
        pull = 0.01 * (fitted - torch.tensor([0.0, 1.0])).square().sum()
        error = binary_cross_entropy_with_logits(fitted[0] + fitted[1] * odds, right) + pull
        error.backward()
        return error.item()

    search.step(loss)
    return fitted.detach().float()


def write_certainty(path: Path, certainty: Tensor) -> None:
    """Writes a fitted `certainty` to the captioner file at `path`; the rest is unchanged."""
    tensors = read_tensors(path) | {"certainty": certainty.half()}
    write_tensors(path, tensors, read_header(path).metadata)


def strange_figures(
    captioner: Captioner, autoencoder: Autoencoder, count: int = 16
) -> list[Figure]:
    """The mean certainty of captions for footage from outside the world; it should be low."""
    table = []
    for name, clips in (("noise", pixel_noise), ("tiles", tiles), ("fades", fades)):
        looks = [caption_latents(autoencoder, clips(seed)) for seed in range(count)]
        sure = [caption(captioner, each).certainty for each in looks]
        table.append(Figure(f"certainty_{name}", fmean(sure)))
    return table


def pixel_noise(seed: int) -> Frames:
    """A clip of random pixels, new in each frame."""
    generator = torch.Generator().manual_seed(seed)
    shape = (WINDOW_FRAMES, CAPTION_SIDE, CAPTION_SIDE, 3)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def tiles(seed: int) -> Frames:
    """A clip of one still mosaic of random colours."""
    generator = torch.Generator().manual_seed(seed)
    mosaic = torch.randint(256, (8, 8, 3), generator=generator, dtype=torch.uint8)
    large = mosaic.repeat_interleave(CAPTION_SIDE // 8, 0).repeat_interleave(CAPTION_SIDE // 8, 1)
    return large.expand(WINDOW_FRAMES, -1, -1, -1).contiguous()


def fades(seed: int) -> Frames:
    """A clip of a plain colour that fades into another."""
    colours = torch.rand(2, 3, generator=torch.Generator().manual_seed(seed)) * 255
    mixed = torch.lerp(colours[0], colours[1], torch.linspace(0, 1, WINDOW_FRAMES)[:, None])
    return (
        mixed[:, None, None].expand(-1, CAPTION_SIDE, CAPTION_SIDE, -1).to(torch.uint8).contiguous()
    )
