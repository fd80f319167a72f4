"""Tiny random models of the host's video families, by its own config classes.

Each entry gives the config's name, the settings of its network, the grid of its VAE (channels,
frames, side) and the width of its text. A family that the host lacks is left out.
"""

from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any

import comfy.ldm.hunyuan_video.model
import comfy.model_patcher
import comfy.ops
import comfy.supported_models
import torch

from tools.host import ROOT
from tools.pack import load_file


def tiny_networks() -> ModuleType:
    """The settings that the pack of tiny models has too. Its package cannot be imported by name:
    in a server, that writes its files."""
    return load_file("tiny_networks", ROOT / "tests" / "host" / "models" / "pack" / "networks.py")


WAN = {"dim": 128, "ffn_dim": 128, "num_layers": 2, "num_heads": 1, "text_dim": 64}
HUNYUAN = tiny_networks().HUNYUAN | {"vec_in_dim": 32}
PREDICT2 = {
    "max_img_h": 240,
    "max_img_w": 240,
    "max_frames": 128,
    "out_channels": 16,
    "patch_spatial": 2,
    "patch_temporal": 1,
    "model_channels": 128,
    "num_blocks": 1,
    "num_heads": 2,
    "crossattn_emb_channels": 64,
    "pos_emb_cls": "rope3d",
    "pos_emb_learnable": True,
    "use_adaln_lora": True,
    "adaln_lora_dim": 16,
}
LTXV = {
    "num_attention_heads": 2,
    "attention_head_dim": 32,
    "cross_attention_dim": 64,
    "caption_channels": 64,
    "num_layers": 1,
}
COSMOS_1 = {
    "max_img_h": 240,
    "max_img_w": 240,
    "max_frames": 128,
    "out_channels": 16,
    "patch_spatial": 2,
    "patch_temporal": 1,
    "block_config": "FA-CA-MLP",
    "model_channels": 128,
    "num_blocks": 1,
    "num_heads": 2,
    "crossattn_emb_channels": 64,
    "block_x_format": "THWBD",
    "pos_emb_cls": "rope3d",
    "affline_emb_norm": True,
    "use_adaln_lora": True,
    "adaln_lora_dim": 16,
    "extra_per_block_abs_pos_emb": True,
    "extra_per_block_abs_pos_emb_type": "learnable",
}
KANDINSKY_5 = {
    "in_text_dim": 64,
    "in_text_dim2": 32,
    "time_dim": 32,
    "model_dim": 64,
    "ff_dim": 64,
    "visual_embed_dim": 132,
    "num_text_blocks": 1,
    "num_visual_blocks": 1,
}
COGVIDEOX = {
    "num_attention_heads": 1,
    "attention_head_dim": 64,
    "time_embed_dim": 32,
    "text_embed_dim": 64,
    "num_layers": 1,
    "use_rotary_positional_embeddings": True,
}
COGVIDEOX_15 = COGVIDEOX | {"patch_size_t": 2, "ofs_embed_dim": 32}
MOCHI = {
    "depth": 2,
    "patch_size": 2,
    "num_heads": 2,
    "hidden_size_x": 128,
    "hidden_size_y": 64,
    "mlp_ratio_x": 96.0,  # the network asserts 12288 features
    "mlp_ratio_y": 4.0,
    "learn_sigma": False,
    "in_channels": 12,
    "qk_norm": True,
    "qkv_bias": False,
    "out_bias": True,
    "attn_drop": 0.0,
    "posenc_preserve_area": True,
    "timestep_scale": 1000.0,
    "use_t5": True,
    "t5_feat_dim": 64,
    "t5_token_length": 8,
}


@dataclass(frozen=True)
class Family:
    """One family of the host: what makes its network, and what feeds it."""

    config: str
    network: dict[str, Any]
    grid: tuple[int, int, int]
    pooled: int = 0
    masked: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)


def hunyuan(channels: int, out: int = 16, patch: int = 2) -> dict[str, Any]:
    names = (each.name for each in fields(comfy.ldm.hunyuan_video.model.HunyuanVideoParams))
    switches: dict[str, Any] = dict.fromkeys(names, False)
    sizes = {"in_channels": channels, "out_channels": out, "patch_size": [1, patch, patch]}
    return switches | HUNYUAN | sizes | {"guidance_embed": out == 16}


def wan(channels: int, more: int = 0, kind: str = "t2v", **settings: Any) -> dict[str, Any]:
    sizes = {"in_dim": channels + more, "out_dim": channels, "model_type": kind}
    return WAN | sizes | settings


VACE = wan(16, kind="vace", vace_layers=2, vace_in_dim=96)
FAMILIES = {
    "wan21_t2v": Family("WAN21_T2V", wan(16), (16, 4, 8)),
    "wan21_i2v": Family("WAN21_I2V", wan(16, 20, "i2v"), (16, 4, 8)),
    "wan22_i2v_a14b": Family("WAN21_I2V", wan(16, 20), (16, 4, 8)),
    "wan21_vace": Family("WAN21_Vace", VACE, (16, 4, 8)),
    "wan22_5b": Family("WAN22_T2V", wan(48), (48, 4, 16)),
    "wan22_5b_inpaint": Family("WAN22_T2V", wan(48, 52), (48, 4, 16)),
    "hunyuan": Family("HunyuanVideo", hunyuan(16), (16, 4, 8), 32),
    "hunyuan_i2v_concat": Family("HunyuanVideoI2V", hunyuan(33), (16, 4, 8), 32),
    "hunyuan_skyreels": Family("HunyuanVideoSkyreelsI2V", hunyuan(32), (16, 4, 8), 32),
    "hunyuan15": Family("HunyuanVideo15", hunyuan(65, 32, 1), (32, 4, 16), 32),
    "ltxv": Family("LTXV", LTXV, (128, 8, 32), masked=True),
    "mochi": Family("GenmoMochi", MOCHI, (12, 6, 8), masked=True),
    "cosmos_predict2_v2w": Family("CosmosI2VPredict2", PREDICT2 | {"in_channels": 17}, (16, 4, 8)),
    "cosmos1_t2v": Family("CosmosT2V", COSMOS_1 | {"in_channels": 16}, (16, 8, 8)),
    "cosmos1_v2w": Family("CosmosI2V", COSMOS_1 | {"in_channels": 17}, (16, 8, 8)),
    "wan21_camera": Family("WAN21_Camera", wan(16, 16, "camera"), (16, 4, 8)),
    "wan22_camera": Family("WAN22_Camera", wan(16, 20, "camera_2.2"), (16, 4, 8)),
    "wan22_s2v": Family("WAN22_S2V", wan(16, 0, "s2v", audio_inject_layers=[0]), (16, 4, 8)),
    "wan21_humo": Family("WAN21_HuMo", wan(16, 20, "humo"), (16, 4, 8)),
    "wan21_humo_small": Family("WAN21_HuMo", wan(16, kind="humo"), (16, 4, 8)),
    "wan22_animate": Family("WAN22_Animate", wan(16, 20, "animate"), (16, 4, 8)),
    "wan_animate2": Family("WAN_Animate2", wan(16, 20, "animate2"), (16, 4, 8)),
    "wan22_wandancer": Family("WAN22_WanDancer", wan(16, 20, "wandancer"), (16, 4, 8)),
    "wan21_scail2": Family("WAN21_SCAIL2", wan(16, 4, "scail2"), (16, 4, 8)),
    "kandinsky5": Family("Kandinsky5", KANDINSKY_5, (16, 4, 8), 32),
    "cogvideox_t2v": Family("CogVideoX_T2V", COGVIDEOX | {"in_channels": 16}, (16, 4, 8)),
    "cogvideox15_i2v": Family("CogVideoX_I2V", COGVIDEOX_15 | {"in_channels": 32}, (16, 4, 8)),
    "cogvideox_i2v": Family("CogVideoX_I2V", COGVIDEOX | {"in_channels": 32}, (16, 4, 8)),
}
REFERENCE_FAMILIES = ("wan22_animate", "wan_animate2")  # their latents begin with a picture
REFUSED_FAMILIES = {  # and what their refusal says
    "wan21_fun_control": (Family("WAN21_FunControl2V", wan(16, 32, "i2v"), (16, 4, 8)), "control"),
    "wan22_fun_control": (Family("WAN21_I2V", wan(16, 36), (16, 4, 8)), "control video or a mask"),
    "wan21_scail": (Family("WAN21_SCAIL", wan(16, 4, "scail"), (16, 4, 8)), "video or a mask"),
    "wan21_causal_ar": (Family("WAN21_CausalAR_T2V", wan(16), (16, 4, 8)), "block by block"),
    "wan21_flow_rvs": (Family("WAN21_FlowRVS", wan(16), (16, 4, 8)), "one video into another"),
    "hunyuan15_sr": (
        Family("HunyuanVideo15_SR_Distilled", hunyuan(98, 32, 1), (32, 4, 16), 32),
        "not for footage alone",
    ),
    "cogvideox_inpaint": (
        Family("CogVideoX_Inpaint", COGVIDEOX_15 | {"in_channels": 48}, (16, 4, 8)),
        "not for footage alone",
    ),
}
IMAGE_FAMILIES = {
    "cosmos_predict2_t2i": Family("CosmosT2IPredict2", PREDICT2 | {"in_channels": 16}, (16, 4, 8)),
}


def host_model(family: Family, seed: int = 0) -> comfy.model_patcher.ModelPatcher:
    """A MODEL of `family` with random weights that let every input reach the output."""
    kind = getattr(comfy.supported_models, family.config)
    config = kind(dict(kind.unet_config))
    own = {key: value for key, value in kind.unet_config.items() if key in config.unet_config}
    config.unet_config = own | family.network  # without what else it adds
    config.set_inference_dtype(torch.float32, None)
    config.custom_operations = comfy.ops.disable_weight_init
    generator = torch.Generator().manual_seed(seed)
    model: Any = config.get_model({}, "")
    for name, weight in model.diffusion_model.named_parameters():
        if weight.ndim > 1:
            values = torch.randn(weight.shape, generator=generator)
            values *= max(1, weight[0].numel()) ** -0.5
        else:
            values = torch.full(weight.shape, float("norm" in name and "weight" in name))
            values += 0.02 * torch.randn(weight.shape, generator=generator)
        weight.data = values
    model.requires_grad_(False).eval()
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(model, load_device=cpu, offload_device=cpu)


def text(family: Family, seed: int) -> list[Any]:
    """A CONDITIONING for `family`."""
    generator = torch.Generator().manual_seed(seed)
    options: dict[str, Any] = {}
    if family.pooled:
        options["pooled_output"] = torch.randn(1, family.pooled, generator=generator)
    if family.masked:
        options["attention_mask"] = torch.ones(1, 8, dtype=torch.long)
    return [[torch.randn(1, 8, 64, generator=generator), options]]


def with_reference(words: list[Any], latent: torch.Tensor) -> list[Any]:
    """`words` with a reference picture for a canvas of `latent`, as the host's node lays it out."""
    batch, channels, frames, *sides = latent.shape
    generator = torch.Generator().manual_seed(9)
    image = torch.zeros(batch, channels, frames + 1, *sides)
    image[:, :, :1] = torch.randn(batch, channels, 1, *sides, generator=generator)
    mask = torch.ones(1, 1, frames + 1, *sides)
    mask[:, :, :1] = 0
    images = {"concat_latent_image": image, "concat_mask": mask}
    return [[[states, options | images]] for [[states, options]] in words]
