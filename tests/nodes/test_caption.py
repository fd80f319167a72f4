"""Footage of every kind gets captions, by our captioner or by a vision language model."""

import pytest
import torch
from comfy_api.latest import InputImpl
from sora_nodes.nodes.caption import MODEL, OURS, SoraCaptionVideo
from sora_nodes.nodes.host.models.vae import load_vae
from sora_nodes.sora_core.checkpoints.checkpoint import read_config
from sora_nodes.sora_core.errors import ConfigError, SizeError
from sora_nodes.sora_core.pipeline.generate import MODELS, SHIPPED
from sora_nodes.sora_core.video.writer import write_video

import nodes as stock
from sora_core.shapes import Size
from sora_core.world.render import render
from sora_core.world.scene import sample_scene
from tests.support.writer import Writer


@pytest.fixture(scope="module")
def vae():
    return load_vae(MODELS / SHIPPED, read_config(MODELS / SHIPPED))


@pytest.fixture(scope="module")
def frames():
    return render(sample_scene(970_000_005, held_out=True), Size(64, 64, 17)).frames


def texts(video, vae=None, clip=None, captioner=OURS, varied=False, seed=0):
    return SoraCaptionVideo.execute(video, captioner, varied, seed, vae, clip).result


def test_a_file_images_and_their_latent_are_captioned_alike(vae, frames, tmp_path):
    images = frames.float() / 255
    path = write_video(tmp_path / "clip.mp4", [frames], 8)
    captions = [
        texts(video, vae)
        for video in (
            InputImpl.VideoFromFile(str(path)),
            images,
            {"samples": vae.encode(images[..., :3])},
        )
    ]
    assert len({(short, long) for long, short, _ in captions[1:]}) == 1
    assert all(0 < certainty <= 1 for _, _, certainty in captions)
    assert len(captions[0][0]) > len(captions[0][1]) > 0


def test_words_are_drawn_by_seed_if_asked_for(vae, frames):
    images = frames.float() / 255
    drawn = [texts(images, vae, varied=True, seed=seed)[0] for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert texts(images, vae, seed=1) == texts(images, vae, seed=2)


def test_the_vae_of_another_model_is_refused(frames):
    other = object.__new__(stock.comfy.sd.VAE)
    for vae in (None, other):
        with pytest.raises(ConfigError, match=r"^vae: .* Sora Load Model"):
            texts(frames.float() / 255, vae)


def test_the_latent_of_another_model_is_refused(vae):
    with pytest.raises(SizeError, match="4 channels"):
        texts({"samples": torch.zeros(1, 4, 5, 8, 8)}, vae)


TEXT = "<think>hm</think>a fox runs\nA red fox runs left. The camera is still."


def test_a_language_model_gets_frames_and_a_question(frames):
    seer = Writer(lambda read: TEXT)
    long, short, certainty = texts(frames.float() / 255, clip=seer, captioner=MODEL, seed=7)
    assert (long, short) == ("A red fox runs left. The camera is still.", "a fox runs")
    assert certainty == 0
    (asked,) = seer.asked
    assert asked["image"].shape == (8, 64, 64, 3)
    assert asked["seed"] == 7


def test_a_language_model_that_sees_nothing_says_nothing(frames):
    with pytest.raises(ConfigError, match="takes no images"):
        texts(frames.float() / 255, clip=Writer(lambda read: TEXT, blind=True), captioner=MODEL)


@pytest.mark.parametrize("clip", [None, object()])
def test_without_one_that_writes_the_choice_is_refused(frames, clip):
    with pytest.raises(ConfigError, match="clip"):
        texts(frames.float() / 255, clip=clip, captioner=MODEL)


def test_a_language_model_is_not_asked_about_a_latent():
    with pytest.raises(ConfigError, match=r"^video: .* decode"):
        texts({"samples": torch.zeros(1, 16, 5, 8, 8)}, clip=Writer(str), captioner=MODEL)


def test_a_captioner_that_is_not_offered_is_refused(frames):
    with pytest.raises(ConfigError, match="captioner"):
        texts(frames.float() / 255, captioner="other")
