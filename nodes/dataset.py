"""The nodes that turn a folder of clips into a plan, and a plan into latents for other trainers."""

import os
from contextlib import suppress
from pathlib import Path

import torch
from comfy_api.latest import io

from ..sora_core.checkpoints.text_file import SHIPPED_TEXT_ENCODER, read_text_config
from ..sora_core.errors import ConfigError
from ..sora_core.shapes import MAX_FRAMES, MAX_SIDE
from ..sora_core.training.own.folder import media_files, plan_folder
from ..sora_core.training.own.picture import plan_pages
from ..sora_core.training.own.plan import SPLITS, TRAIN, Plan, PlanSettings, table_lines
from ..sora_core.video.frames import images_from_frames
from .host.datasets import NO_FOLDER, dataset_folders, dataset_path
from .host.sampling import progress
from .host.sockets.checked import checked_inputs
from .host.temp_files import preview_files
from .host.training_latents import encoded_clips

SoraDatasetType = io.Custom("SORA_DATASET")


@checked_inputs
class SoraDataset(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraDataset",
            display_name="Sora Dataset",
            category="Sora/training",
            description="Plans training on your own videos and images, before any work: "
            "each clip with its size, frames, rate and tokens, and each file left out with the "
            "reason. Captions come from NAME.txt, metadata.jsonl, metadata.csv or captions.jsonl.",
            inputs=[
                io.Combo.Input(
                    "folder",
                    options=dataset_folders(),
                    default=NO_FOLDER,
                    tooltip="A folder with videos or images in ComfyUI's folder input, output or "
                    "datasets. Press R to list new ones.",
                ),
                io.Int.Input(
                    "width",
                    default=64,
                    min=16,
                    max=MAX_SIDE,
                    step=16,
                    tooltip="With height, the largest area of a frame. Each clip keeps its own "
                    "shape and is scaled down to it, never up.",
                ),
                io.Int.Input(
                    "height",
                    default=64,
                    min=16,
                    max=MAX_SIDE,
                    step=16,
                    tooltip="With width, the largest area of a frame.",
                ),
                io.Int.Input(
                    "frames",
                    default=17,
                    min=1,
                    max=MAX_FRAMES // 4 * 4 - 3,
                    step=4,
                    tooltip="Frames of the longest clip: 1, 5, 9, 13, 17 and so on, as a latent "
                    "holds them. Longer files become several clips.",
                ),
                io.Float.Input(
                    "fps",
                    default=8.0,
                    min=0.0,
                    max=240.0,
                    step=0.01,
                    tooltip="Frames a second that are used; 0 keeps the rate of each file. "
                    "sora-mini was trained at 8.",
                ),
                io.Int.Input(
                    "parts",
                    default=8,
                    min=1,
                    max=10_000,
                    tooltip="The most clips that one file becomes.",
                ),
                io.Float.Input(
                    "held_out",
                    default=0.1,
                    min=0.0,
                    max=0.9,
                    step=0.01,
                    tooltip="Share of the files that training never uses: the loss on them shows "
                    "when the model begins to memorise.",
                ),
                io.Boolean.Input(
                    "shots",
                    default=False,
                    tooltip="Split files at their cuts first. Needs PySceneDetect: pip install "
                    "scenedetect.",
                ),
                io.Boolean.Input(
                    "uncaptioned",
                    default=False,
                    tooltip="Use files without a caption too, with an empty one.",
                ),
            ],
            outputs=[
                SoraDatasetType.Output(display_name="dataset", tooltip="For Sora Train."),
                io.Image.Output(
                    display_name="picture", tooltip="The table of clips with thumbnails."
                ),
                io.String.Output(display_name="table", tooltip="The same as text."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, folder, **settings: object) -> str:
        return "" if folder == NO_FOLDER else folder_state(dataset_path(folder))

    @classmethod
    def execute(
        cls, folder, width, height, frames, fps, parts, held_out, shots, uncaptioned
    ) -> io.NodeOutput:
        settings = PlanSettings(
            area=width * height,
            frames=frames,
            fps=fps or None,
            parts=parts,
            held_out=held_out,
            shots=shots,
            uncaptioned=uncaptioned,
        )
        path = dataset_path(folder)
        tokenizer = read_text_config(SHIPPED_TEXT_ENCODER)[1]
        show = progress(2 * max(1, len(media_files(path))))
        plan = plan_folder(path, settings, tokenizer, lambda done, total: show(done))
        pages = plan_pages(plan, lambda done: show(len(plan.clips) + done))
        table = "\n".join(table_lines(plan))
        images = [image for page in pages for image in preview_files(page)]
        picture = images_from_frames(torch.cat(pages, dim=1))
        return io.NodeOutput(plan, picture, table, ui={"images": images, "text": (table,)})


@checked_inputs
class SoraEncodeDataset(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraEncodeDataset",
            display_name="Sora Encode Dataset",
            category="Sora/training",
            description="Encodes the clips of a dataset by any VAE and CLIP into the lists of "
            "latents and conditionings that ComfyUI's own Train LoRA takes.",
            inputs=[
                SoraDatasetType.Input("dataset", tooltip="From Sora Dataset."),
                io.Vae.Input("vae", tooltip="The VAE of the model to train."),
                io.Clip.Input("clip", tooltip="The text encoder of the model to train."),
                io.Combo.Input(
                    "split",
                    options=list(SPLITS),
                    default=TRAIN,
                    tooltip="The clips to train on, or those held out.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latents",
                    is_output_list=True,
                    tooltip="A latent for each clip, for the latents of Train LoRA.",
                ),
                io.Conditioning.Output(
                    display_name="positive",
                    is_output_list=True,
                    tooltip="A conditioning for each clip, for the positive of Train LoRA.",
                ),
            ],
        )

    @classmethod
    def execute(cls, dataset, vae, clip, split) -> io.NodeOutput:
        return io.NodeOutput(*encoded_clips(checked_plan(dataset), vae, clip, split))


def checked_plan(dataset: object) -> Plan:
    """`dataset` itself; ConfigError if another node's output was connected."""
    if not isinstance(dataset, Plan):
        raise ConfigError("dataset: no plan of Sora Dataset: connect Sora Dataset")
    return dataset


def folder_state(folder: Path) -> str:
    """A text that changes with the names, sizes and times of the files in `folder`."""
    rows = []
    for path in sorted(folder.rglob("*")):
        with suppress(OSError):  # it may disappear meanwhile
            state = os.stat(path)
            rows.append(f"{path} {state.st_size} {state.st_mtime_ns}")
    return "\n".join(rows)
