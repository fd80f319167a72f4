"""Seams without each mechanism that makes them smaller: the table of `docs/seams.md`.

`python -m tools.seam_ablation ours` on the released model, `python -m tools.seam_ablation host` on
the Wan that `python -m tools.host_wan train` trained. Prints a Markdown table: seam ratios at
joins, where 1 is no seam, as the median, its interval and the median of colour. The interval is
from the 5th to the 95th percentile of medians of as many joins, drawn anew. `inside` is the
largest step between generated frames. Mechanisms of sampling need a run of the model each; those
of decoding are measured on one and the same latent.
"""

import argparse
import copy
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sora_core.measure.edit_cases import OPERATIONS, EditJob
from sora_core.measure.edit_report import quantile
from sora_core.measure.heldout_clips import heldout_clips
from sora_core.measure.seams import Seams, mask_joins, steps
from sora_core.models.chunked_codec import decode_chunks, decode_ring
from sora_core.pipeline.decode import cropped
from sora_core.pipeline.generate import Pipeline, encode_footage, generate, load
from sora_core.seams.colour_fade import colour_fades, fade_colours
from sora_core.seams.morph import decode_joined
from sora_core.shapes import Frames
from sora_core.video.frames import frames_from_video
from tools.host_wan.bench import BenchSettings, HostWanBench, pack_core
from tools.host_wan.training import FOLDER, wan_file

MEASURED = ("forward", "backward", "connect")
DECODING = ("generated decoder", "morph", "colour fade")
HEADINGS = ("", "interval", "colour", "inside")
REDRAWN = 1000  # draws for an interval
EASED, HAND_OVER = 1, 0.7  # of the trained Wan, where they are on


@dataclass(frozen=True, slots=True)
class SampledEdit:
    job: EditJob
    encoded: Any  # a CanvasLatent, of this core or of the pack's copy of it
    latent: torch.Tensor


Sampling = Callable[[], list[SampledEdit]]
Variant = tuple[str, Sampling, Sequence[str]]
"""Name, sampling and disabled decoding mechanisms of a row."""


@torch.inference_mode()
def frames_without(pipeline: Pipeline, edit: SampledEdit, off: Sequence[str]) -> Frames:
    """The frames of a sampled edit, decoded without the mechanisms of DECODING in `off`."""
    canvas, encoded = edit.encoded.canvas, edit.encoded
    decode = partial(decode_ring if canvas.ring else decode_chunks, pipeline.autoencoder)
    mask = torch.zeros_like(encoded.mask) if "generated decoder" in off else encoded.mask
    joins = () if "morph" in off else encoded.joins
    fades = [] if "colour fade" in off else colour_fades(canvas, encoded.mask)
    chunks = fade_colours(decode_joined(decode, edit.latent, joins, mask), fades)
    return torch.cat([frames_from_video(part[0]) for part in cropped(chunks, canvas.size)])


def ablation_row(pipeline: Pipeline, edits: Sequence[SampledEdit], off: Sequence[str]) -> str:
    """The cells of a row: those of HEADINGS for each of MEASURED."""
    measured: dict[str, list[tuple[Seams, float]]] = {}
    for edit in edits:
        frames, canvas = frames_without(pipeline, edit, off), edit.encoded.canvas
        joins = mask_joins(canvas, edit.encoded.mask)
        seams = Seams(steps([frames], canvas.ring), joins, canvas.ring)
        measured.setdefault(operation_of(edit), []).append((seams, inside(seams, edit)))
    cells = []
    for name in MEASURED:
        pixels, colour = (
            [seams.ratio(kind, join) for seams, _ in measured[name] for join in seams.joins]
            for kind in ("pixels", "colour")
        )
        low, high = median_interval(pixels)
        cells += [f"{quantile(pixels, 0.5):.2f}", f"{low:.2f} to {high:.2f}"]
        cells += [f"{quantile(colour, 0.5):.2f}"]
        cells += [f"{quantile([largest for _, largest in measured[name]], 0.5):.2f}"]
    return " | ".join(cells)


def inside(seams: Seams, edit: SampledEdit) -> float:
    """The largest step between generated frames over the usual one, in pixels."""
    mask = edit.encoded.mask[0, 0].flatten(1).amin(dim=1) > 0
    covered = (edit.encoded.canvas.frames_of(i) for i in mask.nonzero().flatten().tolist())
    frames = {frame for part in covered for frame in part}
    sizes = [seams.steps.pixels[t - 1].item() for t in frames if t - 1 in frames]
    return max(sizes) / seams.usual("pixels")


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 5th and the 95th percentile of medians of values drawn anew (Efron 1979)."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(values), (REDRAWN, len(values)), generator=generator)
    medians = torch.tensor(values)[drawn].quantile(0.5, dim=1)
    return medians.quantile(0.05).item(), medians.quantile(0.95).item()


def operation_of(edit: SampledEdit) -> str:
    """Which of MEASURED an edit is, by where its footage lies."""
    begins, ends = (bool((edit.encoded.mask[:, :, at] == 0).all()) for at in (0, -1))
    return "connect" if begins and ends else "forward" if begins else "backward"


def heldout_jobs(count: int) -> list[EditJob]:
    """The edits of MEASURED on `count` held-out clips."""
    clips = list(heldout_clips(count))
    return [OPERATIONS[name](*pair) for name in MEASURED for pair in neighbours(clips)]


def own_sampling(pipeline: Pipeline, jobs: Sequence[EditJob], steps: int | None) -> Sampling:
    """A function that samples all `jobs` anew, each with its clip's seed.

    `steps` None is the default of the model.
    """

    def sample() -> list[SampledEdit]:
        edits = []
        for job in jobs:
            encoded = encode_footage(pipeline, job.canvas)
            latent = generate(pipeline, job.prompt, encoded, job.clip.seed, steps=steps)
            edits.append(SampledEdit(job, encoded, latent))
        return edits

    return sample


def own_variants(
    pipeline: Pipeline, jobs: Sequence[EditJob], steps: int | None
) -> Iterator[Variant]:
    """The rows for our model."""
    plain = own_sampling(pipeline, jobs, steps)
    sampled: list[SampledEdit] = plain()
    yield "all on", lambda: sampled, ()
    for name in DECODING:
        yield f"without {name}", lambda: sampled, (name,)
    yield "without all three", lambda: sampled, DECODING
    sampling = replace(pipeline.config.sampling, easing=0)
    uneased = replace(pipeline, config=replace(pipeline.config, sampling=sampling))
    yield "without eased guidance", own_sampling(uneased, jobs, steps), ()
    yield "without copy gate", own_sampling(gateless(pipeline), jobs, steps), ()
    yield "all off", own_sampling(gateless(uneased), jobs, steps), DECODING


def gateless(pipeline: Pipeline) -> Pipeline:
    """`pipeline` whose transformer copies nothing of the nearest known token."""
    transformer = copy.deepcopy(pipeline.transformer)
    for weight in transformer.copy_gate.parameters():
        weight.data.zero_()
    return replace(pipeline, transformer=transformer)


def host_variants(folder: Path, kind: str, count: int, steps: int) -> Iterator[Variant]:
    """The same for the trained Wan, where mechanisms of sampling are off by default."""
    bench = HostWanBench(wan_file(kind, folder), [], BenchSettings(steps=steps), quiet)
    clips = list(pack_core("measure.heldout_clips").heldout_clips(count))
    cases = pack_core("measure.edit_cases").OPERATIONS
    jobs = [cases[name](*pair) for name in MEASURED for pair in neighbours(clips)]
    plain = bench.settings

    def sampling(**changed: Any) -> Sampling:  # noqa: ANN401 - fields of BenchSettings
        def sample() -> list[SampledEdit]:
            bench.settings = replace(plain, **changed)
            done = [(job, bench.sampled(job.prompt, job.canvas, job.clip.seed)) for job in jobs]
            return [SampledEdit(job, encoded, latent) for job, (encoded, latent, _) in done]

        return sample

    eased, corrected = {"easing": EASED}, {"hand_over": HAND_OVER}
    sampled = sampling(**eased, **corrected)()
    yield "all on", lambda: sampled, ()
    for name in DECODING:
        yield f"without {name}", lambda: sampled, (name,)
    yield "without all three", lambda: sampled, DECODING
    yield "without eased guidance", sampling(**corrected), ()
    yield "without hand-over", sampling(**eased), ()
    neither = sampling()()
    yield "without both, as by default", lambda: neither, ()
    yield "all off", lambda: neither, DECODING


def neighbours(clips: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Each clip with the next one, for edits that need two."""
    return list(zip(clips, (*clips[1:], clips[0]), strict=True))


def quiet(line: str) -> None:
    """Drops `line`."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options; `kind` and `folder` apply to the host's model only."""
    parser = argparse.ArgumentParser(prog="python -m tools.seam_ablation", description=__doc__)
    parser.add_argument("model", choices=("ours", "host"))
    parser.add_argument("--kind", choices=("t2v", "i2v"), default="t2v", help="of the host's Wan")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    return parser.parse_args(arguments)


def print_table(pipeline: Pipeline, variants: Iterable[Variant]) -> None:
    """Prints the table of `variants`, each row as soon as it is measured."""
    names = " | ".join(f"{name} | {' | '.join(HEADINGS[1:])}" for name in MEASURED)
    print(f"| | {names} |\n|---|{'---|' * len(HEADINGS) * len(MEASURED)}")
    for name, sample, off in variants:
        print(f"| {name} | {ablation_row(pipeline, sample(), off)} |", flush=True)


def main() -> int:
    """0, once the table for the chosen model is printed."""
    options = parse()
    torch.set_num_threads(1)
    pipeline = load()
    if options.model == "ours":
        variants = own_variants(pipeline, heldout_jobs(options.clips), options.steps)
    else:
        variants = host_variants(options.folder, options.kind, options.clips, options.steps)
    print_table(pipeline, variants)
    return 0


if __name__ == "__main__":
    sys.exit(main())
