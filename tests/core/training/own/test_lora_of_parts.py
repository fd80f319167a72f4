"""A LoRA of every part: it trains, alone, and its result is what the trained model gives."""

import pytest
import torch
from safetensors import safe_open
from torch import nn

from sora_core.checkpoints.captioner_file import load_captioner
from sora_core.checkpoints.checkpoint import load_autoencoder, read_config
from sora_core.checkpoints.lora_file import HOST_TEXT_PREFIX
from sora_core.checkpoints.safetensors_io import read_tensors
from sora_core.checkpoints.text_file import load_text
from sora_core.errors import ConfigError
from sora_core.models.text_encoder import TextConfig, TextEncoder
from sora_core.training.distributed import Ranks
from sora_core.training.lora import LoraConv, LoraLinear, add_lora_to, merged_state
from tests.support.own_runs import GroupRuns, losses, small_plan, small_settings

RANK = 2


class Layers(nn.Module):
    """A convolution before a linear layer that is no wider than 4."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 5, 3, padding=1)
        self.out = nn.Linear(5, 4)

    def forward(self, x):
        return self.out(self.conv(x).mean((2, 3)))


def stirred(model):
    """`model` with a LoRA as after a training."""
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if ".lora_B" in name:
            nn.init.normal_(weight)
    return model


def test_a_lora_starts_as_nothing_and_is_all_that_is_trained():
    torch.manual_seed(0)
    model, x = Layers(), torch.randn(2, 6, 4, 4)
    before = model(x)
    add_lora_to(model, RANK, 4.0)
    assert torch.equal(model(x), before)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained == {f"{n}.lora_{k}.weight" for n in ("conv", "out") for k in "AB"}


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_merged_lora_gives_what_the_layers_give(rank):
    torch.manual_seed(0)
    model, x = Layers(), torch.randn(2, 6, 4, 4)
    names = model.state_dict().keys()
    add_lora_to(model, rank, 4.0)
    plain = Layers()
    state = merged_state(stirred(model))
    assert state.keys() == names
    plain.load_state_dict(state)
    assert torch.allclose(plain(x), model(x), atol=1e-5)


def test_narrow_layers_stay_as_they_are_and_no_wide_one_is_refused_with_the_limit():
    model = Layers()
    add_lora_to(model, 4, 4.0)
    assert isinstance(model.conv, LoraConv) and isinstance(model.out, nn.Linear)
    with pytest.raises(ConfigError, match="lora_rank 5: choose at most 4"):
        add_lora_to(Layers(), 5, 4.0)


def test_only_chosen_layers_have_a_lora():
    model = Layers()
    add_lora_to(model, RANK, 4.0, chosen=lambda name: name == "out")
    assert isinstance(model.conv, nn.Conv2d) and isinstance(model.out, LoraLinear)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of 6 steps of a LoRA of each part, by name, and the folder."""
    folder = tmp_path_factory.mktemp("parts")
    group = GroupRuns(small_plan(folder), folder / "cache", {})
    for what in ("autoencoder", "decoder", "captioner", "text"):
        one = small_settings(folder, what=what, lora_rank=RANK, rate=0.01, sheet_clips=0)
        group.one(folder / what, one, Ranks())
    return folder, group


@pytest.mark.parametrize("what", ["autoencoder", "decoder", "captioner", "text"])
def test_every_part_has_a_lora_that_continues_to_the_same_losses(runs, what):
    folder, group = runs
    settings = {"what": what, "lora_rank": RANK, "rate": 0.01, "sheet_clips": 0}
    out = folder / f"{what}-parts"
    group.one(out, small_settings(folder, **settings, until=3), Ranks())
    group.one(out, small_settings(folder, **settings), Ranks())
    assert losses(out) == pytest.approx(losses(folder / what), rel=1e-6)
    (saved,) = next((folder / what).glob("checkpoint-*")).glob("*.safetensors")
    with safe_open(saved, "pt") as file:
        own = {name for name in file.keys() if name.startswith("model.")}  # noqa: SIM118
    assert own and all(".lora_" in name for name in own - {"model.captioner.words.weight"})


def moved(tensors, start):
    return {name for name, one in tensors.items() if not torch.equal(one.float(), start[name])}


def test_a_lora_of_the_decoder_is_in_the_model_file_and_changes_no_latent(runs):
    folder, _ = runs
    start = folder / "tiny.safetensors"
    changed = {}
    for what in ("autoencoder", "decoder"):
        path = folder / what / "last.safetensors"
        before = load_autoencoder(start, read_config(start)).state_dict()
        after = load_autoencoder(path, read_config(path)).state_dict()
        changed[what] = moved(after, before)
    assert changed["decoder"] and all("decoder." in name for name in changed["decoder"])
    assert any(name.startswith("encoder.") for name in changed["autoencoder"])


def test_a_lora_of_the_captioner_is_merged_into_a_file_that_loads(runs):
    tuned, shipped = load_captioner(runs[0] / "captioner" / "last.safetensors"), load_captioner()
    known = shipped.state_dict()
    changed = moved(
        {name: one for name, one in tuned.state_dict().items() if name != "words.weight"}, known
    )
    assert changed and all(".lora_" not in name for name in tuned.state_dict())


def test_every_key_of_a_lora_of_the_text_encoder_names_one_of_its_layers(runs):
    folder, _ = runs
    path = folder / "text" / "last.safetensors"
    tensors = read_tensors(path)
    assert all(name.startswith(HOST_TEXT_PREFIX) for name in tensors)
    encoder = load_text(folder / "tiny.safetensors")[0]
    names = {name.removesuffix(".weight") for name in encoder.state_dict()}
    keys = [name.removeprefix(HOST_TEXT_PREFIX) for name in tensors]
    layers = {name.split(".lora_")[0].removesuffix(".alpha") for name in keys}
    assert layers and layers <= names and len(tensors) == 3 * len(layers)


def test_a_text_encoder_of_any_sizes_takes_a_lora():
    config = TextConfig(
        words=((50, 8),), positions=16, width=16, hidden=32, depth=1, heads=2,
        qkv_rank=16, out_rank=16, up_rank=4, down_rank=4,
    )  # fmt: skip
    encoder, ids = TextEncoder(config), torch.randint(50, (1, 6))
    names = encoder.state_dict().keys()
    add_lora_to(encoder, RANK, 2.0)
    plain = TextEncoder(config)
    state = merged_state(stirred(encoder))
    assert state.keys() == names
    plain.load_state_dict(state)
    assert torch.allclose(plain(ids), encoder(ids), atol=1e-4)
