"""Seams without each mechanism that makes them smaller: the table of `docs/seams.md`.

`python -m tools.seam_ablation ours` on the released model, `python -m tools.seam_ablation host` on
the Wan that `python -m tools.host_wan train` trained. Prints a Markdown table: seam ratios at joins
(pixels: median and 95 %, colour: median), where 1 is no seam. Mechanisms of sampling need a run of
the model each; those of decoding are measured on one and the same latent.
"""

import argparse
import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sora_core.measure.edit_cases import OPERATIONS, EditJob, measured_edit, seam_ratios
from sora_core.measure.edit_report import quantile
from sora_core.measure.heldout_clips import heldout_clips
from sora_core.models.chunked_codec import decode_chunks, decode_ring
from sora_core.pipeline.decode import cropped
from sora_core.pipeline.generate import Pipeline, encode_footage, generate, load
from sora_core.pipeline.seams import colour_fades, decode_joined, fade_colours
from sora_core.shapes import Frames
from sora_core.video.frames import frames_from_video
from tools.host_wan.bench import BenchSettings, HostWanBench, pack_core
from tools.host_wan.training import FOLDER, wan_file

MEASURED = ("forward", "backward", "connect")
DECODING = ("generated decoder", "morph", "colour fade")


@dataclass(frozen=True, slots=True)
class SampledEdit:
    job: EditJob
    encoded: Any  # a CanvasLatent, of this core or of the pack's copy of it
    latent: torch.Tensor


Sampling = Callable[[], list[SampledEdit]]


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
    """The cells of a row: median, 95 % and median of colour for each of the operations."""
    measured: dict[str, list[Any]] = {}
    for edit in edits:
        frames = frames_without(pipeline, edit, off)
        done = measured_edit(pipeline.autoencoder, edit.job, edit.encoded, edit.latent, frames)
        measured.setdefault(operation_of(edit), []).append(done)
    cells = []
    for name in MEASURED:
        pixels, colour = (seam_ratios(measured[name], kind) for kind in ("pixels", "colour"))
        values = quantile(pixels, 0.5), quantile(pixels, 0.95), quantile(colour, 0.5)
        cells += [f"{value:.2f}" for value in values]
    return " | ".join(cells)


def operation_of(edit: SampledEdit) -> str:
    """Which of MEASURED an edit is, by where its footage lies."""
    begins, ends = (bool((edit.encoded.mask[:, :, at] == 0).all()) for at in (0, -1))
    return "connect" if begins and ends else "forward" if begins else "backward"


def own_sampling(pipeline: Pipeline, jobs: Sequence[EditJob], steps: int | None) -> Sampling:
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
) -> Iterator[tuple[str, Sampling, Sequence[str]]]:
    """Name, sampling and disabled decoding mechanisms of each row for our model."""
    plain = own_sampling(pipeline, jobs, steps)
    sampled: list[SampledEdit] = plain()
    yield "all on", lambda: sampled, ()
    for name in DECODING:
        yield f"without {name}", lambda: sampled, (name,)
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


def host_variants(
    folder: Path, kind: str, count: int, steps: int
) -> Iterator[tuple[str, Sampling, Sequence[str]]]:
    """The same for the trained Wan; mechanisms that are off by default are rows of their own."""
    bench = HostWanBench(wan_file(kind, folder), [], BenchSettings(steps=steps), quiet)
    clips = list(pack_core("measure.heldout_clips").heldout_clips(count))
    cases = pack_core("measure.edit_cases").OPERATIONS
    jobs = [cases[name](*pair) for name in MEASURED for pair in neighbours(clips)]

    def sampling(**changed: Any) -> Sampling:  # noqa: ANN401 - fields of BenchSettings
        def sample() -> list[SampledEdit]:
            bench.settings = replace(bench.settings, hand_over=0.0, **changed)
            done = [(job, bench.sampled(job.prompt, job.canvas, job.clip.seed)) for job in jobs]
            return [SampledEdit(job, encoded, latent) for job, (encoded, latent, _) in done]

        return sample

    sampled = sampling()()
    yield "as by default", lambda: sampled, ()
    for name in DECODING:
        yield f"without {name}", lambda: sampled, (name,)
    yield "without all three", lambda: sampled, DECODING


def neighbours(clips: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Each clip with the next one, for edits that need two."""
    return list(zip(clips, (*clips[1:], clips[0]), strict=True))


def quiet(line: str) -> None:
    """Drops `line`."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.seam_ablation", description=__doc__)
    parser.add_argument("model", choices=("ours", "host"))
    parser.add_argument("--kind", choices=("t2v", "i2v"), default="t2v", help="of the host's Wan")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = load()
    if options.model == "ours":
        clips = list(heldout_clips(options.clips))
        jobs = [OPERATIONS[name](*pair) for name in MEASURED for pair in neighbours(clips)]
        variants = own_variants(pipeline, jobs, options.steps)
    else:
        variants = host_variants(options.folder, options.kind, options.clips, options.steps)
    names = " | ".join(f"{name} | 95 % | colour" for name in MEASURED)
    print(f"| | {names} |\n|---|{'---|' * 3 * len(MEASURED)}")
    for name, sample, off in variants:
        print(f"| {name} | {ablation_row(pipeline, sample(), off)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
