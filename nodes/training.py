"""The nodes that train a model on a dataset and save the trained weights."""

import shutil
from pathlib import Path

from comfy_api.latest import io

from ..sora_core.errors import ConfigError, MediaError
from ..sora_core.files import replacing
from ..sora_core.pipeline.generate import SHIPPED
from ..sora_core.video.frames import frames_from_images
from .dataset import SoraDatasetType, checked_plan
from .host.datasets import cache_folder, run_folder, unused_weights
from .host.paths import model_names, model_path
from .host.sockets.checked import checked_inputs
from .host.temp_files import preview_files
from .host.training import (
    TrainedWeights,
    TrainingRequest,
    loss_images,
    train_in_host,
    tuned_model,
    with_samples,
)
from .prompt import seed_input

LORA_FOLDER, WHOLE_FOLDER = "loras", "diffusion_models"
MOST_STEPS = 1_000_000

SoraWeightsType = io.Custom("SORA_WEIGHTS")


@checked_inputs
class SoraTrain(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraTrain",
            display_name="Sora Train",
            category="Sora/training",
            description="Trains a Sora model on a dataset, as a LoRA or whole. Cancel at any time: "
            "the run is saved in the output folder, and the same node continues it. Its folder has "
            "a report with curves and samples, report.html.",
            inputs=[
                SoraDatasetType.Input("dataset", tooltip="From Sora Dataset."),
                io.Combo.Input(
                    "model",
                    options=model_names(),
                    default=SHIPPED,
                    tooltip="The model to start from, as Sora Load Model lists it.",
                ),
                io.String.Input(
                    "name",
                    default="my_clips",
                    tooltip="The run's folder in output/sora_training. A run of this name "
                    "continues if its settings are the same; more steps are allowed.",
                ),
                io.Int.Input(
                    "rank",
                    default=8,
                    min=0,
                    max=256,
                    tooltip="Rank of the LoRA: more learns more and overfits sooner. 0 trains all "
                    "weights.",
                ),
                io.Int.Input(
                    "steps",
                    default=500,
                    min=1,
                    max=MOST_STEPS,
                    tooltip="Training steps in all, of continued runs too.",
                ),
                io.Int.Input(
                    "batch",
                    default=4,
                    min=1,
                    max=1024,
                    tooltip="Clips in a step. Fewer need less memory and are noisier.",
                ),
                io.Float.Input(
                    "rate",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.00001,
                    tooltip="Learning rate; 0 chooses: 0.002 for a LoRA, 0.001 for all weights.",
                ),
                seed_input(),
            ],
            outputs=[
                io.Model.Output(tooltip="The tuned model, for any sampler."),
                SoraWeightsType.Output(display_name="weights", tooltip="For Sora Save LoRA."),
                io.Image.Output(
                    display_name="curve", tooltip="Training and held-out loss over the steps."
                ),
                io.String.Output(
                    display_name="report", tooltip="The folder of the run, and its last losses."
                ),
            ],
        )

    @classmethod
    def execute(cls, dataset, model, name, rank, steps, batch, rate, seed) -> io.NodeOutput:
        plan = checked_plan(dataset)
        folder = run_folder(name)
        request = TrainingRequest(
            start=model_path(model),
            folder=folder,
            cache=cache_folder(),
            rank=rank,
            steps=steps,
            batch=batch,
            rate=rate,
            seed=seed,
        )
        weights, losses, held_out, clip_lines = train_in_host(plan, request)
        curve = loss_images(losses, held_out, steps)
        lines = [f"{folder.name}: {steps} steps, report.html in output/sora_training/{name}"]
        lines += [
            f"{title} {points[-1][1]:.4f}"
            for title, points in {"loss": losses, **held_out}.items()
            if points
        ]
        report = "\n".join([*lines, *clip_lines])
        images = preview_files(with_samples(frames_from_images(curve), folder))
        display = {"images": images, "text": (report,)}
        return io.NodeOutput(tuned_model(weights), weights, curve, report, ui=display)


@checked_inputs
class SoraSaveLora(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraSaveLora",
            display_name="Sora Save LoRA",
            category="Sora/training",
            description="Saves what Sora Train has learned where ComfyUI finds it: a LoRA in "
            "output/loras, for Load LoRA, and a whole model in output/diffusion_models, for Sora "
            "Load Model.",
            inputs=[
                SoraWeightsType.Input("weights", tooltip="From Sora Train."),
                io.String.Input(
                    "prefix",
                    default="sora_lora",
                    tooltip="The file's name, to which a number is added. It may have folders.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="name", tooltip="The name of the file, as loaders list it."
                )
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, weights, prefix) -> io.NodeOutput:
        if not isinstance(weights, TrainedWeights):
            raise ConfigError("weights: no weights of Sora Train: connect Sora Train")
        kind = LORA_FOLDER if weights.is_lora else WHOLE_FOLDER
        path, name = unused_weights(kind, prefix)
        copy_whole(weights.file, path)
        text = f"output/{kind}/{name}"
        return io.NodeOutput(name, ui={"text": (text,)})


def copy_whole(source: Path, path: Path) -> None:
    """Copies the file at `source` to `path` whole or not at all; MediaError where it fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as unfinished:
            shutil.copyfile(source, unfinished)
    except OSError as problem:
        raise MediaError(
            f"{path.name[:60]!a:.62} cannot be saved ({problem.strerror}): free space in the "
            "output folder, or run Sora Train again"
        ) from problem
