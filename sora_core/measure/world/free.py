"""Free prompts: the share of hand-written prompts all of whose facts the clip shows."""

import json
from pathlib import Path

import torch

from ...checkpoints.safetensors_io import load_into, read_header
from ...errors import WeightsError
from ...models.scene_reader import READER_FORMAT, SceneReader, SceneReaderConfig
from ...pipeline.generate import MODELS, SHIPPED
from ...prompts.expansion import expand, read_language
from ...prompts.unknown import unknown_words
from ...prompts.vocabulary import World, read_world
from .clips import FPS, SIZE, Clips, exact_canvas
from .free_prompts import GROUPS, FreePrompt, free_prompts
from .holds import holds
from .observe import observe
from .row import NONE, Row, share_row

SCENE_READER = MODELS / "scene-reader.safetensors"
FREE_SEED = 7_000
OWN_KINDS = ("still", "bounce", "fall", "roll", "pair", "pan", "zoom", "rise", "orbit")


def load_scene_reader(path: Path = SCENE_READER) -> SceneReader:
    """The scene reader in the file at `path`; WeightsError if the file is not one."""
    if not path.is_file():
        raise WeightsError(
            f"{path.name[:60]!a:.62} is not there: train it with python -m tools.train_scene_reader"
        )
    metadata = read_header(path).metadata
    if metadata.get("format") != READER_FORMAT:
        raise WeightsError(
            f"{path.name[:60]!a:.62} is no scene reader: choose one of format {READER_FORMAT}"
        )
    with torch.device("meta"):
        reader = SceneReader(SceneReaderConfig(), json.loads(metadata["words"]))
    load_into(reader, path)
    return reader.eval().requires_grad_(False)


def first_of_groups(per_group: int) -> list[FreePrompt]:
    """The first `per_group` prompts of each group that the world can show."""
    displayed = [prompt for prompt in free_prompts() if prompt.shows]
    return [p for g in GROUPS for p in [q for q in displayed if q.group == g][:per_group]]


def rows(clips: Clips, per_group: int, own: int, reader: SceneReader | None = None) -> list[Row]:
    """`free/raw`, `free/expanded`, `free/GROUP` (of raw prompts), `free/said` and `free/reader`.

    `free/said` is the share of the prompts beyond the world whose strange words are all reported to
    the user, which the pack does for the shipped model alone. `free/reader` is the reader's own
    accuracy: the share of true clips, as rendered and through the autoencoder, all of whose facts
    it finds."""
    reader = reader or load_scene_reader()
    prompts, language = first_of_groups(per_group), read_language()

    def displayed(prompt: FreePrompt, number: int, text: str) -> bool:
        frames = clips.generate(text, exact_canvas(SIZE, FPS), FREE_SEED + number)
        clips.progress(f"free prompts: {number + 1} of {len(prompts)}")
        return holds(prompt.facts, observe(reader, frames))

    raw = [displayed(prompt, i, prompt.prompt) for i, prompt in enumerate(prompts)]
    expanded = [
        displayed(prompt, i, expand(prompt.prompt, language, style="sora-mini", seed=i).text)
        for i, prompt in enumerate(prompts)
    ]
    found = [_own_accuracy(clips, own, reader)]
    found += [share_row("free/raw", [], [], raw), share_row("free/expanded", [], [], expanded)]
    for group in GROUPS:
        right = [r for r, prompt in zip(raw, prompts, strict=True) if prompt.group == group]
        found.append(share_row(f"free/{group}", [], [], right))
    if clips.pipeline.config.name == Path(SHIPPED).stem:
        world = read_world()
        beyond = [prompt for prompt in free_prompts() if not prompt.shows]
        found.append(share_row("free/said", [], [], [reported(p, world) for p in beyond]))
    return found


def reported(prompt: FreePrompt, world: World) -> bool:
    """Whether the note on unknown words has one of every phrase that the world cannot show."""
    named = {word.lower() for word in unknown_words(prompt.prompt, world)}
    return all(any(part in phrase.lower() for part in _stems(named)) for phrase in prompt.cannot)


def _stems(named: set[str]) -> set[str]:
    return {word.removesuffix("'s") for word in named}


def _own_accuracy(clips: Clips, count: int, reader: SceneReader) -> Row:
    """The share of true clips all of whose facts the reader finds."""
    sides: tuple[list[bool], list[bool]] = ([], [])
    kinds = [kind for kind in OWN_KINDS if kind in clips.world.kinds]
    for kind in kinds:
        for sample in clips.samples(kind, max(1, count // len(kinds))):
            facts = clips.world.facts(sample.scene)
            if facts is None:
                continue
            for side, frames in zip(sides, (sample.clip.frames, clips.limit(sample)), strict=True):
                side.append(holds(facts, observe(reader, frames)))
    row = share_row("free/reader", sides[0], sides[1], sides[1])
    return Row(row.name, row.true, row.limit, NONE, row.n, row.low, row.high)
