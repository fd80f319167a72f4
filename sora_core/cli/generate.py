"""The command that generates a video file from a prompt, footage or both."""

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from ..canvas import edits
from ..canvas.canvas import Canvas
from ..canvas.media import read_media
from ..canvas.soundtrack import canvas_sound
from ..errors import ConfigError, MediaError, check_range
from ..models.precision import DEFAULT_PRECISION, FAST_PRECISION, PRODUCT_PRECISIONS, has_bfloat16
from ..pipeline.decode import decode_frames
from ..pipeline.generate import (
    MODELS,
    SAMPLERS,
    SEGMENT_SETTINGS,
    SHIPPED,
    encode_footage,
    generate,
    load,
)
from ..prompts.storyboard import read_storyboard
from ..prompts.unknown import unknown_note
from ..prompts.vocabulary import read_world
from ..shapes import sides
from ..video.frames import resize
from ..video.still import read_still
from ..video.writer import write_video

DEFAULT_SECONDS = 2.0


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `run`."""
    parser.add_argument(
        "prompt", nargs="?", default="", help='such as "a red ball rolls to the left on grass"'
    )
    parser.add_argument("--out", type=Path, default=Path("sora.mp4"), help="the video to write")
    parser.add_argument("--size", type=sides, default=(64, 64), metavar="WIDTHxHEIGHT")
    parser.add_argument(
        "--seconds",
        type=float,
        help=f"length of the video, by default {DEFAULT_SECONDS:g} or that of --edit; with "
        "--extend, the length to add; 0 is a single frame",
    )
    parser.add_argument("--fps", type=float, help="frames per second; default: the model's")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise")
    parser.add_argument("--steps", type=int, help="sampling steps; default: the model's")
    parser.add_argument(
        "--guidance", type=float, help="scale of text guidance; default: the model's"
    )
    parser.add_argument(
        "--footage-guidance", type=float, default=1.0, help="scale of footage guidance; 1 is off"
    )
    parser.add_argument("--negative", default="", help="negative prompt")
    parser.add_argument("--sampler", choices=SAMPLERS, default="euler")
    parser.add_argument("--scale", type=int, default=1, help="enlargement of the frames, 1 to 8")
    parser.add_argument("--model", type=Path, default=MODELS / SHIPPED, help="model file")
    parser.add_argument(
        "--lora", type=Path, metavar="FILE", help="LoRA of the model; one for few steps sets them"
    )
    parser.add_argument(
        "--precision",
        choices=PRODUCT_PRECISIONS,
        default=DEFAULT_PRECISION,
        help="of products where frames are generated: bfloat16 is faster on processors that have "
        "it, and changes the video slightly",
    )
    parser.add_argument(
        "--windows",
        action="store_true",
        help="generate a long video in overlapping windows instead of segments",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FOLDER",
        help="cache finished parts of a long video or a loop in this folder, and resume there",
    )
    placed = parser.add_argument_group("footage and prompts on the canvas")
    placed.add_argument("--first", type=Path, metavar="IMAGE", help="the first frame")
    placed.add_argument("--last", type=Path, metavar="IMAGE", help="the last frame")
    video = placed.add_mutually_exclusive_group()
    video.add_argument("--extend", type=Path, metavar="VIDEO", help="video to extend")
    video.add_argument("--edit", type=Path, metavar="VIDEO", help="video to edit")
    placed.add_argument("--backward", action="store_true", help="extend at the start")
    placed.add_argument(
        "--firmness", type=float, default=0.4, help="of the video to edit: 1 keeps, 0 ignores it"
    )
    placed.add_argument("--loop", action="store_true", help="generate an endless loop")
    placed.add_argument(
        "--storyboard",
        default="",
        metavar="TEXT",
        help='shots, such as "0-1s: a red ball rolls; 1-2s: it bounces"',
    )


def run(args: Namespace) -> str:
    """The path of the video, once it is written.

    ConfigError without a prompt; other errors as from `generate` and `write_video`.
    """
    check_range("scale", args.scale, 1, 8, MediaError)
    if args.precision == FAST_PRECISION and not has_bfloat16():
        write_note("this processor has no bfloat16: the video is made in float32")
    pipeline = load(args.model, args.precision, args.lora)
    canvas = placed_footage(args, pipeline.config.fps if args.fps is None else args.fps)
    if not (args.prompt or canvas.prompts):
        raise ConfigError("nothing to generate: write a prompt or a --storyboard")
    if pipeline.config.name == Path(SHIPPED).stem:  # the worlds of other models are not known here
        texts = [args.prompt, *(span.prompt for span in canvas.prompts)]
        if note := unknown_note("\n".join(texts), read_world()):
            write_note(note)
    encoded = encode_footage(pipeline, canvas)
    latent = generate(
        pipeline,
        args.prompt,
        encoded,
        args.seed,
        steps=args.steps,
        guidance=args.guidance,
        footage_guidance=args.footage_guidance,
        negative=args.negative,
        sampler=args.sampler,
        segments=None if args.windows else SEGMENT_SETTINGS,
        jobs_folder=args.resume,
        on_report=write_note,
    )
    frames = decode_frames(pipeline, latent, encoded)
    width, height = canvas.width * args.scale, canvas.height * args.scale
    larger = (resize(chunk, width, height) for chunk in frames)
    return str(write_video(args.out, larger, canvas.fps, audio=canvas_sound(canvas)))


def write_note(note: str) -> None:
    """Writes `note` to standard error, a line of its own."""
    sys.stderr.write(f"{note}\n")


def placed_footage(args: Namespace, fps: float) -> Canvas:
    """The canvas that the arguments describe, with all footage and prompts on it."""
    if args.backward and not args.extend:
        raise ConfigError("--backward extends a video at its start: add --extend VIDEO")
    width, height = args.size
    seconds = DEFAULT_SECONDS if args.seconds is None else args.seconds
    canvas = Canvas(width=width, height=height, seconds=seconds, fps=fps)
    if args.edit:
        clip = replace(read_media(args.edit), like=canvas)
        if args.seconds is None:
            canvas = clip.canvas()
        canvas = edits.video_to_video(canvas, clip.placement, args.firmness)
    elif args.extend:
        direction = "backward" if args.backward else "forward"
        clip = replace(read_media(args.extend), like=canvas)
        canvas = edits.extend_media(clip, seconds, direction)
    if args.loop:
        canvas = edits.close_loop(canvas)
    for image, second in ((args.first, 0.0), (args.last, canvas.last)):
        if image is not None:
            canvas = edits.key_frames(canvas, [(second, read_still(image))])
    if args.storyboard:
        shots = read_storyboard(args.storyboard, canvas.seconds)
        canvas = edits.place_storyboard(canvas, [(shot.start, shot.text) for shot in shots])
    return canvas
