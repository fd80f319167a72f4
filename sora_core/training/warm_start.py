"""Warm starts: a transformer of a new configuration with the weights of a trained one.

Axes: b batch, n tokens, d width, c channels.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from ..errors import ConfigError
from ..models.dit import DiT, DiTConfig


@torch.no_grad()
def warm_started(trained: DiT, config: DiTConfig) -> DiT:
    """A new transformer of `config` with the weights of `trained`.

    Additional blocks are spread evenly between those of `trained` and start as the identity. For
    smaller patches, each new token enters like an old patch filled with copies of it, and the
    output is the mean of the old patch's outputs. ConfigError where widths, channels or the text
    differ, and for fewer blocks or larger patches.
    """
    old = trained.config
    for name in ("width", "latent_channels", "text_width", "mlp_ratio"):
        if getattr(old, name) != getattr(config, name):
            raise ConfigError(
                f"{name} {getattr(config, name)}: a model to start from has {getattr(old, name)}; "
                "choose the same, or start from none"
            )
    if config.depth < old.depth or config.patch > old.patch:
        raise ConfigError(
            f"depth {config.depth}, patch {config.patch}: a model to start from has depth "
            f"{old.depth} and patch {old.patch}; choose no fewer blocks and no larger patch"
        )
    model = DiT(config)
    model.init_weights()
    weights = {k: v for k, v in trained.state_dict().items() if not k.startswith("blocks.")}
    if config.patch < old.patch:
        weights |= _finer(weights, old.patch // config.patch, config.latent_channels)
    places = [round((i + 1) * config.depth / old.depth) - 1 for i in range(old.depth)]
    for i, block in enumerate(model.blocks):
        if i in places:
            block.load_state_dict(trained.blocks[places.index(i)].state_dict())
        else:
            _as_identity(block)
    missing, unknown = model.load_state_dict(weights, strict=False)
    lacking = [name for name in missing if not name.startswith(("blocks.", "format."))]
    if lacking or unknown:
        raise ConfigError(
            f"weights {[*lacking, *unknown][:3]} of the model to start from do not fit"
        )
    return model


def _finer(weights: dict[str, Tensor], times: int, channels: int) -> dict[str, Tensor]:
    """The input and output layers for tokens of smaller patches, as `warm_started` describes."""

    def entering(weight: Tensor) -> Tensor:
        return rearrange(weight, "d (s c) -> d s c", s=times**2, c=channels).sum(1)

    def going(weight: Tensor) -> Tensor:
        return rearrange(weight, "(s c) ... -> s c ...", s=times**2, c=channels).mean(0)

    known = weights["cond_proj.weight"]
    near = known[:, -1:]
    return {
        "proj_in.weight": entering(weights["proj_in.weight"]),
        "cond_proj.weight": torch.cat([entering(known[:, :-1]), near], dim=1),
        **{
            f"{name}.{kind}": going(weights[f"{name}.{kind}"])
            for name in ("proj_out", "copy_gate")
            for kind in ("weight", "bias")
        },
    }


def _as_identity(block: nn.Module) -> None:
    """Closes the gates of `block` and zeroes the output of its cross-attention."""
    for layer in ("modulation", "cross_attn.out"):
        nn.init.zeros_(block.get_parameter(f"{layer}.weight"))
        nn.init.zeros_(block.get_parameter(f"{layer}.bias"))
