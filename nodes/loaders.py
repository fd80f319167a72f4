"""The node that loads a model."""

from comfy_api.latest import io

from ..sora_core.checkpoints.checkpoint import read_config
from ..sora_core.pipeline.generate import SHIPPED
from .host.models.clip import load_clip
from .host.models.model import load_model
from .host.models.precision import WEIGHT_DTYPES
from .host.models.vae import load_vae
from .host.paths import model_names, model_path
from .host.sampling import progress
from .host.sockets.checked import checked_inputs
from .host.validation import checked_choice


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
            ],
            outputs=[
                io.Model.Output(tooltip="The transformer, for any sampler."),
                io.Clip.Output(tooltip="The text encoder, for prompts."),
                io.Vae.Output(tooltip="The autoencoder, between pixels and latents."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, model, weight_dtype="default") -> str:
        file = model_path(model).stat()
        return f"{file.st_mtime_ns} {file.st_size}"

    @classmethod
    def execute(cls, model, weight_dtype="default") -> io.NodeOutput:
        checked_choice("weight_dtype", weight_dtype, list(WEIGHT_DTYPES))
        path = model_path(model)
        bundle, show = read_config(path), progress(3)
        model = load_model(path, bundle, weight_dtype=weight_dtype)
        show(1)
        clip = load_clip(path)
        show(2)
        vae = load_vae(path, bundle, weight_dtype)
        show(3)
        return io.NodeOutput(model, clip, vae)
