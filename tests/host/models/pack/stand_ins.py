"""Tiny models behind the stock loaders, under the file names that our workflows ask for.

Networks and LoRAs are real files, which the host loads and recognises by their weights. Text
encoders, vision encoders and VAEs of these families have sizes that the host fixes: their loaders
return small ones instead, for these names alone.
"""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import comfy.sd
import folder_paths
import torch
from comfy_api.latest import io
from safetensors.torch import save_file
from torch import nn

import nodes

from . import networks as tiny

VISION_WIDTH, VISION_TOKENS = 1152, 9
LORA_RANK = 2

UMT5 = "umt5_xxl_fp8_e4m3fn_scaled.safetensors"
WORDS = {  # file -> width of its states, pooled width, whether it has an attention mask
    UMT5: (4096, 0, False),
    "qwen_2.5_vl_7b_fp8_scaled.safetensors": (64, 768, False),
    "byt5_small_glyphxl_fp16.safetensors": (64, 0, False),
}
AUTOENCODERS = {  # file -> channels, frames and pixels of a cell
    "wan_2.1_vae.safetensors": (16, 4, 8),
    "wan2.2_vae.safetensors": (48, 4, 16),
    "hunyuanvideo15_vae_fp16.safetensors": (32, 4, 16),
}
VISION = "sigclip_vision_patch14_384.safetensors"
LORAS = (
    "wan2.2_i2v_lightx2v_4steps_lora_v1_high_noise.safetensors",
    "wan2.2_i2v_lightx2v_4steps_lora_v1_low_noise.safetensors",
)
HUNYUAN_15 = {
    "in_channels": 65,
    "out_channels": 32,
    "vec_in_dim": None,
    "patch_size": [1, 1, 1],
    "guidance_embed": False,
    "byt5": True,
    "use_cond_type_embedding": True,
    "vision_in_dim": VISION_WIDTH,
    "meanflow_sum": True,
}


LTX_2 = "ltx-2-19b-distilled.safetensors"
LTX_2_WORDS = "gemma_3_12B_it_fp4_mixed.safetensors"
SAMPLE_RATE, LATENTS_A_SECOND, SOUND_CHANNELS, SOUND_BINS = 24_000, 25, 8, 16


class Vision:
    """What a CLIP vision encoder is to a workflow."""

    def encode_image(self, image: torch.Tensor, crop: bool = True) -> SimpleNamespace:
        generator = torch.Generator().manual_seed(round(1000 * image.mean().item()))
        states = torch.randn(1, VISION_TOKENS, VISION_WIDTH, generator=generator)
        return SimpleNamespace(last_hidden_state=states)


class SoundDecoder:
    """What the audio VAE of LTX-2 is to a workflow: its sizes, and a tone for each latent."""

    latent_channels = SOUND_CHANNELS
    first_stage_model = SimpleNamespace(
        latent_frequency_bins=SOUND_BINS,
        output_sample_rate=SAMPLE_RATE,
        num_of_latents_from_frames=lambda frames, rate: round(frames / rate * LATENTS_A_SECOND),
    )

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        loud = latent.mean(dim=(1, 3)).repeat_interleave(SAMPLE_RATE // LATENTS_A_SECOND, dim=1)
        time = torch.arange(loud.shape[1]) / SAMPLE_RATE
        tone = loud * torch.sin(2 * torch.pi * 440 * time)
        return tone[..., None].expand(-1, -1, 2)


def stand_in(
    networks: dict[str, nn.Module],
    randomised: Callable[[nn.Module, int], dict[str, torch.Tensor]],
    words: Callable[..., Any],
    autoencoder: Callable[..., Any],
) -> None:
    """Writes the files where the loaders of the host list them, and answers for the large ones."""
    for seed, (name, network) in enumerate(networks.items()):
        folder, metadata = "diffusion_models", None
        if name == LTX_2:
            folder, metadata = "checkpoints", {"config": json.dumps({"transformer": tiny.LTX_2})}
        save_file(randomised(network, seed), place(folder, name), metadata)
    for seed, name in enumerate(LORAS):
        save_file(lora(seed), place("loras", name))
    for folder, names in (("text_encoders", (*WORDS, LTX_2_WORDS)), ("vae", AUTOENCODERS)):
        for name in names:
            place(folder, name).touch()
    place("clip_vision", VISION).touch()
    encoders = {name: words(*kind) for name, kind in WORDS.items()}
    answer("CLIPLoader", encoders)
    answer("DualCLIPLoader", encoders)
    answer("VAELoader", {name: autoencoder(*kind) for name, kind in AUTOENCODERS.items()})
    answer("CLIPVisionLoader", {VISION: Vision()})
    if LTX_2 in networks:
        model = comfy.sd.load_diffusion_model(str(place("checkpoints", LTX_2)))
        answer("CheckpointLoaderSimple", {LTX_2: (model, None, autoencoder(128, 8, 32))})
        answer("LTXAVTextEncoderLoader", {LTX_2_WORDS: words(128, 0, False)})
        answer("LTXVAudioVAELoader", {LTX_2: SoundDecoder()})


def place(folder: str, name: str) -> Path:
    path = Path(folder_paths.models_dir) / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def lora(seed: int) -> dict[str, torch.Tensor]:
    """A LoRA for one layer of `wan(16, 20)`, in the names of the Lightning LoRAs."""
    generator = torch.Generator().manual_seed(seed)
    layer, width = "diffusion_model.blocks.0.self_attn.q", 128
    return {
        f"{layer}.lora_down.weight": torch.randn(LORA_RANK, width, generator=generator),
        f"{layer}.lora_up.weight": torch.randn(width, LORA_RANK, generator=generator),
        f"{layer}.alpha": torch.tensor(float(LORA_RANK)),
    }


def answer(kind: str, small: dict[str, Any]) -> None:
    """Lets a loader return what `small` has for its first file, and load all others itself."""
    loader = nodes.NODE_CLASS_MAPPINGS[kind]
    newer = issubclass(loader, io.ComfyNode)
    method = "execute" if newer else loader.FUNCTION
    load = getattr(loader, method)

    def loaded(self: Any, *names: Any, **named: Any) -> Any:
        first = (*names, *named.values())[0]
        if first not in small:
            return load(*names, **named) if newer else load(self, *names, **named)
        found = small[first]
        results = found if isinstance(found, tuple) else (found,)
        return io.NodeOutput(*results) if newer else results

    setattr(loader, method, classmethod(loaded) if newer else loaded)
