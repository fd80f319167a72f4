"""The command that paints a prompt into a video file."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .canvas import Canvas
from .errors import MediaError
from .pipeline import MODELS, SAMPLERS, SHIPPED, decode_frames, generate, load
from .shapes import sides
from .video.frames import resize
from .video.writer import write_video


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `run` reads."""
    parser.add_argument("prompt", help='such as "a red ball rolls to the left on grass"')
    parser.add_argument("--out", type=Path, default=Path("sora.mp4"), help="the video to write")
    parser.add_argument("--size", type=sides, default=(64, 64), metavar="WIDTHxHEIGHT")
    parser.add_argument("--seconds", type=float, default=2.0, help="0 is a single frame")
    parser.add_argument("--fps", type=float, help="frames per second; as trained by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="more is slower and cleaner")
    parser.add_argument("--guidance", type=float, help="how strictly to follow the prompt")
    parser.add_argument("--negative", default="", help="what to steer away from")
    parser.add_argument("--sampler", choices=SAMPLERS, default="euler")
    parser.add_argument("--scale", type=int, default=1, help="how much to enlarge the frames")
    parser.add_argument("--model", type=Path, default=MODELS / SHIPPED)


def run(args: Namespace) -> str:
    """The path of the video, once it is written."""
    if not 1 <= args.scale <= 8:
        raise MediaError(f"scale {args.scale}: choose from 1 to 8")
    pipeline = load(args.model)
    width, height = args.size
    fps = pipeline.config.fps if args.fps is None else args.fps
    canvas = Canvas(width=width, height=height, seconds=args.seconds, fps=fps)
    latent = generate(
        pipeline,
        args.prompt,
        canvas,
        args.seed,
        steps=args.steps,
        guidance=args.guidance,
        negative=args.negative,
        sampler=args.sampler,
    )
    frames = decode_frames(pipeline, latent, canvas)
    larger = (resize(chunk, width * args.scale, height * args.scale) for chunk in frames)
    return str(write_video(args.out, larger, fps))
