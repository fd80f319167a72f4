"""The teacher, against what its publishers' own code makes of it."""

import torch

from sora_core.models.text_encoder import encode
from sora_core.training.minilm import load_teacher


def test_states_are_those_of_the_published_model():
    """From BertModel of transformers 4.57.6, float32, eager; ours differed by at most 3e-6."""
    row = encode(*load_teacher(), ["a red ball rolls to the left on grass"]).states[0]
    published = torch.tensor([-0.20957, 0.20385, -0.36418, -0.05544])
    torch.testing.assert_close(row[0, :4], published, rtol=0, atol=2e-5)
    published = torch.tensor([0.13806, -0.44371, -0.5199, -0.4009])
    torch.testing.assert_close(row[2, :4], published, rtol=0, atol=2e-5)
