"""The model files that the workflows for ComfyUI's own models need, and how each was trained.

Names, folders and addresses are those of ComfyUI's own templates: the package
comfyui-workflow-templates-json 0.1.123, read on 2026-11-26. No file was downloaded.
"""

from dataclasses import dataclass

from tools.graph import Graph

HUB = "https://huggingface.co"
WAN_21 = f"{HUB}/Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files"
WAN_22 = f"{HUB}/Comfy-Org/Wan_2.2_ComfyUI_Repackaged/resolve/main/split_files"
HUNYUAN = f"{HUB}/Comfy-Org/HunyuanVideo_1.5_repackaged/resolve/main/split_files"

LTX_2 = f"{HUB}/Lightricks/LTX-2/resolve/main"

DIFFUSION, TEXT, VAE, LORA = "diffusion_models", "text_encoders", "vae", "loras"

ADDRESSES = {  # file -> its folder in ComfyUI/models, and where it is downloaded
    "wan2.1_t2v_1.3B_fp16.safetensors": (DIFFUSION, f"{WAN_21}/{DIFFUSION}"),
    "wan2.1_vace_14B_fp16.safetensors": (DIFFUSION, f"{WAN_21}/{DIFFUSION}"),
    "umt5_xxl_fp8_e4m3fn_scaled.safetensors": (TEXT, f"{WAN_21}/{TEXT}"),
    "wan_2.1_vae.safetensors": (VAE, f"{WAN_21}/{VAE}"),
    "wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors": (DIFFUSION, f"{WAN_22}/{DIFFUSION}"),
    "wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors": (DIFFUSION, f"{WAN_22}/{DIFFUSION}"),
    "wan2.2_i2v_lightx2v_4steps_lora_v1_high_noise.safetensors": (LORA, f"{WAN_22}/{LORA}"),
    "wan2.2_i2v_lightx2v_4steps_lora_v1_low_noise.safetensors": (LORA, f"{WAN_22}/{LORA}"),
    "wan2.2_ti2v_5B_fp16.safetensors": (DIFFUSION, f"{WAN_22}/{DIFFUSION}"),
    "wan2.2_vae.safetensors": (VAE, f"{WAN_22}/{VAE}"),
    "hunyuanvideo1.5_720p_i2v_fp16.safetensors": (DIFFUSION, f"{HUNYUAN}/{DIFFUSION}"),
    "qwen_2.5_vl_7b_fp8_scaled.safetensors": (TEXT, f"{HUNYUAN}/{TEXT}"),
    "byt5_small_glyphxl_fp16.safetensors": (TEXT, f"{HUNYUAN}/{TEXT}"),
    "hunyuanvideo15_vae_fp16.safetensors": (VAE, f"{HUNYUAN}/{VAE}"),
    "ltx-2-19b-distilled.safetensors": ("checkpoints", LTX_2),
    "gemma_3_12B_it_fp4_mixed.safetensors": (
        TEXT,
        f"{HUB}/Comfy-Org/ltx-2/resolve/main/split_files/{TEXT}",
    ),
    "sigclip_vision_patch14_384.safetensors": (
        "clip_vision",
        f"{HUB}/Comfy-Org/sigclip_vision_384/resolve/main",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a model was trained on, and what its authors sample it with."""

    model: str
    frames: int
    fps: int
    shift: str
    sampling: str
    advice: str


TRAINED = {
    "host_wan_text_to_video": Trained(
        model="Wan 2.1 text to video, 1.3B",
        frames=81,
        fps=16,
        shift="8",
        sampling="uni_pc, simple, 30 steps, cfg 6",
        advice="One noise level for the whole clip: footage is replaced at each step. "
        "832x480 is the trained size.",
    ),
    "host_wan22_i2v_lightning": Trained(
        model="Wan 2.2 image to video A14B, two experts, with Lightning LoRAs",
        frames=81,
        fps=16,
        shift="5, in both Shift nodes",
        sampling="euler, 4 steps, scale 1; the low-noise model takes over below 0.9",
        advice="Both models go into one Sora Guider. Two KSampler (Advanced) in a row lose the "
        "image. Without the LoRAs: 20 steps, scale 3.5.",
    ),
    "host_wan_vace_extend": Trained(
        model="Wan 2.1 VACE 14B",
        frames=81,
        fps=16,
        shift="8",
        sampling="uni_pc, 20 steps, scale 6",
        advice="Sora Guider makes the control video and mask of VACE from the canvas: no "
        "WanVaceToVideo is needed. wan2.1_vace_1.3B_fp16 fits a smaller GPU. 832x480 and "
        "1280x720 are the trained sizes.",
    ),
    "host_wan_vace_connect": Trained(
        model="Wan 2.1 VACE 14B",
        frames=81,
        fps=16,
        shift="8",
        sampling="uni_pc, 20 steps, scale 6",
        advice="About a second of each clip is preserved, and the 47 frames between them are "
        "generated. One prompt describes the whole way from the first clip to the second.",
    ),
    "host_wan22_5b_image_to_video": Trained(
        model="Wan 2.2 text and image to video, 5B",
        frames=121,
        fps=24,
        shift="8",
        sampling="uni_pc, 20 steps, scale 5",
        advice="1280x704 and 704x1280 are the trained sizes: smaller ones look worse. A noise "
        "level for each token: the image is conditioned without noise.",
    ),
    "host_hunyuan15_image_to_video": Trained(
        model="HunyuanVideo 1.5 image to video, 720p",
        frames=121,
        fps=24,
        shift="7",
        sampling="euler, 20 steps, scale 6",
        advice="The CLIP vision encoder describes the image in both prompts; the canvas shows it "
        "to the model in extra channels. Image In Prompts takes no image: its size does not "
        "matter.",
    ),
    "host_ltx2_image_to_video_with_sound": Trained(
        model="LTX-2 19B, distilled, image to video with sound",
        frames=97,
        fps=25,
        shift="part of its own list of noise levels",
        sampling="euler, 8 steps, scale 1",
        advice="Video and sound are one latent: Sora Guider holds the image in the video, and the "
        "sound is free. Sizes are multiples of 32, lengths 1 more than a multiple of 8. This graph "
        "needs a ComfyUI with LTX-2, such as 0.33.",
    ),
}

NEEDS_NEWER = ("host_ltx2_image_to_video_with_sound",)
"""Graphs with nodes that the pinned ComfyUI lacks."""


def files_of_models(graph: Graph) -> dict[str, list[str]]:
    """The model files that each loader of a graph names, by the key of its node."""
    found = {
        key: [one for one in node["inputs"].values() if isinstance(one, str) and one in ADDRESSES]
        for key, node in graph.items()
    }
    return {key: names for key, names in found.items() if names}


def models_property(names: list[str]) -> list[dict[str, str]]:
    """What ComfyUI's page reads of a loader to offer its files for download."""
    return [
        {"name": name, "directory": ADDRESSES[name][0], "url": f"{ADDRESSES[name][1]}/{name}"}
        for name in names
    ]


def note(name: str, graph: Graph) -> str:
    """The text of the note beside a workflow: what it needs, where it goes, how it was trained."""
    trained = TRAINED[name]
    names = list(dict.fromkeys(one for found in files_of_models(graph).values() for one in found))
    listed = [
        f"- `models/{one['directory']}`: [{one['name']}]({one['url']})"
        for one in models_property(names)
    ]
    return "\n".join(
        [
            f"## {trained.model}",
            "",
            f"Trained on {trained.frames} frames at {trained.fps} fps; shift {trained.shift}.",
            f"Sampling: {trained.sampling}.",
            "",
            trained.advice,
            "",
            "### Files, in ComfyUI's folder",
            "",
            *listed,
            "",
            "We checked this graph with small random models behind the same loaders, and never "
            "with these weights.",
        ]
    )
