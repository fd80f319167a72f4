"""Free prompts: the share of hand-written prompts all of whose facts the clip shows."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ...checkpoints.safetensors_io import load_module, read_format
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
OWN_KINDS: Mapping[str, tuple[str, ...]] = {
    "order": ("still", "bounce", "fall", "roll"),
    "two": ("pair",),
    "camera": ("pan", "zoom", "rise", "orbit"),
}
"""Kinds of true scenes on which the reader is tested, by the group whose facts they have."""


def load_scene_reader(path: Path = SCENE_READER) -> SceneReader:
    """The scene reader in the file at `path`; WeightsError if the file is not one."""
    if not path.is_file():
        raise WeightsError(
            f"{path.name[:60]!a:.62} is not there: train it with python -m tools.train_scene_reader"
        )
    words = json.loads(read_format(path, READER_FORMAT, "scene reader")["words"])
    return load_module(partial(SceneReader, SceneReaderConfig(), words), path)


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
    found = own_accuracy(clips, own, reader)
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
    named = {word.lower().removesuffix("'s") for word in unknown_words(prompt.prompt, world)}
    return all(any(word in phrase.lower() for word in named) for phrase in prompt.cannot)


def own_accuracy(clips: Clips, count: int, reader: SceneReader) -> list[Row]:
    """`free/reader` and `free/reader_GROUP`: the share of `count` true clips all of whose facts
    `reader` finds, as rendered and through the autoencoder."""
    every = max(1, count // sum(map(len, OWN_KINDS.values())))
    results: dict[str, list[tuple[bool, bool]]] = {}
    for group, kinds in OWN_KINDS.items():
        for kind in (kind for kind in kinds if kind in clips.world.kinds):
            for sample in clips.samples(kind, every):
                if (facts := clips.world.facts(sample.scene)) is not None:
                    sides = (sample.clip.frames, clips.limit(sample))
                    right, limit = (holds(facts, observe(reader, side)) for side in sides)
                    results.setdefault(group, []).append((right, limit))
    rows = [_own_row("free/reader", [pair for group in results.values() for pair in group])]
    return rows + [_own_row(f"free/reader_{group}", pairs) for group, pairs in results.items()]


def _own_row(name: str, pairs: list[tuple[bool, bool]]) -> Row:
    """The interval is that of the limit, for nothing is generated."""
    true, limit = ([pair[i] for pair in pairs] for i in (0, 1))
    row = share_row(name, true, limit, limit)
    return Row(name, row.true, row.limit, NONE, row.n, row.low, row.high)
