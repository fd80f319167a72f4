"""Named configurations: the shipped model, and larger sizes to train on a cluster."""

from ..models.autoencoder import AutoencoderConfig
from ..models.dit import DiTConfig


def mini_autoencoder() -> AutoencoderConfig:
    """The autoencoder of every preset."""
    return AutoencoderConfig()


def mini() -> DiTConfig:
    """12 M parameters, trained on two CPU cores: the shipped model."""
    return DiTConfig(width=256, depth=8)


def small() -> DiTConfig:
    """128 M parameters."""
    return DiTConfig(width=640, depth=14)


def base() -> DiTConfig:
    """0.66 B parameters."""
    return DiTConfig(width=1280, depth=18, text_width=2048)


def large() -> DiTConfig:
    """2.2 B parameters."""
    return DiTConfig(width=2048, depth=24, text_width=4096)


def huge() -> DiTConfig:
    """7.5 B parameters."""
    return DiTConfig(width=3072, depth=36, text_width=4096)
