"""The command that renders clips of the toy worlds with their captions on one sheet."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from time import process_time

from ..errors import ConfigError, check_range
from ..shapes import Size
from ..video.container import frame_rate, media_errors
from ..world.captions import describe
from ..world.render import render
from ..world.scene import sample_scene
from ..world.sheet import contact_sheet

BENCH_SIZES = (Size(64, 64, 17), Size(96, 96, 17), Size(96, 96, 33), Size(128, 128, 17))


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `run`."""
    parser.add_argument("--show", metavar="OUT.png", help="picture to write")
    parser.add_argument(
        "--world",
        choices=("first", "town", "recipes", "things"),
        default="first",
        help="first: the world of sora-mini; of the town: random scenes, all recipes, all things",
    )
    parser.add_argument(
        "--bench", action="store_true", help="measure how many town clips render per second"
    )
    parser.add_argument("--count", type=int, default=12, help="number of clips")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first clip")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--fps", type=float, default=8.0)
    parser.add_argument("--scale", type=int, default=3, help="enlargement of the frames")
    parser.add_argument("--across", type=int, default=1, help="clips side by side")
    parser.add_argument("--long", action="store_true", help="use the long captions")
    parser.add_argument("--held-out", action="store_true", help="only held-out combinations")


def run(args: Namespace) -> str | None:
    """The lines of the benchmark, or None once the sheet is written.

    ConfigError where neither is requested or a number is out of range, MediaError for a frame rate
    out of range and where the sheet cannot be written.
    """
    if args.bench:
        return "\n".join(town_speeds())
    if not args.show:
        raise ConfigError("nothing to do: name a picture with --show OUT.png, or use --bench")
    check_range("seed", args.seed, 0)
    for name, value in (("count", args.count), ("scale", args.scale), ("across", args.across)):
        check_range(name, value, 1)
    frame_rate(args.fps)
    size = Size(args.width, args.height, args.frames)
    with media_errors(Path(args.show), "be written"):
        _show_world(args, size)
    return None


def _show_world(args: Namespace, size: Size) -> None:
    """Writes the sheet of the requested world."""
    if args.world == "first":
        _first(args, size)
    elif args.world == "town":
        _town(args, size)
    else:
        from ..world.town.sheets import recipe_sheet, thing_sheet

        if args.world == "recipes":
            recipe_sheet(args.show, args.seed, size, args.fps, args.scale, args.across)
        else:
            thing_sheet(args.show, size, args.scale, args.across)


def _first(args: Namespace, size: Size) -> None:
    """Writes a sheet of the scenes of `count` seeds from `seed` on."""
    clips, texts = [], []
    for seed in range(args.seed, args.seed + args.count):
        scene = sample_scene(seed, held_out=args.held_out)
        captions = describe(scene, seed, still=args.frames == 1)
        clips.append(render(scene, size, args.fps).frames)
        texts.append(captions.long if args.long else captions.short)
    contact_sheet(clips, texts, args.show, scale=args.scale, across=args.across)


def _town(args: Namespace, size: Size) -> None:
    from ..world.town.captions import describe_town
    from ..world.town.render import render_town
    from ..world.town.sample import sample_town

    clips, texts = [], []
    seconds = size.frames / args.fps if size.frames > 1 else 0.0
    for seed in range(args.seed, args.seed + args.count):
        scene = sample_town(seed, max(seconds, 0.25), args.held_out)
        clips.append(render_town(scene, size, args.fps).frames)
        style = "long" if args.long else None
        texts.append(describe_town(scene, seed, seconds, style).text)
    contact_sheet(clips, texts, args.show, scale=args.scale, across=args.across)


def town_speeds(clips: int = 24) -> Iterator[str]:
    """A line for each size: milliseconds of one core a clip of the town, and clips a second."""
    from ..world.town.render import render_town
    from ..world.town.sample import sample_town

    scenes = [sample_town(seed) for seed in range(clips)]
    for scene in scenes:
        render_town(scene, Size(16, 16))  # compiles
    for size in BENCH_SIZES:
        start = process_time()
        for scene in scenes:
            render_town(scene, size)
        each = (process_time() - start) / clips
        name = f"{size.width}x{size.height}x{size.frames}"
        yield f"{name}: {1000 * each:.0f} ms a clip, {1 / each:.1f} clips a second of one core"
