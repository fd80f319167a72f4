"""The LoRA that ships gives in four calls of the model what it takes guidance and many to give."""

import pytest
import torch

from sora_core.canvas import edits
from sora_core.canvas.canvas import Canvas
from sora_core.paths import released_folder
from sora_core.pipeline.generate import encode_footage, generate, load

FOUR_STEPS = released_folder() / "four-steps.safetensors"
CANVAS = Canvas(width=64, height=64, seconds=2, fps=8)
PROMPTS = (
    "a red ball rolls to the left on grass",
    "a blue cube falls on sand at sunset",
    "a yellow cone slides to the right on wood at night",
    "a purple cylinder bounces on snow by day",
)


@pytest.fixture(scope="module")
def models():
    return load(), load(lora=FOUR_STEPS)


def test_it_sets_four_steps_without_guidance(models):
    plain, fast = (each.config.sampling for each in models)
    assert (fast.steps, fast.guidance) == (4, 1.0)
    assert plain.steps > 4 and plain.guidance > 1


@pytest.mark.slow
def test_its_clips_are_nearer_to_guided_ones_than_four_steps_without_it(models):
    plain, fast = models
    apart = {"with": 0.0, "without": 0.0}
    for seed, prompt in enumerate(PROMPTS):
        whole = generate(plain, prompt, CANVAS, seed=seed)
        few = generate(fast, prompt, CANVAS, seed=seed)
        bare = generate(plain, prompt, CANVAS, seed=seed, steps=4, guidance=1.0)
        for name, latent in (("with", few), ("without", bare)):
            apart[name] += float((latent - whole).square().mean())
    print(f"distance to guided clips with and without the LoRA: {apart}")
    assert apart["with"] < 0.9 * apart["without"]


def test_known_footage_stays_exact(models):
    clip = torch.zeros(9, 64, 64, 3, dtype=torch.uint8)
    encoded = encode_footage(models[1], edits.extend_forward(CANVAS, clip))
    latent = generate(models[1], PROMPTS[0], encoded, seed=1)
    held = (encoded.mask == 0).expand_as(latent)
    assert held.any() and torch.equal(latent[held], encoded.known[held])
