"""Training addresses parameters by name: a name that no model has is found here."""

from dataclasses import replace

import torch

from sora_core.models.captioner import Captioner, CaptionerConfig
from sora_core.models.dit import DiT, DiTConfig
from sora_core.models.vocabulary import Vocabulary
from sora_core.training.autoencoder import AutoencoderTask
from sora_core.training.captioner import CaptionerTask
from sora_core.training.warm_start import warm_started
from tests.support.tiny import tiny_autoencoder

COARSE = DiTConfig(width=64, depth=2, positions="metric")


def test_muon_takes_the_autoencoders_inner_layers_and_not_those_at_its_ends():
    model = tiny_autoencoder()
    names = AutoencoderTask(model, [], None, 1, 0).matrices()
    ends = {name for name, _ in model.named_parameters() if ".proj_" in name}
    inner = {name for name, weight in model.named_parameters() if weight.ndim >= 2} - ends
    assert ends and inner and names == inner


def test_muon_takes_both_stacks_of_the_captioner():
    captioner = Captioner(CaptionerConfig(width=32), Vocabulary.from_captions(["a ball"]))
    names = CaptionerTask(captioner, [], None, torch.zeros(1), 1, 0).matrices()
    assert {name.partition(".")[0] for name in names} == {"captioner", "look"}
    stacks = {name.split(".")[1] for name in names if name.startswith("captioner.")}
    assert stacks == {"video_blocks", "text_blocks"}


def test_added_blocks_begin_as_the_identity_and_finer_tokens_keep_every_layer():
    trained = DiT(COARSE)
    trained.init_weights()
    torch.nn.init.normal_(trained.proj_out.weight)
    finer = warm_started(trained, replace(COARSE, depth=4, patch=1))
    added = [
        block
        for block in finer.blocks
        if not (block.modulation.weight.any() or block.cross_attn.out.weight.any())
    ]
    channels = COARSE.latent_channels
    means = trained.proj_out.weight.view(4, channels, -1).mean(0)
    assert len(added) >= 2
    torch.testing.assert_close(finer.proj_out.weight, means)
