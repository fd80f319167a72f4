"""Where the latent frames of a loop are for a model with positions in seconds."""

import torch

from sora_core.models.metric import frame_seconds
from sora_core.pipeline.denoiser import ring_start
from tests.support.tiny import tiny_transformer


def test_frames_of_a_loop_are_evenly_spaced_in_seconds():
    metric = tiny_transformer(positions="metric").config
    steps = frame_seconds(6, float(ring_start(metric)), torch.tensor([8.0])).diff(dim=1)
    torch.testing.assert_close(steps, torch.full_like(steps, 0.5))


def test_a_loop_of_a_model_that_counts_frames_begins_with_the_first():
    assert ring_start(tiny_transformer().config) == 0
