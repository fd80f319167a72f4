"""The results of a run on a user's clips: a LoRA, or a model file with the trained part in it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor

from ...checkpoints.checkpoint import (
    AUTOENCODER_PREFIX,
    CHECKPOINT_FORMAT,
    TRANSFORMER_PREFIX,
    load_autoencoder,
    load_transformer,
    read_config,
)
from ...checkpoints.lora_file import HOST_PREFIX, HOST_TEXT_PREFIX, write_lora
from ...checkpoints.safetensors_io import write_tensors
from ...checkpoints.text_file import holds_text, load_text, text_tensors
from ...models.dit import DiTConfig
from .settings import AUTOENCODER_PART, DECODER_PART, TEXT_PART, TRANSFORMER_PART, OwnSettings

OBJECTIVE_PREFIXES = {
    TRANSFORMER_PART: "dit.",
    AUTOENCODER_PART: "autoencoder.",
    DECODER_PART: "autoencoder.",
    TEXT_PART: "encoder.",
}
"""The prefix of the trained model's weights in its objective, for each trained part."""
LORA_PREFIXES = {TRANSFORMER_PART: HOST_PREFIX, TEXT_PART: HOST_TEXT_PREFIX}
"""The prefix of a LoRA's keys for ComfyUI's loader; it has none for an autoencoder."""


def new_transformer(config: DiTConfig, settings: OwnSettings) -> DiTConfig:
    """`config` with the width and the depth of `settings.fresh`, if there are any."""
    width, depth = settings.fresh or (config.width, config.depth)
    return replace(config, width=width, depth=depth)


def write_tuned(
    path: Path, start: Path, settings: OwnSettings, weights: Mapping[str, Tensor]
) -> None:
    """Writes the LoRA, or the model file `start` with `weights` in it, to `path`, atomically.

    `weights` are those of the objective, under the names of `trained_weights`, a LoRA of the
    autoencoder added to its weights; frozen ones come from `start`. A text encoder in `start` stays
    in the file.
    """
    prefix = OBJECTIVE_PREFIXES[settings.what]
    trained = {name.removeprefix(prefix): weight.detach() for name, weight in weights.items()}
    if settings.lora_rank is not None and settings.what in LORA_PREFIXES:
        host = LORA_PREFIXES[settings.what]
        write_lora(path, trained, settings.lora_rank, settings.alpha, host_prefix=host)
        return
    config = read_config(start)
    if settings.fresh is not None:
        config = replace(config, transformer=new_transformer(config.transformer, settings))
        transformer = dict(trained)
    else:
        transformer = load_transformer(start, config).state_dict()
    autoencoder = load_autoencoder(start, config).state_dict()
    encoder, tokenizer = load_text(start)
    if settings.what == TEXT_PART:
        encoder.load_state_dict(trained)
    else:
        (transformer if settings.what == TRANSFORMER_PART else autoencoder).update(trained)
    tensors = {
        section + name: weight.half().cpu().contiguous()
        for section, model in (
            (TRANSFORMER_PREFIX, transformer),
            (AUTOENCODER_PREFIX, autoencoder),
        )
        for name, weight in model.items()
    }
    if settings.what == TEXT_PART or holds_text(start):
        tensors |= text_tensors(encoder, tokenizer)
    named = replace(config, name=path.parent.name[:60] or config.name)
    metadata = {"format": CHECKPOINT_FORMAT, "config": json.dumps(asdict(named))}
    write_tensors(path, tensors, metadata)
