"""A tiny model with random weights for all tests of the pipeline."""

import pytest

from sora_core.pipeline.generate import Pipeline, load
from tests.support.tiny import write_tiny


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return load(write_tiny(tmp_path_factory.mktemp("models")))
