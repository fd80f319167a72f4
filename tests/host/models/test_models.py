"""Every canvas operation on ComfyUI's own video models, loaded and sampled by its server.

The models are tiny and random. Printed for each: how much of the latent is preserved, how much of
that is bit for bit the footage, and how much of the rest is.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tools.client import Client, Graph, GraphError
from tools.host import ROOT, Server

pytestmark = [pytest.mark.host, pytest.mark.slow]

FPS = 8
MODELS = {  # channels and compression of the VAE; width, pooled width and mask of the words
    "wan21_t2v": ((16, 4, 8), (4096, 0, False)),
    "wan21_i2v": ((16, 4, 8), (4096, 0, False)),
    "wan22_5b": ((48, 4, 16), (4096, 0, False)),
    "ltxv": ((128, 8, 32), (64, 0, True)),
    "hunyuan": ((16, 4, 8), (64, 768, False)),
}
DISPLAYED = {
    "wan21_t2v": "One noise level",
    "wan21_i2v": "channels",
    "wan22_5b": "each token",
    "ltxv": "each token",
    "hunyuan": "One noise level",
}


@pytest.fixture(scope="module")
def models(
    comfyui: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("models")
    packs = (ROOT, Path(__file__).parent / "pack")
    with comfyui(base, packs=packs) as server:
        yield server


def node(kind: str, **inputs: object) -> dict[str, object]:
    return {"class_type": kind, "inputs": inputs}


def sources(name: str) -> Graph:
    """The model, what suits it, an empty canvas of four latent frames, and footage."""
    (channels, time, side), (width, pooled, mask) = MODELS[name]
    words = {"width": width, "pooled": pooled, "mask": mask}
    edge, frames = 8 * side, 1 + 3 * time
    seconds = frames / FPS
    return {
        "model": node("UNETLoader", unet_name=f"{name}_tiny.safetensors", weight_dtype="default"),
        "vae": node("TestVAE", channels=channels, time=time, side=side),
        "positive": node("TestConditioning", seed=1, **words),
        "negative": node("TestConditioning", seed=2, **words),
        "canvas": node("SoraCanvas", width=edge, height=edge, seconds=seconds, fps=FPS),
        "lap": node("SoraCanvas", width=edge, height=edge, seconds=3 * time / FPS, fps=FPS),
        "clip": node("TestClip", frames=1 + time, side=edge, seed=1),
        "words": node("TestWords", **words),
        "other": node("TestClip", frames=1 + time, side=edge, seed=2),
        "long": node("TestClip", frames=frames, side=edge, seed=3),
        "still": node("TestClip", frames=1, side=edge, seed=4),
    }


def operations(name: str) -> Graph:
    """Each edit of the pack, by its name in the table."""
    (_, time, side), _ = MODELS[name]
    canvas, clip, other, long, still = (
        [key, 0] for key in ("canvas", "clip", "other", "long", "still")
    )
    whole, group = (1 + 3 * time) / FPS, time / FPS
    on = {"canvas": canvas}
    return {
        "text_to_video": node("SoraCanvas", width=8 * side, height=8 * side, seconds=whole),
        "image_to_video": node("SoraImageToVideo", image=still, seconds=whole, **on),
        "first_and_last": node(
            "SoraImageToVideo", image=still, last_image=other, seconds=whole, **on
        ),
        "key_frame": node("SoraPlaceImage", image=still, start=whole / 2, **on),
        "forward": node("SoraExtendVideo", video=clip, seconds=2 * group, **on),
        "backward": node(
            "SoraExtendVideo", video=clip, seconds=2 * group, direction="backward", **on
        ),
        "both": node("SoraExtendVideo", video=clip, seconds=2 * group, direction="both", **on),
        "connect": node("SoraConnectVideos", first=clip, second=other, seconds=2 * group, **on),
        "morph": node("SoraMorphVideos", first=long, second=long, seconds=group, **on),
        "loop": node("SoraLoopVideo", canvas=["lap", 0]),
        "loop_through": node("SoraLoopVideo", seconds=2 * group - 1 / FPS, video=clip, **on),
        "video_to_video": node("SoraEditVideo", video=long, firmness=0.4, **on),
        "inpaint": node("SoraEditVideo", video=long, firmness=0.0, mask=["long", 1], **on),
        "outpaint": node("SoraOutpaintVideo", video=long, left=2 * side, right=2 * side, **on),
    }


def generated_graph(key: str, canvas: str, positive: str = "positive", **guidance: object) -> Graph:
    """The nodes that encode a canvas, sample it and save both latents under the name `key`."""
    latent = [f"{key}.latent", 0]
    return {
        f"{key}.latent": node("SoraEncodeCanvas", canvas=[canvas, 0], vae=["vae", 0]),
        f"{key}.guider": node(
            "SoraGuider",
            model=["model", 0],
            positive=[positive, int(positive != "positive")],
            negative=["negative", 0],
            latent=latent,
            **guidance,
        ),
        f"{key}.noise": node("SoraNoise", seed=7),
        f"{key}.sigmas": node("SoraSchedule", latent=latent, steps=3, shift=1.0),
        f"{key}.painted": node(
            "SoraSample",
            noise=[f"{key}.noise", 0],
            guider=[f"{key}.guider", 0],
            sigmas=[f"{key}.sigmas", 0],
            latent=latent,
        ),
        f"{key}.before": node("TestKeepLatent", latent=latent, name=f"{key}.before"),
        f"{key}.after": node("TestKeepLatent", latent=[f"{key}.painted", 0], name=f"{key}.after"),
    }


def same(first: torch.Tensor, second: torch.Tensor) -> float:
    """The share of values that are equal bit for bit; 1 of none."""
    return (first == second).float().mean().item() if len(first) else 1.0


BY_FRAME = ("wan21_i2v", "ltxv")  # are shown footage frame by frame, latent frames or not
STILLS = ("first_and_last", "key_frame")


@pytest.mark.parametrize("name", MODELS)
def test_every_operation_keeps_footage_exactly_and_copies_none_of_it(models, name):
    edits = operations(name)
    graph = sources(name) | edits
    for edit in edits:
        graph |= generated_graph(f"{name}.{edit}", edit)
    client = Client(models.client.url)
    run = client.run(client.completed(graph))
    message = run.outputs()[f"{name}.forward.guider"]["text"][0]
    assert DISPLAYED[name] in message
    for edit in edits:
        before, after = (
            load_file(models.output / f"{name}.{edit}.{when}.safetensors")
            for when in ("before", "after")
        )
        footage, generated = before["samples"], after["samples"]
        mask = before.get("noise_mask", torch.ones(1)).expand_as(footage)
        held = mask == 0
        if name in BY_FRAME and edit in STILLS:  # within a latent frame: shown, and not frozen
            first = (torch.arange(held.shape[2]) == 0)[:, None, None]
            later, held = held & ~first, held & first
            assert later.any() and same(generated[later], footage[later]) == 0
        preserved = same(generated[held], footage[held]) if held.any() else 1
        generated_over = mask > 1 / 3  # the level of the last step: what is firmer stays
        copied = same(generated[generated_over], footage[generated_over])
        print(f"host_{name}_{edit}_known {(mask == 0).float().mean():.2f}")
        print(f"host_{name}_{edit}_known_exact {preserved:.3f}")
        print(f"host_{name}_{edit}_rest_copied {copied:.3f}")
        assert generated.isfinite().all()
        assert (preserved, copied) == (1, 0)


STORYBOARDS = {
    "one": "a dog runs",
    "twice": "a dog runs\na dog runs",
    "two": "a dog runs\na cat sleeps",
}


@pytest.mark.parametrize("name", MODELS)
def test_each_shot_of_a_storyboard_conditions_its_own_frames(models, name):
    graph = sources(name)
    for board, text in STORYBOARDS.items():
        shots = {"canvas": ["canvas", 0], "clip": ["words", 0], "text": text}
        graph[board] = node("SoraStoryboard", **shots)
        graph |= generated_graph(f"{name}.{board}", board, board)
    client = Client(models.client.url)
    client.run(client.completed(graph))
    one, twice, two = (
        load_file(models.output / f"{name}.{board}.after.safetensors")["samples"]
        for board in STORYBOARDS
    )
    torch.testing.assert_close(twice, one, rtol=1e-4, atol=1e-4)
    first, *_, last = (two - one).square().mean(dim=(0, 1, 3, 4)).sqrt()
    print(f"host_{name}_storyboard_change first {first:.4f} last {last:.4f}")
    assert last > first


REFUSED = {
    "footage guidance of a model that cannot tell footage": (
        "wan21_t2v",
        {"footage_scale": 2.0},
        {},
        "does not accept footage",
    ),
    "a model whose channels take a control video": (
        "wan21_i2v",
        {},
        {"model": node("UNETLoader", unet_name="wan21_control_tiny.safetensors")},
        "control video",
    ),
    "the latent of another model": (
        "wan22_5b",
        {},
        {"vae": node("TestVAE", channels=16, time=4, side=8)},
        "16 channels for a model of 48",
    ),
    "a loop that fills no whole latent frames": (
        "ltxv",
        {},
        {"forward": node("SoraLoopVideo", canvas=["canvas", 0])},
        "choose a multiple of 8",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_silently_be_wrong_ends_in_a_sentence(models, case):
    name, guidance, instead, sentence = REFUSED[case]
    graph = sources(name) | {"forward": operations(name)["forward"]} | instead
    graph |= generated_graph("refused", "forward", **guidance)
    client = Client(models.client.url)
    with pytest.raises(GraphError, match=sentence) as refused:
        client.run(client.completed(graph))
    print(f"host_refused {name}: {refused.value}")
