"""A pack for ComfyUI that makes tiny random files of its video models, and what feeds them.

The files go where the stock loaders look for them, under names that end in `_tiny`.
"""

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any
from zlib import crc32

import comfy.ldm.cosmos.predict2
import comfy.ldm.hunyuan_video.model
import comfy.ldm.lightricks.model
import comfy.ldm.wan.model
import comfy.ldm.wan.vae
import comfy.model_base
import comfy.ops
import comfy.sd
import folder_paths
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import adaptive_avg_pool3d, interpolate

from . import networks

Network = Callable[..., nn.Module]

WAN = {"dim": 128, "ffn_dim": 128, "num_layers": 2, "num_heads": 1, "text_dim": 4096}
LTXV = {
    "num_attention_heads": 2,
    "attention_head_dim": 32,
    "cross_attention_dim": 64,
    "caption_channels": 64,
    "num_layers": 2,
}
HUNYUAN = networks.HUNYUAN | {
    "in_channels": 16,
    "out_channels": 16,
    "vec_in_dim": 768,
    "patch_size": [1, 2, 2],
    "guidance_embed": True,
    "byt5": False,
    "meanflow": False,
    "use_cond_type_embedding": False,
}
COSMOS = {
    "max_img_h": 240,
    "max_img_w": 240,
    "max_frames": 128,
    "in_channels": 17,  # with a mask of what is known: of the weights that generate videos
    "out_channels": 16,
    "patch_spatial": 2,
    "patch_temporal": 1,
    "model_channels": 192,
    "pos_emb_cls": "rope3d",
    "pos_emb_learnable": True,
    "use_adaln_lora": True,
    "rope_h_extrapolation_ratio": 4.0,
    "rope_w_extrapolation_ratio": 4.0,
}


def wan(channels: int, more: int = 0, **settings: Any) -> nn.Module:
    return comfy.ldm.wan.model.WanModel(
        in_dim=channels + more,
        out_dim=channels,
        **WAN | settings,
        device="cpu",
        dtype=torch.float32,
        operations=comfy.ops.disable_weight_init,
    )


def vace() -> nn.Module:
    settings = WAN | {"in_dim": 16, "out_dim": 16, "vace_layers": 2, "vace_in_dim": 96}
    return built(comfy.ldm.wan.model.VaceWanModel, settings)


def built(network: Network, settings: dict[str, Any]) -> nn.Module:
    return network(
        **settings, device="cpu", dtype=torch.float32, operations=comfy.ops.disable_weight_init
    )


def hunyuan(**settings: Any) -> nn.Module:
    model = comfy.ldm.hunyuan_video.model
    names = [field.name for field in fields(model.HunyuanVideoParams)]
    known = {name: value for name, value in settings.items() if name in names}
    switches = dict.fromkeys(names, False)  # newer ComfyUIs have more: all off
    return built(model.HunyuanVideo, switches | HUNYUAN | known)


def models() -> dict[str, nn.Module]:
    return {
        "wan21_t2v": wan(16),
        "wan21_i2v": wan(16, 20, model_type="i2v"),
        "wan22_5b": wan(48),
        "ltxv": built(comfy.ldm.lightricks.model.LTXVModel, LTXV),
        "hunyuan": hunyuan(),
        "cosmos_predict2": built(comfy.ldm.cosmos.predict2.MiniTrainDIT, COSMOS),
        "wan21_control": wan(16, 32, model_type="i2v"),
        "wan21_vace": vace(),
    }


def randomised(network: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """Weights that let every input reach the output."""
    state = {}
    generator = torch.Generator().manual_seed(seed)
    for name, weight in network.state_dict().items():
        if weight.ndim > 1:
            spread = max(1, weight[0].numel()) ** -0.5
            weight = torch.randn(weight.shape, generator=generator) * spread
        else:
            weight = torch.full(weight.shape, float("norm" in name and "weight" in name))
            weight = weight + 0.02 * torch.randn(weight.shape, generator=generator)
        state[name] = weight.contiguous()
    return state


def write(folder: Path) -> None:
    """The model files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, network) in enumerate(models().items()):
        metadata = {"config": json.dumps({"transformer": LTXV})} if name == "ltxv" else None
        save_file(randomised(network, seed), folder / f"{name}_tiny.safetensors", metadata)


class TinyAutoencoder(nn.Module):
    """Means of blocks spread over channels, and back: causal, and its first frame stands alone."""

    def __init__(self, channels: int, time: int, side: int) -> None:
        super().__init__()
        self.channels, self.time, self.side = channels, time, side
        mix = torch.randn(channels, 3, generator=torch.Generator().manual_seed(channels))
        self.mix = nn.Parameter(mix)

    def encode(self, video: torch.Tensor) -> torch.Tensor:
        frames = 1 + (video.shape[2] - 1) // self.time
        size = frames - 1, video.shape[3] // self.side, video.shape[4] // self.side
        parts = [adaptive_avg_pool3d(video[:, :, :1], (1, *size[1:]))]
        if frames > 1:
            parts.append(adaptive_avg_pool3d(video[:, :, 1:], size))
        return torch.einsum("bctyx,dc->bdtyx", torch.cat(parts, dim=2), self.mix)

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        video = torch.einsum("bdtyx,cd->bctyx", latent, torch.linalg.pinv(self.mix))
        size = latent.shape[3] * self.side, latent.shape[4] * self.side
        frames = [interpolate(frame, size) for frame in video.unbind(2)]
        return torch.stack(frames[:1] + [f for f in frames[1:] for _ in range(self.time)], dim=2)


class Control:
    """What the nodes recognise as a ControlNet."""

    def get_control(self, *_: object) -> None:
        return None


class TinyVAE(comfy.sd.VAE):
    """Any latent grid, without weights."""

    def __init__(self, channels: int, time: int, side: int) -> None:
        super().__init__(sd={})
        self.latent_channels, self.latent_dim = channels, 3
        self.upscale_ratio = (lambda frames: max(0, frames * time - time + 1), side, side)
        self.downscale_ratio = (lambda frames: max(0, (frames + time - 1) // time), side, side)
        self.upscale_index_formula = self.downscale_index_formula = (time, side, side)
        self.memory_used_encode = self.memory_used_decode = lambda shape, dtype: 1
        self.device = self.output_device = torch.device("cpu")
        self.vae_dtype = torch.float32
        self.first_stage_model = TinyAutoencoder(channels, time, side).eval()
        self.patcher = comfy.model_patcher.ModelPatcher(
            self.first_stage_model, load_device=self.device, offload_device=self.device
        )


def conditioning(width: int, pooled: int, mask: bool, seed: int) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    options: dict[str, Any] = {}
    if pooled:
        options["pooled_output"] = torch.randn(1, pooled, generator=generator)
    if mask:
        options["attention_mask"] = torch.ones(1, 8, dtype=torch.long)
    return [[torch.randn(1, 8, width, generator=generator), options]]


class TestVAE:
    RETURN_TYPES, FUNCTION, CATEGORY = ("VAE",), "run", "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        whole = ("INT", {"default": 16})
        return {"required": {"channels": whole, "time": whole, "side": whole}}

    def run(self, channels: int, time: int, side: int) -> tuple[TinyVAE]:
        return (TinyVAE(channels, time, side),)


class TestConditioning:
    RETURN_TYPES, FUNCTION, CATEGORY = ("CONDITIONING",), "run", "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        whole = ("INT", {"default": 0})
        mask = ("BOOLEAN", {"default": False})
        return {"required": {"width": whole, "pooled": whole, "mask": mask, "seed": whole}}

    def run(self, width: int, pooled: int, mask: bool, seed: int) -> tuple[list[Any]]:
        return (conditioning(width, pooled, mask, seed),)


class Words:
    """What a CLIP is to a storyboard: each text has a conditioning of its own."""

    def __init__(self, width: int, pooled: int, mask: bool) -> None:
        self.kind = width, pooled, mask

    def tokenize(self, text: str) -> int:
        return crc32(text.encode())

    def encode_from_tokens_scheduled(
        self, tokens: int, add_dict: dict[str, Any] | None = None
    ) -> list[Any]:
        added = add_dict or {}
        return [[states, texts | added] for states, texts in conditioning(*self.kind, tokens)]


class TestWords:
    RETURN_TYPES, FUNCTION, CATEGORY = ("CLIP",), "run", "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        whole = ("INT", {"default": 0})
        return {"required": {"width": whole, "pooled": whole, "mask": ("BOOLEAN",)}}

    def run(self, width: int, pooled: int, mask: bool) -> tuple[Words]:
        return (Words(width, pooled, mask),)


class TestClip:
    """Random pictures, and a mask whose upper half is open."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("IMAGE", "MASK"), "run", "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        whole = ("INT", {"default": 1})
        return {"required": {"frames": whole, "side": whole, "seed": whole}}

    def run(self, frames: int, side: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        mask = torch.zeros(1, side, side)
        mask[:, : side // 2] = 1
        return torch.rand(frames, side, side, 3, generator=generator), mask


class TestKeepLatent:
    """Writes a latent and its mask to the output folder."""

    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "run", "test", True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"latent": ("LATENT",), "name": ("STRING", {"default": ""})}}

    def run(self, latent: dict[str, Any], name: str) -> dict[str, Any]:
        preserved = {
            key: latent[key].contiguous() for key in ("samples", "noise_mask") if key in latent
        }
        folder = Path(folder_paths.get_output_directory())
        folder.mkdir(exist_ok=True)
        save_file(preserved, folder / f"{name}.safetensors")
        return {}


NODE_CLASS_MAPPINGS = {
    kind.__name__: kind for kind in (TestVAE, TestConditioning, TestWords, TestClip, TestKeepLatent)
}

if __name__ != "tiny_models":  # the server; tests in this process say where
    from . import stand_ins

    write(Path(folder_paths.models_dir) / "diffusion_models")
    written = {
        "wan2.1_t2v_1.3B_fp16.safetensors": wan(16),
        "wan2.1_vace_14B_fp16.safetensors": vace(),
        "wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors": wan(16, 20),
        "wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors": wan(16, 20),
        "wan2.2_ti2v_5B_fp16.safetensors": wan(48),
        "hunyuanvideo1.5_720p_i2v_fp16.safetensors": hunyuan(**stand_ins.HUNYUAN_15),
    }
    if hasattr(comfy.model_base, "LTXAV"):
        from comfy.ldm.lightricks.av_model import LTXAVModel

        written[stand_ins.LTX_2] = built(LTXAVModel, networks.LTX_2)
    stand_ins.stand_in(written, randomised, Words, TinyVAE)
