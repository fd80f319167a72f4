"""The commands that measure a model, its captioner and the expansion of prompts."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from ..checkpoints.captioner_file import CAPTIONER_PATH, load_captioner
from ..checkpoints.checkpoint import load_autoencoder, read_config
from ..checkpoints.text_file import SHIPPED_TEXT_ENCODER as TEXT_ENCODER
from ..checkpoints.text_file import load_text
from ..errors import SizeError, check_range
from ..measure import expansion, steps
from ..measure.captions import (
    QuestionRow,
    calibrated,
    calibration_trials,
    caption_figures,
    captioned_clips,
    expanded_wishes,
    question_rows,
    readings,
    strange_figures,
    write_certainty,
)
from ..measure.classifier import (
    CLASSIFIER_PATH,
    ClassifierResult,
    classify,
    load_classifier,
    right_shares,
    true_results,
)
from ..measure.edit_cases import EditRunner
from ..measure.edit_report import EDITS, Claim, claims
from ..measure.fidelity import SampleSettings, canvas_of_size, clip_requests, generated_clips
from ..measure.heldout_clips import heldout_clips, reconstructed_clips, reconstruction_figures
from ..measure.prompt_facts import read_cases
from ..measure.report import Figure, write_json
from ..measure.text import size_figures, text_figures
from ..measure.world import command as world
from ..models.attribute_classifier import AttributeClassifier
from ..pipeline.generate import MODELS, SHIPPED, Pipeline, load
from ..prompts.expansion import read_language
from ..prompts.vocabulary import read_world
from ..shapes import Size, sides
from ..training.minilm import load_teacher
from ..training.sentences import Amounts, gather
from ..world.sheet import contact_sheet

TEXTS = Amounts(scenes=16_000, prompts=16_000, plain=None)  # one in 43 is held out
SHEET_CLIPS = 24  # the first clips, on a sheet


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `run`."""
    what = parser.add_subparsers(dest="what", required=True)
    autoencoder = what.add_parser("autoencoder", help="PSNR of reconstructed held-out clips")
    autoencoder.add_argument("--clips", type=int, default=64)
    autoencoder.add_argument("--frames", type=int, default=17)
    autoencoder.add_argument(
        "--size", type=sides, action="append", metavar="WIDTHxHEIGHT", help="64x64; repeatable"
    )
    fidelity = what.add_parser(
        "fidelity", help="share of facts of held-out prompts that the clips show"
    )
    fidelity.add_argument("--prompts", type=int, default=200)
    fidelity.add_argument(
        "--reader", type=Path, default=CLASSIFIER_PATH, help="attribute classifier"
    )
    fidelity.add_argument(
        "--reader-clips", type=int, default=400, help="true clips to test the classifier on"
    )
    fidelity.add_argument("--steps", type=int, help="default: the model's")
    fidelity.add_argument("--guidance", type=float, help="default: the model's")
    fidelity.add_argument("--seed", type=int, default=0, help="selects prompts and noise")
    edits = what.add_parser("edits", help="exactness, seams and drift of edits of held-out clips")
    edits.add_argument("--clips", type=int, default=20)
    edits.add_argument("--operations", nargs="+", choices=EDITS, default=EDITS)
    edits.add_argument("--steps", type=int, help="default: the model's")
    edits.add_argument(
        "--firmness", type=float, help="for changes of colour; default: the best of a search"
    )
    edits.add_argument("--threads", type=int, default=1, help="clips generated in parallel")
    edits.add_argument("--sheets", type=Path, metavar="DIR", help="pictures of four edits each")
    captions = what.add_parser("captions", help="correctness of captions of held-out clips")
    captions.add_argument("--clips", type=int, default=200)
    captions.add_argument("--captioner", type=Path, default=CAPTIONER_PATH)
    captions.add_argument(
        "--calibrate",
        type=int,
        metavar="CLIPS",
        help="first fit the certainty to so many clips and write it to the captioner's file",
    )
    recaptioning = what.add_parser(
        "recaptioning", help="models trained on short and on descriptive captions, compared"
    )
    for arm in ("short", "descriptive"):
        recaptioning.add_argument(arm, type=Path, help=f"model file for {arm} captions")
    recaptioning.add_argument("--prompts", type=int, default=48)
    expansion = what.add_parser("prompts", help="facts of held-out prompts that expansion retains")
    expansion.add_argument(
        "--fidelity", action="store_true", help="compare clips of terse and expanded prompts"
    )
    expansion.add_argument("--seed", type=int, default=0, help="of the noise, for --fidelity")
    expansion.add_argument("--steps", type=int, help="default: the model's")
    text = what.add_parser("text", help="similarity of the text encoder to its teacher, MiniLM")
    text.add_argument(
        "--encoder", type=Path, default=TEXT_ENCODER, help="text encoder or model file"
    )
    text.add_argument("--texts", type=int, default=400, help="at most, from each source")
    text.add_argument(
        "--sizes", action="store_true", help="encoders of other sizes too, fitted, not trained"
    )
    rulers = what.add_parser("world", help="measurements with ground truth: shape, physics, ...")
    world.add_arguments(rulers)
    few = what.add_parser("steps", help="few steps of a LoRA beside all steps of the model")
    steps.add_arguments(few)
    for measured in (fidelity, edits):
        measured.add_argument("--lora", type=Path, metavar="FILE", help="LoRA of the model")
    for measured in (autoencoder, fidelity, edits, captions, expansion):
        measured.add_argument("--model", type=Path, default=MODELS / SHIPPED)
    whole = (autoencoder, fidelity, edits, captions, recaptioning, expansion, text, rulers, few)
    for measured in whole:
        measured.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    for measured in (autoencoder, fidelity):
        measured.add_argument("--sheet", type=Path, metavar="OUT.png", help="picture of clips")


def run(args: Namespace) -> str:
    """One line for each figure, with name, value and unit; written to --json too."""
    match args.what:
        case "autoencoder":
            lines = measured = measure_autoencoder(args)
        case "fidelity":
            lines = measured = measure_fidelity(args)
        case "captions":
            lines = measured = measure_captions(args)
        case "recaptioning":
            lines = measure_recaptioning(args)
            measured = [figure for row in lines for figure in row.figures]
        case "prompts":
            lines = measured = measure_prompts(args)
        case "text":
            lines = measured = measure_text(args)
        case "steps":
            measured = steps.run(args, show_progress)
            lines = [steps.steps_table(measured)]
        case "world":
            rows = world.run(args, show_progress)
            lines, measured = [world.table(rows, args)], [f for row in rows for f in row.figures]
        case _:
            lines = measure_edits(args)
            measured = [claim.figure for claim in lines]
    if args.json:
        write_json(measured, args.json)
    return "\n".join(map(str, lines))


def measure_autoencoder(args: Namespace) -> list[Figure]:
    """PSNR of reconstructed clips; figures of sizes after the first have the size in their name."""
    config = read_config(args.model)
    autoencoder = load_autoencoder(args.model, config)
    measured, clips, captions = [], [], []
    for i, (width, height) in enumerate(args.size or [(64, 64)]):
        size = Size(width, height, args.frames)
        reconstructed = list(reconstructed_clips(autoencoder, size, args.clips, config.fps))
        measured += reconstruction_figures(reconstructed, f"_{width}x{height}" if i else "")
        for pair in reconstructed[: SHEET_CLIPS // 2]:
            clips += [pair.true, pair.reconstructed]
            captions += ["true", "decoded"]
    if args.sheet:
        contact_sheet(clips, captions, args.sheet, scale=2, across=2)
    return measured


def measure_fidelity(args: Namespace) -> list[Figure]:
    """Shares of right answers for generated clips, and for reconstructed true clips."""
    pipeline, reader = load(args.model, lora=args.lora), load_classifier(args.reader)
    canvas = canvas_of_size(reader.config.size, pipeline.config.fps)
    settings = SampleSettings(args.steps, args.guidance)
    readings, clips, captions = [], [], []
    for wish, frames in generated_clips(
        pipeline, clip_requests(args.prompts, args.seed), canvas, settings
    ):
        reading = ClassifierResult(wish.asked, classify(reader, frames))
        readings.append(reading)
        if len(clips) < SHEET_CLIPS:
            clips.append(frames)
            captions.append(wish.prompt + missed(reading))
        show_progress(f"generated {len(readings)} of {args.prompts}")
    if args.sheet:
        contact_sheet(clips, captions, args.sheet, scale=2, across=2)
    return right_shares(readings) + reader_figures(pipeline, reader, args.reader_clips)


def measure_captions(args: Namespace) -> list[Figure]:
    """Shares of right captions of held-out clips, and their certainty."""
    autoencoder = load_autoencoder(args.model, read_config(args.model))
    captioner, world = load_captioner(args.captioner), read_world()
    if args.calibrate:
        tried = list(calibration_trials(captioner, autoencoder, world, args.calibrate))
        write_certainty(args.captioner, calibrated(tried))
        captioner = load_captioner(args.captioner)
    captioned = []
    for clip in captioned_clips(captioner, autoencoder, args.clips):
        captioned.append(clip)
        show_progress(f"captioned {len(captioned)} of {args.clips}")
    return caption_figures(captioned, world) + strange_figures(captioner, autoencoder)


def measure_recaptioning(args: Namespace) -> list[QuestionRow]:
    """The share of right answers to each question in the clips of either model."""
    reader, wanted = load_classifier(), expanded_wishes(args.prompts, read_language())
    found: dict[str, list[ClassifierResult]] = {}
    for arm in ("short", "descriptive"):
        found[arm] = []
        for reading in readings(getattr(args, arm), reader, wanted):
            found[arm].append(reading)
            show_progress(f"{arm}: generated {len(found[arm])} of {args.prompts}")
    return question_rows(found)


def measure_prompts(args: Namespace) -> list[Figure]:
    """How many facts expansion retains, or with --fidelity what it gains in generated clips."""
    language = read_language()
    if not args.fidelity:
        return expansion.expansion_figures(list(expansion.expansion_trials(language)))
    terse, reader = read_cases(expansion.HELD_OUT_FOLDER / "terse.txt"), load_classifier()
    settings, pipeline = SampleSettings(args.steps), load(args.model)
    return expansion.gain_figures(
        expansion.gain_pairs(pipeline, reader, terse, language, settings, args.seed, show_progress)
    )


def measure_text(args: Namespace) -> list[Figure]:
    """Cosines between the states of the text encoder and of MiniLM, and accuracies of probes."""
    check_range("--texts", args.texts, 10, 4000)
    student, tokenizer = load_text(args.encoder)
    teacher, _ = load_teacher()
    learned, held_out = gather(TEXTS)
    measured = text_figures(student, teacher, tokenizer, held_out, args.texts)
    if args.sizes:
        measured += size_figures(teacher, tokenizer, learned, held_out, args.texts)
    return measured


def measure_edits(args: Namespace) -> list[Claim]:
    """Every figure of the edits, with its bound."""
    if args.clips < 2:
        raise SizeError(f"{args.clips} clips: choose 2 or more, since edits connect two")
    check_range("--threads", args.threads, 1, 64)
    if args.threads > 1:
        torch.set_num_threads(1)
    bench = EditRunner(
        load(args.model, lora=args.lora),
        load_classifier(),
        list(heldout_clips(args.clips)),
        args.steps,
        args.threads,
        show_progress,
    )
    return claims(bench, args.operations, args.firmness, args.sheets)


def reader_figures(pipeline: Pipeline, reader: AttributeClassifier, count: int) -> list[Figure]:
    """The classifier's shares of right answers for reconstructed true clips."""
    readings = []
    for reading in true_results(reader, pipeline.autoencoder, count):
        readings.append(reading)
        show_progress(f"classified {len(readings)} of {count} true clips")
    return right_shares(readings, "reader_") if readings else []


def missed(reading: ClassifierResult) -> str:
    """The classifier's wrong answers as a remark; empty if there are none."""
    wrong = ", ".join(reading.read[name] for name in reading.wrong)
    return f" [read as {wrong}]" if wrong else ""


def show_progress(progress: str) -> None:
    """Replaces the line of progress on stderr, if that is a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{progress}\033[K")
