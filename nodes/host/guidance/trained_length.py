"""The length and the frame rate that the host's video models were trained for, by their class."""

import comfy.model_base

TRAINED_FRAMES = {
    "WAN21": (81, 4),  # 16 fps; Wan-Video/Wan2.1, README; VACE, camera and 2.2 A14B too
    "WAN21_HuMo": (97, 4),  # 25 fps; Phantom-video/HuMo, README
    "WAN22_Animate": (77, 4),  # 30 fps; Wan-Video/Wan2.2, animate.py
    "WAN22_WanDancer": (149, 4),  # 30 fps; the host's WanDancerVideo
    "WAN22_S2V": (77, 4),  # 16 fps; the host's WanSoundImageToVideo
    "WAN22": (121, 4),  # 5B, 24 fps; Wan-Video/Wan2.2, README
    "HunyuanVideo": (129, 4),  # 24 fps; Tencent/HunyuanVideo, README
    "HunyuanVideoSkyreelsI2V": (97, 4),  # 24 fps; SkyworkAI/SkyReels-V1, README
    "HunyuanVideo15": (121, 4),  # 24 fps; Tencent-Hunyuan/HunyuanVideo-1.5, README
    "LTXV": (257, 8),  # 25 fps, from 97 on; Lightricks/LTX-Video, README
    "LTXAV": (257, 8),
    "GenmoMochi": (163, 6),  # 30 fps; genmoai/mochi, README
    "CosmosVideo": (121, 8),  # 24 fps; NVIDIA Cosmos 1, model card
    "CosmosPredict2": (93, 4),  # 16 fps; nvidia-cosmos/cosmos-predict2, README
    "Kandinsky5": (121, 4),  # 24 fps; the models of 10 seconds share this class
}
"""Frames, and frames per latent frame, of each class of the host and of those that inherit it."""

COGVIDEOX = "CogVideoX"
COGVIDEOX_FRAMES, COGVIDEOX_15_FRAMES, COGVIDEOX_STEP = 49, 81, 4  # 8 and 16 fps; THUDM/CogVideo

FRAME_RATE_MODELS = ("LTXV", "LTXAV", "CosmosVideo", "CosmosPredict2")
"""Classes whose networks take the frame rate as conditioning."""


def trained_latent_frames(model: comfy.model_base.BaseModel) -> int | None:
    """The most latent frames of the clips that `model` was trained on; None where unknown."""
    names = class_names(model)
    if COGVIDEOX in names:
        newer = getattr(model.diffusion_model, "patch_size_t", None)
        frames, step = COGVIDEOX_15_FRAMES if newer else COGVIDEOX_FRAMES, COGVIDEOX_STEP
    else:
        known = next((TRAINED_FRAMES[name] for name in names if name in TRAINED_FRAMES), None)
        if known is None:
            return None
        frames, step = known
    return 1 + (frames - 1) // step


def takes_frame_rate(model: comfy.model_base.BaseModel) -> bool:
    """Whether `frame_rate` in the conditioning reaches the network."""
    return any(name in FRAME_RATE_MODELS for name in class_names(model))


def class_names(model: comfy.model_base.BaseModel) -> list[str]:
    """The names of the class of `model` and of those that it inherits, nearest first.

    By name: hosts of other versions have other classes.
    """
    return [kind.__name__ for kind in type(model).__mro__]
