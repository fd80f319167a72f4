"""Sora Guider without a canvas is the host's CFGGuider, on any range of noise.

The interval of guidance is in levels of rectified flow, which a model with unbounded sigma reaches
at sigma / (1 + sigma).
"""

from itertools import pairwise

import comfy.samplers
import pytest
import torch
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule

from tests.nodes.test_host_families import PRESENT
from tests.support.families import FAMILIES, Family, host_model, text

UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [1],
    "channel_mult": [1],
    "transformer_depth": [1],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1],
    "context_dim": 64,
    "num_heads": 2,
    "use_spatial_transformer": True,
    "legacy": False,
}
SDXL = UNET | {"adm_in_channels": 2816, "num_classes": "sequential"}
IMAGES = {
    "sd15": Family("SD15", UNET, (4, 1, 8)),
    "sdxl": Family("SDXL", SDXL, (4, 1, 8), 1280),
}
NAMES = [
    *IMAGES,
    *(
        name
        for name in ("cosmos1_t2v", "cosmos_predict2_v2w", "wan21_t2v", "cogvideox_t2v")
        if name in PRESENT
    ),
]


def model_and_latent(name):
    entry = (IMAGES | FAMILIES)[name]
    channels = entry.grid[0]
    sides = (4, 4) if name in IMAGES else (2, 4, 4)
    words = [text(entry, i) for i in (1, 2)]
    return host_model(entry), words, {"samples": torch.zeros(1, channels, *sides)}


def rows_of(model):
    rows = []
    model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args: rows.append(len(args[0]))
    )
    return rows


@pytest.mark.parametrize("scale", [1.0, 7.0])
@pytest.mark.parametrize("name", NAMES)
def test_guidance_is_that_of_the_hosts_guider(pack, name, scale):
    model, words, latent = model_and_latent(name)
    sigmas = SoraSchedule.execute(latent, 4, 0.0, 1.0, model).args[0]
    noise = SoraNoise.execute(3).args[0]
    theirs = comfy.samplers.CFGGuider(model)
    theirs.set_conds(*words)
    theirs.set_cfg(scale)
    ours = SoraGuider.execute(model, *words, scale, 0.0, 1.0, 0.0).args[0]
    rows = rows_of(model)
    results = []
    for guider in (theirs, ours):
        rows.clear()
        sample = SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]["samples"]
        results.append((sample, sum(rows)))
    (expected, calls), (result, own_calls) = results
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)
    assert calls == own_calls == (4 if scale == 1 else 8)


@pytest.mark.parametrize("name", NAMES)
def test_the_interval_is_in_levels_of_rectified_flow(pack, name):
    model, words, latent = model_and_latent(name)
    sigmas = SoraSchedule.execute(latent, 8, 0.0, 1.0, model).args[0]
    flow = bool(sigmas[0] <= 1)
    levels = [float(sigma if flow else sigma / (1 + sigma)) for sigma in sigmas[:-1]]
    inside = [0.3 <= level <= 0.9 for level in levels]
    guider = SoraGuider.execute(model, *words, 7.0, 0.0, 0.9, 0.3).args[0]
    rows, per_step = rows_of(model), []
    for step in pairwise(sigmas):
        rows.clear()
        noise = SoraNoise.execute(3).args[0]
        SoraSample.execute(noise, guider, torch.stack(step), latent, "euler")
        per_step.append(sum(rows))
    assert per_step == [2 if each else 1 for each in inside]
    assert len(set(per_step)) == 2
