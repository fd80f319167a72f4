"""ComfyUI's own nodes work on our MODEL, CLIP and VAE, in a real ComfyUI."""

import io

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sora_core.models.text_encoder import TextConfig

pytestmark = pytest.mark.host


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def ksampler(model="loader", **arguments):
    return node(
        "KSampler",
        model=[model, 0],
        positive=["prompt", 0],
        negative=["negative", 0],
        latent_image=["latent", 0],
        **{"seed": 1, "steps": 4, "cfg": 4.0, "sampler_name": "euler", "scheduler": "simple"}
        | arguments,
    )


DISPLAYED = {
    "decoded": node("VAEDecode", samples=["sample", 0], vae=["loader", 2]),
    "shown": node("PreviewImage", images=["decoded", 0]),
}


def pictures(client, graph):
    """The pixels a graph shows; it was accepted in every part."""
    result = client.run(client.completed(graph))
    files = result.files("shown")
    displayed = [Image.open(io.BytesIO(client.view(file))).tobytes() for file in files]
    assert displayed
    return displayed


@pytest.fixture
def plain(client, started):
    return pictures(client, started | {"sample": ksampler()} | DISPLAYED)


@pytest.mark.parametrize("name", ["heun", "uni_pc", "euler_ancestral"])
def test_its_samplers_generate(client, started, name):
    displayed = pictures(client, started | {"sample": ksampler(sampler_name=name)} | DISPLAYED)
    assert len(displayed) == 13  # the whole latent: stock nodes do not crop


def test_its_prompt_node_gives_what_ours_gives(client, started, plain):
    text = started["prompt"]["inputs"]["text"]
    stock = {
        "prompt": node("CLIPTextEncode", clip=["loader", 1], text=text),
        "negative": node("CLIPTextEncode", clip=["loader", 1], text=""),
    }
    assert pictures(client, started | stock | {"sample": ksampler()} | DISPLAYED) == plain


@pytest.mark.parametrize("guider", ["BasicGuider", "CFGGuider"])
def test_its_guiders_and_schedulers_drive_its_custom_sampler(client, started, guider):
    words = {"positive": ["prompt", 0], "negative": ["negative", 0], "cfg": 4.0}
    if guider == "BasicGuider":
        words = {"conditioning": ["prompt", 0]}
    pictures(
        client,
        started
        | DISPLAYED
        | {
            "guider": node(guider, model=["loader", 0], **words),
            "noise": node("RandomNoise", noise_seed=1),
            "sampler": node("KSamplerSelect", sampler_name="euler"),
            "sigmas": node(
                "BasicScheduler", model=["loader", 0], scheduler="simple", steps=4, denoise=1.0
            ),
            "sample": node(
                "SamplerCustomAdvanced",
                noise=["noise", 0],
                guider=["guider", 0],
                sampler=["sampler", 0],
                sigmas=["sigmas", 0],
                latent_image=["latent", 0],
            ),
        },
    )


@pytest.mark.parametrize("empty", ["EmptyLatentImage", "EmptyHunyuanLatentVideo"])
def test_its_empty_latents_fit(client, started, empty):
    length = {"length": 9} if empty == "EmptyHunyuanLatentVideo" else {}
    latent = {"latent": node(empty, width=64, height=64, batch_size=1, **length)}
    displayed = pictures(client, started | latent | {"sample": ksampler()} | DISPLAYED)
    assert len(displayed) == (9 if length else 1)


def test_its_shift_changes_the_picture(client, started, plain):
    patch = {"patch": node("ModelSamplingSD3", model=["loader", 0], shift=6.0)}
    assert pictures(client, started | patch | {"sample": ksampler("patch")} | DISPLAYED) != plain


def test_its_context_windows_generate_long_videos(client, started):
    started["canvas"]["inputs"]["seconds"] = 6.0
    windows = {
        "patch": node(
            "ContextWindowsManual",
            model=["loader", 0],
            context_length=6,
            context_overlap=2,
            context_schedule="standard_static",
            context_stride=1,
            closed_loop=False,
            fuse_method="pyramid",
            dim=2,
        )
    }
    displayed = pictures(client, started | windows | {"sample": ksampler("patch")} | DISPLAYED)
    assert len(displayed) == 49


@pytest.mark.parametrize(
    "patch",
    [
        node("EasyCache", reuse_threshold=3.0, start_percent=0.0, end_percent=1.0, verbose=False),
        node(
            "SkipLayerGuidanceDiT",
            double_layers="1",
            single_layers="",
            scale=3.0,
            start_percent=0.0,
            end_percent=1.0,
            rescaling_scale=0.0,
        ),
    ],
    ids=lambda patch: patch["class_type"],
)
def test_its_patches_take_effect(client, started, patch):
    patch = {"patch": patch | {"inputs": patch["inputs"] | {"model": ["loader", 0]}}}
    plain = pictures(client, started | {"sample": ksampler(steps=10)} | DISPLAYED)
    patched = {"sample": ksampler("patch", steps=10)}
    assert pictures(client, started | patch | patched | DISPLAYED) != plain


def test_its_lora_loader_changes_model_and_text(client, started, server, plain):
    folder = server.base / "models" / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    widths = {
        "diffusion_model.blocks.0.qkv": (64, 192),
        "text_encoders.blocks.0.attn.qkv.1": (TextConfig().qkv_rank, 1152),
    }
    tensors = {}
    for name, (width, out) in widths.items():
        tensors[f"{name}.lora_A.weight"] = torch.randn(4, width, generator=generator)
        tensors[f"{name}.lora_B.weight"] = torch.randn(out, 4, generator=generator)
    save_file(tensors, folder / "tiny_lora.safetensors")
    for model, clip in [(1.0, 0.0), (0.0, 1.0)]:
        lora = node(
            "LoraLoader",
            model=["loader", 0],
            clip=["loader", 1],
            lora_name="tiny_lora.safetensors",
            strength_model=model,
            strength_clip=clip,
        )
        graph = started | {"lora": lora, "sample": ksampler("lora")} | DISPLAYED
        graph |= {
            key: node("CLIPTextEncode", clip=["lora", 1], text=started[key]["inputs"]["text"])
            for key in ("prompt", "negative")
        }
        assert pictures(client, graph) != plain
    assert "NOT LOADED" not in server.log.read_text()


def test_it_encodes_pictures_and_keeps_what_a_mask_protects(client, started):
    graph = started | {
        "picture": node("EmptyImage", width=48, height=32, batch_size=5, color=0xFF8000),
        "known": node("VAEEncode", pixels=["picture", 0], vae=["loader", 2]),
        "mask": node("SolidMask", value=0.0, width=48, height=32),
        "latent": node("SetLatentNoiseMask", samples=["known", 0], mask=["mask", 0]),
        "sample": ksampler(),
    }
    preserved = pictures(client, graph | DISPLAYED)
    decoded = {"sample": node("VAEDecode", samples=["known", 0], vae=["loader", 2])}
    displayed = {"shown": node("PreviewImage", images=["sample", 0])}
    assert preserved == pictures(client, graph | decoded | displayed)


def test_its_tiled_decoding_is_its_plain_decoding(client, started, plain):
    tiled = node(
        "VAEDecodeTiled",
        samples=["sample", 0],
        vae=["loader", 2],
        tile_size=256,
        overlap=64,
        temporal_size=64,
        temporal_overlap=8,
    )
    graph = started | {"sample": ksampler()} | DISPLAYED | {"decoded": tiled}
    assert len(pictures(client, graph)) == len(plain)


def test_what_it_saves_our_loader_loads(client, started, server, plain):
    save = {"save": node("ModelSave", model=["loader", 0], filename_prefix="diffusion_models/kept")}
    client.run(client.completed({"loader": started["loader"]} | save))
    (saved,) = server.output.glob("diffusion_models/kept*.safetensors")
    started["loader"]["inputs"]["model"] = saved.name
    assert pictures(client, started | {"sample": ksampler()} | DISPLAYED) == plain


def test_it_saves_and_loads_our_latents(client, started, server):
    graph = started | {"sample": ksampler()}
    save = {"save": node("SaveLatent", samples=["sample", 0], filename_prefix="kept")}
    client.run(client.completed(graph | save))
    (saved,) = server.output.glob("kept*.latent")
    (server.base / "input" / saved.name).write_bytes(saved.read_bytes())
    loaded = {"sample": node("LoadLatent", latent=saved.name)}
    assert pictures(client, started | loaded | DISPLAYED) == pictures(client, graph | DISPLAYED)


def test_our_guider_and_noise_drive_its_custom_sampler(client, sampled):
    graph = sampled | DISPLAYED
    graph["sampler"] = node("KSamplerSelect", sampler_name="euler")
    graph["sample"] = node(
        "SamplerCustomAdvanced",
        noise=["noise", 0],
        guider=["guider", 0],
        sampler=["sampler", 0],
        sigmas=["schedule", 0],
        latent_image=["latent", 0],
    )
    pictures(client, graph)
