"""Later parts of a long video get open space as the model was trained with it, placed or not."""

import pytest
import torch
from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample, SoraSchedule

from tests.nodes.test_host_families import FAMILIES, FPS, PRESENT, family, latent_of
from tests.nodes.test_host_node_inputs import inputs_of

COLOURS = {"wan21_i2v": 0.5, "wan22_i2v_a14b": 0.5, "wan22_wandancer": 0.0}  # of pixels in [0, 1]


@pytest.mark.parametrize("operation", ["text", "forward"])
@pytest.mark.parametrize("name", [name for name in COLOURS if name in PRESENT])
def test_open_frames_of_later_parts_have_the_colour_of_the_hosts_node(pack, name, operation):
    model, words, vae = family(name, pack)
    latent = latent_of(name, operation, pack)
    _, time, cell = FAMILIES[name].grid
    window = (1 + 3 * time) / FPS
    guider = SoraGuider.execute(
        model, *words, 1.0, 0.0, 1.0, 0.0, latent, window=window, resume=False
    ).args[0]
    sigmas = SoraSchedule.execute(latent, 1, 0.0, 1.0, model).args[0]
    with inputs_of(model) as calls:
        SoraSample.execute(SoraNoise.execute(3).args[0], guider, sigmas, latent, "euler")
    frames = torch.full((1 + 4 * time, 4 * cell, 4 * cell, 3), COLOURS[name])
    colour = model.model.process_latent_in(vae.encode(frames))[:, :, -1]
    assert len(calls) > 1
    for (x, *_), _ in calls[1:]:
        assert bool((x[:, 16:20, -1] == 0).all())
        torch.testing.assert_close(x[:, 20:, -1], colour, atol=1e-3, rtol=1e-3)
