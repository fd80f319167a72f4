"""Training within the host, with its cancel button, progress, previews and folders."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import comfy.model_management as devices
import comfy.model_patcher
import comfy.sd
import comfy.utils
import numpy as np
import torch
from PIL import Image

from ...sora_core.checkpoints.checkpoint import read_config
from ...sora_core.errors import ConfigError
from ...sora_core.shapes import Frames
from ...sora_core.training.own.curve_picture import loss_picture
from ...sora_core.training.own.history import HELD_OUT_PREFIX, HISTORY, History, LossCurve
from ...sora_core.training.own.plan import Plan
from ...sora_core.training.sheets import SAMPLE_PAPER, SAMPLES_FILE
from ...sora_core.video.frames import contain
from .models.model import load_model

PACKAGES = "training needs more packages: python -m pip install -r {}"
REQUIREMENTS = "custom_nodes/sora_nodes/tools/requirements/train.txt"
CURVE_PREVIEW_SIDE = 768  # pixels; the page shows previews at the width of the node
VALIDATIONS, SOONEST, LATEST = 4, 10, 100  # times in a run; steps between two of them


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
    training loss, the held-out losses by name, and lines on clips that are gone or have changed and
    where the held-out loss turns.

    After a cancel, the state is saved before the host's interrupt is raised, and the same request
    continues from it. ConfigError where the packages for training are missing.
    """
    try:
        from ...sora_core.training.own.run import train_own
        from ...sora_core.training.own.settings import OwnSettings
        from ...sora_core.training.trainer import Progress
    except ImportError as problem:
        raise ConfigError(f"{PACKAGES.format(REQUIREMENTS)} ({problem.name})") from problem
    settings = OwnSettings(
        lora_rank=request.rank or None,
        start=str(request.start),
        steps=request.steps,
        validate_every=max(SOONEST, min(LATEST, request.steps // VALIDATIONS)),
        batch=request.batch,
        rate=request.rate or None,
        seed=request.seed,
    )
    encoded = comfy.utils.ProgressBar(len(plan.clips))
    display = _TrainingDisplay(request)

    def on_clip(done: int, total: int) -> None:
        devices.throw_exception_if_processing_interrupted()
        encoded.update_absolute(done)

    def on_progress(progress: Progress) -> None:
        display.progress(progress.step)

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
            on_values=display.values,
        )
    devices.throw_exception_if_processing_interrupted()
    history = History.read(request.folder / HISTORY, result.step)
    lines = list(dict.fromkeys([*lines, *result.warnings]))
    weights = TrainedWeights(result.file, request.start, bool(request.rank), request.folder.name)
    return weights, history.curve("loss"), history.beginning(HELD_OUT_PREFIX), lines


class _TrainingDisplay:
    """Shows training on the node: a bar; as preview the losses, and the newest samples below."""

    def __init__(self, request: TrainingRequest) -> None:
        self.folder, self.steps = request.folder, request.steps
        self.bar = comfy.utils.ProgressBar(request.steps)
        self.history: History | None = None
        self.step = 0

    def progress(self, step: int) -> None:
        """Moves the bar to `step`."""
        self.step = step
        self.bar.update_absolute(step, self.steps)

    def values(self, step: int, values: Mapping[str, float]) -> None:
        """Draws the preview again with `values`, below those of earlier steps of the run."""
        if self.history is None:  # the run has removed the steps that it repeats
            self.history = History.read(self.folder / HISTORY, step)
        else:
            self.history.collect(step, values)
        held_out = self.history.beginning(HELD_OUT_PREFIX)
        curve = loss_picture(self.history.curve("loss"), held_out, self.steps)
        picture = Image.fromarray(with_samples(curve, self.folder)[0].numpy())
        self.bar.update_absolute(
            max(step, self.step), self.steps, ("JPEG", picture, CURVE_PREVIEW_SIDE)
        )


def with_samples(curve: Frames, folder: Path) -> Frames:
    """`curve` above the newest samples of the run in `folder`, [1 y x 3]; alone without any."""
    with suppress(OSError), Image.open(folder / SAMPLES_FILE) as samples:
        pixels = torch.from_numpy(np.array(samples.convert("RGB")))[None]
        row = contain(pixels, curve.shape[2], pixels.shape[1], border=SAMPLE_PAPER)
        return torch.cat([curve, row], dim=1)
    return curve


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
