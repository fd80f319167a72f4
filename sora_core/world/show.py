"""The command that shows what the world looks like: captioned clips on one sheet."""

from argparse import ArgumentParser, Namespace

from ..shapes import Size
from .captions import describe
from .render import render
from .scene import sample_scene
from .sheet import contact_sheet


def add_arguments(parser: ArgumentParser) -> None:
    """Adds what `run` reads."""
    parser.add_argument("--show", metavar="OUT.png", required=True, help="the picture to write")
    parser.add_argument("--count", type=int, default=12, help="how many clips")
    parser.add_argument("--seed", type=int, default=0, help="the first clip's seed")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--fps", type=float, default=8.0)
    parser.add_argument("--scale", type=int, default=3, help="how much to enlarge the frames")
    parser.add_argument("--across", type=int, default=1, help="clips side by side")
    parser.add_argument("--long", action="store_true", help="print the long captions")
    parser.add_argument("--held-out", action="store_true", help="only what training never shows")


def run(args: Namespace) -> None:
    """Renders the scenes of `count` seeds from `seed` on, and writes them as one picture."""
    size = Size(args.width, args.height, args.frames)
    clips, texts = [], []
    for seed in range(args.seed, args.seed + args.count):
        scene = sample_scene(seed, held_out=args.held_out)
        captions = describe(scene, seed, still=args.frames == 1)
        clips.append(render(scene, size, args.fps).frames)
        texts.append(captions.long if args.long else captions.short)
    contact_sheet(clips, texts, args.show, scale=args.scale, across=args.across)
