"""Training of the scene reader on true clips of the town, clean and slightly degraded.

Axes: b batch, t frames, y rows, x columns, k things. The targets come from the truth of each clip:
centres and extents from the segments, words from the scene. Degraded clips are blurred and noisy,
like an autoencoder's reconstructions. No generated clip is used.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import (
    avg_pool2d,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    max_pool2d,
)

from ..checkpoints.safetensors_io import write_tensors
from ..models.scene_reader import (
    HEAT_STRIDE,
    PER_THING,
    READER_FORMAT,
    SceneLogits,
    SceneReader,
    SceneReaderConfig,
)
from ..shapes import Frames, Size, Video
from ..video.frames import video_from_frames
from ..world.render import FIRST_THING
from ..world.town.raycast import MARK
from ..world.town.render import Clip, render_town
from ..world.town.sample import sample_clip_spec
from ..world.town.scene import (
    KINDS,
    TOWN_CAMERAS,
    TOWN_COLOURS,
    TOWN_FLOORS,
    TOWN_SIZES,
    TOWN_SKIES,
    TownScene,
)
from .distributed import Ranks
from .trainer import TrainingConfig

READER_WORDS: Mapping[str, tuple[str, ...]] = {
    "kind": KINDS,
    "colour": TOWN_COLOURS,
    "size": tuple(TOWN_SIZES),
    "floor": TOWN_FLOORS,
    "sky": TOWN_SKIES,
    "camera": TOWN_CAMERAS,
}
READER_SIZE = Size(64, 64, 17)
TRAINING_SEED, TEST_SEED = 600_000_000, 890_000_000
RANK_SEEDS = 1_000_000  # seeds of one rank
FRESH = 0.375  # share of a step's clips that are new
RECENT_LESSONS = 256  # clips that are learned from again, with other noise
LEAST_AREA = 0.35  # share of a thing's largest area; below it the thing is no target
SPOILED = 0.5  # share of degraded clips


@dataclass(frozen=True, slots=True)
class Targets:
    """The right outputs of the network for one clip; -1 is ignored."""

    heat: Float[Tensor, "t y x"]
    centre: Bool[Tensor, "t y x"]
    box: Float[Tensor, "t 2 y x"]
    offset: Float[Tensor, "t 2 y x"]
    spins: Float[Tensor, "t y x"]
    fallen: Float[Tensor, "t y x"]
    thing: Mapping[str, Int[Tensor, "t y x"]]
    floor: Int[Tensor, "t"]
    sky: Int[Tensor, "t"]
    camera: Int[Tensor, ""]
    stroke: Int[Tensor, "t y x"]
    cut: Float[Tensor, "t"]


def targets_of(scene: TownScene, clip: Clip, fps: float) -> Targets:
    """The right outputs for a clip that begins with the scene."""
    frames, height, width = clip.segments.shape
    grid = (frames, height // HEAT_STRIDE, width // HEAT_STRIDE)
    heat, centre = torch.zeros(grid), torch.zeros(grid, dtype=torch.bool)
    box, offset = torch.ones(frames, 2, *grid[1:]), torch.zeros(frames, 2, *grid[1:])
    spins, fallen = torch.zeros(grid), torch.zeros(grid)
    words = {name: torch.full(grid, -1) for name in PER_THING}
    shots = clip.truth.shot.tolist()
    for thing in scene.things:
        mask = clip.segments == FIRST_THING + thing.identity
        area = mask.sum((1, 2))
        for t in torch.nonzero(area > LEAST_AREA * area.max()).flatten().tolist():
            rows, columns = torch.nonzero(mask[t], as_tuple=True)
            x, wide = _extent(columns)
            y, tall = _extent(rows)
            column, row = int(x // HEAT_STRIDE), int(y // HEAT_STRIDE)
            heat[t] = torch.maximum(heat[t], bump((column, row), (wide, tall), grid[1], grid[2]))
            centre[t, row, column] = True
            box[t, :, row, column] = torch.tensor([wide, tall])
            offset[t, :, row, column] = torch.tensor(
                [x / HEAT_STRIDE - column - 0.5, y / HEAT_STRIDE - row - 0.5]
            )
            now = _on_stage(scene, shots[t], thing.identity)
            clock = scene.shots[shots[t]].offset + t / fps - scene.shots[shots[t]].start
            acts = {m.verb for m in now.moves if m.start <= clock <= m.stop}
            done = {m.verb for m in now.moves if m.start + 0.4 <= clock}
            spins[t, row, column] = float("spin" in acts)
            fallen[t, row, column] = float(bool(done & {"topple", "scatter"}))
            colour = now.repaint if now.repaint and clock > now.repaint_at else now.colour
            for name, word in (("kind", now.kind), ("colour", colour), ("size", now.size)):
                words[name][t, row, column] = READER_WORDS[name].index(word)
    stages = [scene.shots[i].stage for i in shots]
    skies = []
    for t, stage in enumerate(stages):
        change = stage.light
        clock = t / fps
        halfway = change is not None and clock > (change.start + change.stop) / 2
        skies.append(READER_WORDS["sky"].index(change.sky if change and halfway else stage.sky))
    cuts = [0.0] + [float(a != b) for a, b in pairwise(shots)]
    return Targets(
        heat,
        centre,
        box,
        offset,
        spins,
        fallen,
        words,
        torch.tensor([TOWN_FLOORS.index(stage.floor) for stage in stages]),
        torch.tensor(skies),
        torch.tensor(TOWN_CAMERAS.index(scene.shots[0].view.camera)),
        _strokes(scene, clip, grid),
        torch.tensor(cuts),
    )


def bump(
    cell: tuple[int, int], extent: tuple[float, float], rows: int, columns: int
) -> Float[Tensor, "y x"]:
    """A peak of 1 at a cell (column, row) that falls off over a third of the thing's extent."""
    spread = max(0.6, sum(extent) / 2 / HEAT_STRIDE / 3)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    off = (x - cell[0]) ** 2 + (y - cell[1]) ** 2
    return torch.exp(-off / (2 * spread**2))


def loss_of(observed: SceneLogits, wanted: list[Targets]) -> dict[str, Tensor]:
    """The parts of the loss over a batch; heat by the focal loss of CornerNet (Law and Deng)."""

    def stacked(name: str) -> Tensor:
        return torch.stack([getattr(one, name) for one in wanted])

    heat, true, centre = observed.heat.float(), stacked("heat"), stacked("centre")
    sure = heat.sigmoid().clamp(1e-4, 1 - 1e-4)
    hits = ((1 - sure) ** 2 * sure.log())[centre].sum()
    misses = ((1 - true) ** 4 * sure**2 * (1 - sure).log())[~centre].sum()
    count = centre.sum().clamp(min=1)
    at = centre[:, :, None].expand(-1, -1, 2, -1, -1)
    losses = {
        "heat": -(hits + misses) / count,
        "box": l1_loss(observed.box.float()[at].log(), stacked("box")[at].clamp(min=0.5).log()),
        "offset": l1_loss(observed.offset.float()[at], stacked("offset")[at]),
        "spins": _binary(observed.spins[centre], stacked("spins")[centre]),
        "fallen": _binary(observed.fallen[centre], stacked("fallen")[centre]),
        "cut": _binary(observed.cut, stacked("cut")),
        "stroke": cross_entropy(
            observed.stroke.float().flatten(0, 1), stacked("stroke").flatten(0, 1)
        ),
        "camera": cross_entropy(observed.clip["camera"].float(), stacked("camera")),
    }
    for name, logits in observed.thing.items():
        answers = torch.stack([one.thing[name] for one in wanted])
        picked = logits.float().movedim(2, -1)[centre]
        losses[name] = cross_entropy(picked, answers[centre])
    for name, logits in observed.frame.items():
        losses[name] = cross_entropy(logits.float().flatten(0, 1), stacked(name).flatten())
    return losses


class SceneReaderTask:
    """Task: recognise the content of true clips of the town; each is drawn two or three times."""

    def __init__(self, model: SceneReader, batch: int, seed: int = 0, tests: int = 24) -> None:
        self.model, self.batch, self.seed, self.tests = model, batch, seed, tests
        self._recent: dict[int, tuple[Frames, Targets]] = {}

    def matrices(self) -> set[str]:
        return {
            name
            for name, parameter in self.model.named_parameters()
            if parameter.ndim >= 2 and name.endswith(("proj_in.weight", "proj_out.weight"))
        }

    def draw(self, step: int, ranks: Ranks) -> tuple[Video, list[Targets]]:
        """The degraded clips of `step` for this rank, and the truth about them."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + ranks.rank)
        first = TRAINING_SEED + ranks.rank * RANK_SEEDS
        videos, wanted = [], []
        for number in drawn_numbers(step, self.batch, generator):
            frames, targets = self._lesson(first + number)
            videos.append(spoiled(video_from_frames(frames).float(), generator))
            wanted.append(targets)
        return torch.stack(videos), wanted

    def _lesson(self, seed: int) -> tuple[Frames, Targets]:
        """The clip of `seed` and its targets, rendered unless it is one of the last ones."""
        if seed not in self._recent:
            self._recent[seed] = scene_lesson(seed)
            while len(self._recent) > RECENT_LESSONS:
                del self._recent[min(self._recent)]
        return self._recent[seed]

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        video, wanted = self.draw(step, ranks)
        parts = loss_of(self.model(video), wanted)
        return torch.stack(list(parts.values())).sum(), parts

    def show(self, average: SceneReader, step: int, folder: Path) -> Mapping[str, float]:
        """The shares of right answers at the true positions of things, on held-out clips."""
        right: dict[str, list[float]] = {}
        for video, targets in lessons(TEST_SEED, self.tests):
            with torch.inference_mode():
                observed = average(video[None])
            for name, share in shares_of(observed, targets).items():
                right.setdefault(name, []).append(share)
        return {name: sum(values) / len(values) for name, values in right.items()}


def shares_of(observed: SceneLogits, wanted: Targets) -> dict[str, float]:
    """The shares of right answers about one clip: things found, words, floors, skies."""
    heat, centre = observed.heat[0], wanted.centre
    near = max_pool2d(heat.sigmoid()[:, None], 3, 1, 1)[:, 0]
    shares = {}
    if centre.any():
        shares["found"] = (near[centre] > 0.35).float().mean().item()
        for name, logits in observed.thing.items():
            best = logits[0].argmax(1)[centre]
            shares[name] = (best == wanted.thing[name][centre]).float().mean().item()
    shares["floor"] = (observed.frame["floor"][0].argmax(-1) == wanted.floor).float().mean().item()
    shares["sky"] = (observed.frame["sky"][0].argmax(-1) == wanted.sky).float().mean().item()
    shares["camera"] = float(observed.clip["camera"][0].argmax() == wanted.camera)
    return shares


def lessons(first: int, count: int) -> Iterator[tuple[Float[Tensor, "3 t y x"], Targets]]:
    """Clips of seeds from `first` on, with the right answers."""
    for seed in range(first, first + count):
        frames, targets = scene_lesson(seed)
        yield video_from_frames(frames).float(), targets


def scene_lesson(seed: int) -> tuple[Frames, Targets]:
    """The clip of `seed`, with the right answers."""
    spec = sample_clip_spec(seed, sizes=(READER_SIZE,))
    clip = render_town(spec.scene, READER_SIZE, spec.fps)
    return clip.frames, targets_of(spec.scene, clip, spec.fps)


def drawn_numbers(step: int, batch: int, generator: torch.Generator) -> list[int]:
    """The numbers of a step's clips: some new ones, and some of the last `RECENT_LESSONS` for a
    second or third time, since rendering a clip takes as long as learning from it."""
    fresh = max(1, round(FRESH * batch))
    first = step * fresh
    new = list(range(first, first + fresh))
    known = min(first, RECENT_LESSONS - batch)
    if not known:
        return [first + i % fresh for i in range(batch)]
    again = torch.randint(first - known, first, (batch - fresh,), generator=generator)
    return new + again.tolist()


def spoiled(
    video: Float[Tensor, "3 t y x"], generator: torch.Generator
) -> Float[Tensor, "3 t y x"]:
    """`video`, in one of two cases slightly blurred and noisy, as generated clips are."""
    if torch.rand((), generator=generator) > SPOILED:
        return video
    share = float(torch.rand((), generator=generator))
    soft = avg_pool2d(video, 3, 1, 1, count_include_pad=False)
    noise = torch.randn(video.shape, generator=generator)
    return ((1 - share) * video + share * soft + 0.06 * share * noise).clamp(-1, 1)


def scene_reader_training() -> TrainingConfig:
    """Settings for about half an hour on one core."""
    return TrainingConfig(
        steps=1500, batch=8, decay=0.5, average=0.99, save_every=50, show_every=250
    )


def save_scene_reader(reader: SceneReader, path: Path) -> None:
    """Writes the weights in half precision to the file at `path`, with the words."""
    tensors = {name: tensor.half() for name, tensor in reader.state_dict().items()}
    words = {name: list(found) for name, found in reader.words.items()}
    write_tensors(path, tensors, {"format": READER_FORMAT, "words": json.dumps(words)})


def new_scene_reader() -> SceneReader:
    """An untrained scene reader for the town's words."""
    return SceneReader(SceneReaderConfig(), READER_WORDS)


def _binary(logits: Tensor, wanted: Tensor) -> Tensor:
    if not logits.numel():
        return logits.sum() * 0
    return binary_cross_entropy_with_logits(logits.float(), wanted)


def _extent(places: Tensor) -> tuple[float, float]:
    """The centre of a range of pixels, and half its length."""
    low, high = places.min().item(), places.max().item() + 1
    return (low + high) / 2, (high - low) / 2


def _on_stage(scene: TownScene, shot: int, identity: int):  # noqa: ANN202
    return next(t for t in scene.shots[shot].stage.things if t.identity == identity)


def _strokes(scene: TownScene, clip: Clip, grid: tuple[int, int, int]) -> Int[Tensor, "t y x"]:
    """1 + the colour of the mark that covers most of a cell; 0 without a mark."""
    marks = avg_pool2d((clip.segments == MARK).float()[:, None], HEAT_STRIDE)[:, 0] > 0.5
    strokes = [stroke for shot in scene.shots for stroke in shot.stage.strokes]
    colour = 1 + TOWN_COLOURS.index(strokes[0].colour) if strokes else 0
    return torch.where(marks, colour, torch.zeros(grid, dtype=torch.long))
