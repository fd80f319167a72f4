"""The report on edits: a table of figures with the bounds that they should satisfy, and sheets.

Axes: t frames, y rows, x columns.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image

from ..files import replacing
from ..shapes import Frames
from ..world.sheet import contact_sheet
from .classifier import classify
from .drift import Drift, texture_gain
from .edit_cases import (
    NEW_COLOUR,
    OPERATIONS,
    SAME_MOTION,
    Edit,
    EditRunner,
    link_lengths,
    seam_ratios,
)
from .heldout_clips import CLIP_SIZE, heldout_clips, through, to_and_fro
from .report import Figure
from .seams import SEAM_KINDS, Seams, steps

WORST_LOSS = 0.2  # dB


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure and its upper bound, or lower bound with `at_least`; None for a figure without."""

    figure: Figure
    bound: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the figure satisfies its bound; True without one."""
        if self.bound is None:
            return True
        value = self.figure.value
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        line = f"{self.figure.name:<36}{self.figure.value:>9.3f} {self.figure.unit:<6}"
        if self.bound is None:
            return line.rstrip()
        wanted = f"{'>=' if self.at_least else '<='} {self.bound:g}"
        return f"{line}{wanted:<9}{'holds' if self.holds else 'falls short'}"


def preservation_claims(name: str, edits: Sequence[Edit]) -> list[Claim]:
    """Known footage is exact in the latent, and in pixels as good as the autoencoder allows."""
    worst = max(edit.latent_error for edit in edits)
    loss = mean(edit.own_loss for edit in edits)
    settled = mean(edit.settled_loss for edit in edits)
    return [
        Claim(Figure(f"{name}_kept_latent_error", worst), 0.0),
        Claim(Figure(f"{name}_kept_psnr", mean(edit.psnr for edit in edits), "dB")),
        Claim(Figure(f"{name}_kept_loss", loss, "dB"), WORST_LOSS),
        Claim(Figure(f"{name}_kept_loss_settled", settled, "dB"), WORST_LOSS),
    ]


def seam_claims(name: str, edits: Sequence[Edit]) -> list[Claim]:
    """The median and the 95th percentile of seam ratios at an edit's joins, or a loop's wraps."""
    loop = edits[0].seams.loop
    bounds = ((0.5, "median", 1.15 if loop else 1.25), (0.95, "p95", None if loop else 2.0))
    return [
        Claim(Figure(f"{name}_seam_{kind}_{word}", quantile(seam_ratios(edits, kind), q)), bound)
        for kind in SEAM_KINDS
        for q, word, bound in bounds
    ]


def untouched_claims(runner: EditRunner, joins: Sequence[int]) -> list[Claim]:
    """Seam ratios of unedited clips at the same frames `joins`: the baseline for `seam_claims`."""

    found = {name: {kind: [] for kind in SEAM_KINDS} for name in ("true", "reconstructed")}
    for true_clip in runner.clips:
        own = through(runner.pipeline.autoencoder, true_clip.frames)
        for name, frames in (("true", true_clip.frames), ("reconstructed", own)):
            measured = steps([frames])
            for join in joins:
                for kind in SEAM_KINDS:
                    found[name][kind].append(Seams(measured, (join,)).ratio(kind, join))
    return [
        Claim(Figure(f"{name}_seam_{kind}_{word}", quantile(values, q)))
        for name, kinds in found.items()
        for kind, values in kinds.items()
        for q, word in ((0.5, "median"), (0.95, "p95"))
    ]


def drift_claims(runner: EditRunner, chains: Sequence[Sequence[Frames]]) -> list[Claim]:
    """The drift of extended clips, and of true scenes over the same time."""
    lengths = link_lengths(len(chains[0]) - 1)
    size = replace(CLIP_SIZE, frames=sum(lengths))
    first = runner.clips[0].seed
    true = (
        true_clip.frames.split(lengths)
        for true_clip in heldout_clips(len(runner.clips), first, size)
    )
    claims = []
    for name, parts, bounds in (
        ("chain", chains, (1.5, 0.05, 0.02)),
        ("true_chain", list(true), (None, None, None)),
    ):
        drifts = [Drift.from_segments(links) for links in parts]
        texture = mean(texture_gain(links) for links in parts)
        colour = mean(drift.colour for drift in drifts)
        net = mean(drift.net_colour for drift in drifts)
        contrast = mean(abs(drift.contrast) for drift in drifts)
        growth = mean(drift.contrast for drift in drifts)
        claims += [
            Claim(Figure(f"{name}_colour_drift_per_link", colour, "/255"), bounds[0]),
            Claim(Figure(f"{name}_net_colour_drift_per_link", net, "/255")),
            Claim(Figure(f"{name}_contrast_change", contrast), bounds[1]),
            Claim(Figure(f"{name}_contrast_growth", growth)),
            Claim(Figure(f"{name}_texture_gain_per_link", texture)),
            Claim(Figure(f"{name}_texture_change_per_link", abs(texture)), bounds[2]),
        ]
    return claims


def appearing_claims(runner: EditRunner, edits: Sequence[Edit]) -> list[Claim]:
    """How often a backward extension shows the clip's object, according to the classifier.

    The classifier gets the generated frames alone; `true_same_object` is its share for the true
    frames at the same times.
    """
    generated, true = [], []
    for edit in edits:
        new = [t for t in range(len(edit.frames)) if t not in edit.known_frames]
        own = through(runner.pipeline.autoencoder, edit.job.first)
        for clip, answers in ((edit.frames, generated), (own, true)):
            reading = classify(runner.reader, to_and_fro(clip[new], CLIP_SIZE.frames))
            labels = edit.job.clip.scene.labels
            answers.append(all(reading[name] == labels[name] for name in ("colour", "shape")))
    return [
        Claim(Figure("backward_same_object", share(generated)), 0.8, at_least=True),
        Claim(Figure("true_same_object", share(true))),
    ]


def colour_claims(runner: EditRunner, edits: Sequence[Edit], firmness: float) -> list[Claim]:
    """How often recoloured clips have the new colour, and how often the clip's motion."""
    new, same = runner.colour_shares(edits)
    motions = []
    for true_clip in runner.clips:
        own = through(runner.pipeline.autoencoder, true_clip.frames)
        motions.append(classify(runner.reader, own)["motion"] == true_clip.scene.labels["motion"])
    return [
        Claim(Figure("colour_firmness", firmness)),
        Claim(Figure("colour_new", new), NEW_COLOUR, at_least=True),
        Claim(Figure("colour_same_motion", same), SAME_MOTION, at_least=True),
        Claim(Figure("true_motion_read", share(motions))),
    ]


def mean(values: Iterable[float]) -> float:
    """The mean of one value or more."""
    listed = list(values)
    return sum(listed) / len(listed)


def share(answers: Sequence[bool]) -> float:
    """The share of True."""
    return sum(answers) / len(answers)


def quantile(values: Sequence[float], q: float) -> float:
    """The quantile `q` in [0, 1], interpolated linearly."""
    return torch.tensor(values).quantile(q).item()


EDITS = (*OPERATIONS, "chain", "colour")


def claims(
    runner: EditRunner,
    operations: Collection[str] = EDITS,
    firmness: float | None = None,
    sheets: Path | None = None,
) -> list[Claim]:
    """The figures of each of `operations`; pictures of the first four edits go to `sheets`.

    Without a `firmness`, the best one for changes of colour is searched on other clips first.
    """
    table, joins = [], set()
    for name in OPERATIONS:
        if name not in operations:
            continue
        edits = runner.edits(name)
        if edits[0].known_frames:
            table += preservation_claims(name, edits)
        table += seam_claims(name, edits)
        if name == "backward":
            table += appearing_claims(runner, edits)
        joins.update(edits[0].seams.joins)
        if sheets:
            write_edits(name, edits, sheets)
    if joins:
        table += untouched_claims(runner, sorted(joins))
    if "chain" in operations:
        chains = runner.chains()
        table += drift_claims(runner, chains)
        if sheets:
            write_chains(chains, [true_clip.caption for true_clip in runner.clips], sheets)
    if "colour" in operations:
        if firmness is None:
            firmness = runner.best_firmness(max(1, len(runner.clips) // 2))
        edits = runner.recoloured(runner.clips, firmness)
        table += colour_claims(runner, edits, firmness)
        if sheets:
            write_edits("colour", edits, sheets)
    return table


SHEET_ROWS = 4
BAR_HEIGHT = 4  # pixels
KNOWN_COLOUR, GENERATED_COLOUR = (70, 160, 90), (225, 150, 60)


def write_edits(name: str, edits: Sequence[Edit], folder: Path) -> Path:
    """The path of a sheet of the first four `edits`: the true clip left, the result right.

    A bar under each frame marks it as known (green) or generated (orange). Loops are shifted so
    that the wrap is in the middle, and have no true clip beside them.
    """
    clips, captions = [], []
    for edit in edits[:SHEET_ROWS]:
        frames, job = with_bars(edit.frames, edit.known_frames), edit.job
        if edit.seams.loop:
            clips.append(frames.roll(len(frames) // 2, dims=0))
            captions.append(job.prompt)
            continue
        half = len(job.first) // 2
        true = torch.cat([job.first[:half], job.last[half:]])
        clips += [with_bars(true, range(len(true))), frames]
        captions += ["true", job.prompt]
    columns = 16 if edits[0].seams.loop else 9
    return _write_sheet(clips, captions, folder / f"{name}.png", columns, 1 if columns == 16 else 2)


def write_chains(chains: Sequence[Sequence[Frames]], captions: Sequence[str], folder: Path) -> Path:
    """The path of a sheet of the first four long videos: two frames per segment, the clip green."""
    clips = []
    for links in chains[:SHEET_ROWS]:
        rows = [link[[len(link) // 2, -1]] for link in links]
        clips.append(with_bars(torch.cat(rows), (0, 1)))
    return _write_sheet(clips, captions[:SHEET_ROWS], folder / "chain.png", len(clips[0]), 1)


def with_bars(frames: Frames, known_frames: Collection[int]) -> Frames:
    """`frames` with a bar beneath each: green for known frames, orange for generated ones."""
    count, _, width, _ = frames.shape
    colours = torch.tensor(
        [KNOWN_COLOUR if t in known_frames else GENERATED_COLOUR for t in range(count)]
    )
    bar = colours.to(torch.uint8)[:, None, None].expand(-1, BAR_HEIGHT, width, -1)
    return torch.cat([frames, bar], dim=1)


def _write_sheet(
    clips: Sequence[Frames], captions: Sequence[str], path: Path, columns: int, across: int
) -> Path:
    drawn = BytesIO()
    contact_sheet(
        clips, captions, drawn, columns=columns, scale=1 if columns > 16 else 2, across=across
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, Image.open(drawn) as sheet:
        sheet.quantize(256, dither=Image.Dither.NONE).save(unfinished, format="PNG", optimize=True)
    return path
