"""A complete tiny model for tests, with random weights by a fixed seed."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from sora_core.checkpoints.checkpoint import write_checkpoint
from sora_core.models.autoencoder import Autoencoder, AutoencoderConfig
from sora_core.models.dit import DiT, DiTConfig

NAME = "tiny.safetensors"
AUTOENCODER = AutoencoderConfig(
    fine_width=8, fine_depth=1, coarse_width=16, coarse_depth=1, decoders=2
)


def tiny_transformer(patch: int = 2, positions: str = "grid") -> DiT:
    torch.manual_seed(0)
    dit = DiT(DiTConfig(width=64, depth=2, patch=patch, positions=positions))
    for linear in (module for module in dit.modules() if isinstance(module, nn.Linear)):
        nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
    for linear in (dit.cond_proj, dit.copy_gate):
        linear.weight.data.mul_(0.1)  # what is known is heard softly, else links run away
    return dit.eval()


def tiny_autoencoder() -> Autoencoder:
    torch.manual_seed(1)
    autoencoder = Autoencoder(AUTOENCODER)
    autoencoder.decoder.proj_out.weight.data.mul_(8)  # else all is grey
    autoencoder.generated_decoder.load_state_dict(autoencoder.decoder.state_dict())
    autoencoder.decoder.proj_out.weight.data.mul_(0.8)  # what was encoded looks a little different
    return autoencoder.eval()


def write_tiny(folder: Path) -> Path:
    """The model file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(folder / NAME, tiny_transformer(), tiny_autoencoder(), name="tiny")
    return folder / NAME


def unmoved_weights(model: nn.Module, loss: Callable[[], Tensor], steps: int = 4) -> list[str]:
    """The parameters of `model` that `steps` of AdamW on `loss` leave unchanged."""
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0)
    for _ in range(steps):
        loss().backward()
        optimizer.step()
        optimizer.zero_grad()
    return [name for name, weight in model.named_parameters() if torch.equal(weight, before[name])]
