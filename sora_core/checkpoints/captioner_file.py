"""The captioner in a safetensors file, with its settings and vocabulary in the metadata."""

import json
from functools import partial
from pathlib import Path

from ..errors import ConfigError, WeightsError
from ..models.captioner import CAPTIONER_FORMAT, Captioner, CaptionerConfig
from ..models.vocabulary import Vocabulary
from ..paths import released_folder
from .checkpoint import MAX_MODEL_DEPTH, checked_settings
from .safetensors_io import load_module, read_format

CAPTIONER_PATH = released_folder() / "captioner.safetensors"


def load_captioner(path: Path = CAPTIONER_PATH) -> Captioner:
    """The captioner in the file at `path`; WeightsError where it is none."""
    metadata = read_format(path, CAPTIONER_FORMAT, "captioner")
    try:
        config = checked_settings(CaptionerConfig, metadata.get("config", ""))
        if max(config.seeing, config.saying) > MAX_MODEL_DEPTH:
            raise ConfigError(f"captioner of {config.seeing} + {config.saying} blocks: too deep")
        vocabulary = Vocabulary(_vocabulary_words(metadata.get("words", "")))
    except ConfigError as problem:
        raise WeightsError(f"{path.name[:60]!a:.62} is no captioner ({problem!s:.90})") from problem
    return load_module(partial(Captioner, config, vocabulary), path)


def _vocabulary_words(text: str) -> tuple[str, ...]:
    try:
        words = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ConfigError(f"words are no JSON ({problem!s:.60})") from problem
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ConfigError("words are no list of texts")
    return tuple(words)
