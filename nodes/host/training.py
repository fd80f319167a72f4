"""Training within the host, with its cancel button, progress, previews and folders."""

from dataclasses import dataclass
from pathlib import Path

import comfy.model_management as devices
import comfy.model_patcher
import comfy.sd
import comfy.utils
import torch
from PIL import Image

from ...sora_core.checkpoints.checkpoint import read_config
from ...sora_core.errors import ConfigError
from ...sora_core.training.own.curve_picture import loss_picture
from ...sora_core.training.own.history import LossCurve
from ...sora_core.training.own.plan import Plan
from .models.model import load_model

PACKAGES = "training needs more packages: python -m pip install -r {}"
REQUIREMENTS = "custom_nodes/sora_nodes/tools/requirements/train.txt"


@dataclass(frozen=True, slots=True)
class TrainedWeights:
    """The result of a run in a file: a LoRA for `start`, or a whole model."""

    file: Path
    start: Path
    is_lora: bool
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRequest:
    """The settings of Sora Train; `rank` 0 trains all weights, `rate` 0 is the default rate."""

    start: Path
    folder: Path
    cache: Path
    rank: int
    steps: int
    batch: int
    rate: float
    seed: int


def train_in_host(
    plan: Plan, request: TrainingRequest
) -> tuple[TrainedWeights, LossCurve, dict[str, LossCurve], list[str]]:
    """Trains on `plan`, or continues the run in the folder of `request`; returns the weights, the
    training loss, the held-out losses by name, and lines on clips that are gone or have changed.

    After a cancel, the state is saved before the host's interrupt is raised, and the same request
    continues from it. ConfigError where the packages for training are missing.
    """
    try:
        from ...sora_core.training.own.history import History
        from ...sora_core.training.own.reporting import HISTORY
        from ...sora_core.training.own.run import train_own
        from ...sora_core.training.own.settings import OwnSettings
        from ...sora_core.training.trainer import Progress
    except ImportError as problem:
        raise ConfigError(f"{PACKAGES.format(REQUIREMENTS)} ({problem.name})") from problem
    settings = OwnSettings(
        lora_rank=request.rank or None,
        start=str(request.start),
        steps=request.steps,
        batch=request.batch,
        rate=request.rate or None,
        seed=request.seed,
    )
    encoded = comfy.utils.ProgressBar(len(plan.clips))
    display = _TrainingDisplay(request.steps)

    def on_clip(done: int, total: int) -> None:
        devices.throw_exception_if_processing_interrupted()
        encoded.update_absolute(done)

    def on_progress(progress: Progress) -> None:
        display(progress.step, progress.loss)

    lines: list[str] = []
    devices.unload_all_models()  # training needs the memory
    # The host runs nodes in inference mode, whose tensors take no gradient.
    with torch.inference_mode(False), torch.enable_grad():
        result = train_own(
            plan,
            settings,
            request.folder,
            on_progress,
            devices.processing_interrupted,
            cache_folder=request.cache,
            on_clip=on_clip,
            on_lost=lambda lost: lines.extend(f"lost: {one.source}: {one.reason}" for one in lost),
            on_note=lines.append,
        )
    devices.throw_exception_if_processing_interrupted()
    history = History.read(request.folder / HISTORY, result.step)
    held_out = {
        name: points for name, points in history.curves.items() if name.startswith("held_out/")
    }
    weights = TrainedWeights(result.file, request.start, bool(request.rank), request.folder.name)
    return weights, history.curve("loss"), held_out, lines


class _TrainingDisplay:
    """Shows the progress of training on the node: a bar, and the curve of the loss as preview."""

    def __init__(self, steps: int) -> None:
        self.bar = comfy.utils.ProgressBar(steps)
        self.steps = steps
        self.points: LossCurve = []

    def __call__(self, step: int, loss: float) -> None:
        self.points.append((step, loss))
        picture = Image.fromarray(loss_picture(self.points, {}, self.steps)[0].numpy())
        self.bar.update_absolute(step, self.steps, ("JPEG", picture, 512))


def tuned_model(weights: TrainedWeights, strength: float = 1.0) -> comfy.model_patcher.ModelPatcher:
    """The trained transformer as a MODEL; for a LoRA, the patched model it started from."""
    if not weights.is_lora:
        return load_model(weights.file, read_config(weights.file))
    model = load_model(weights.start, read_config(weights.start))
    lora = comfy.utils.load_torch_file(str(weights.file), safe_load=True)
    patched, _ = comfy.sd.load_lora_for_models(model, None, lora, strength, 0.0)
    if patched is None:
        raise ConfigError(
            f"{weights.name[:60]!a:.62} is no LoRA for {weights.start.name[:60]!a:.62}"
        )
    return patched


def loss_images(points: LossCurve, held_out: dict[str, LossCurve], steps: int) -> torch.Tensor:
    """The loss curve of a run as an IMAGE."""
    return loss_picture(points, held_out, steps).float() / 255
