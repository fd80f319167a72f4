"""The node that loads a model."""

from comfy_api.latest import io

from ..sora_core.checkpoints.checkpoint import read_config
from ..sora_core.errors import ConfigError
from ..sora_core.pipeline.generate import MODELS, SHIPPED
from .host.models.clip import load_clip
from .host.models.model import load_model, with_lora
from .host.models.precision import WEIGHT_DTYPES
from .host.models.vae import load_vae
from .host.paths import model_names, model_path
from .host.sampling import progress
from .host.sockets.checked import checked_inputs
from .host.validation import checked_choice

ALL_STEPS = "off"
STEP_LORAS = {ALL_STEPS: "", "4 steps": "four-steps.safetensors"}
"""The choices of `few_steps`, and the LoRA that each adds."""


@checked_inputs
class SoraLoadModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraLoadModel",
            display_name="Sora Load Model",
            category="Sora/model",
            description="Loads a Sora model from one file as MODEL, CLIP and VAE, which all nodes "
            "of ComfyUI accept.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=model_names(),
                    default=SHIPPED,
                    tooltip="A model that ships with the pack, or a Sora model in ComfyUI's folder "
                    "diffusion_models.",
                ),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(WEIGHT_DTYPES),
                    default="default",
                    optional=True,
                    tooltip="default is the host's choice, float32 on a CPU. bf16 samples and "
                    "decodes faster where the processor has bfloat16, and changes the video "
                    "slightly; on a CPU footage stays exact.",
                ),
                io.Combo.Input(
                    "few_steps",
                    options=list(STEP_LORAS),
                    default=ALL_STEPS,
                    optional=True,
                    tooltip="4 steps adds a LoRA to sora-mini that was trained for it: set 4 steps "
                    "in Sora Schedule, a scale of 1 in Sora Guider, and the sampler euler.",
                ),
            ],
            outputs=[
                io.Model.Output(tooltip="The transformer, for any sampler."),
                io.Clip.Output(tooltip="The text encoder, for prompts."),
                io.Vae.Output(tooltip="The autoencoder, between pixels and latents."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, model, weight_dtype="default", few_steps=ALL_STEPS) -> str:
        file = model_path(model).stat()
        return f"{file.st_mtime_ns} {file.st_size}"

    @classmethod
    def execute(cls, model, weight_dtype="default", few_steps=ALL_STEPS) -> io.NodeOutput:
        checked_choice("weight_dtype", weight_dtype, list(WEIGHT_DTYPES))
        lora = STEP_LORAS[checked_choice("few_steps", few_steps, list(STEP_LORAS))]
        path = model_path(model)
        if lora and model != SHIPPED:
            raise ConfigError(
                f"few_steps {few_steps} is a LoRA of {SHIPPED}: choose that model, or {ALL_STEPS}"
            )
        bundle, show = read_config(path), progress(3)
        model = load_model(path, bundle, weight_dtype=weight_dtype)
        if lora:
            model = with_lora(model, MODELS / lora)
        show(1)
        clip = load_clip(path)
        show(2)
        vae = load_vae(path, bundle, weight_dtype)
        show(3)
        return io.NodeOutput(model, clip, vae)
