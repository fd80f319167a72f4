"""A training run on a user's clips: from a plan to a LoRA or a model file.

The folder of a run holds `run.json` (settings and clips), `history.jsonl`, `report.html`,
`sheet-STEP.png`, `scalars` for TensorBoard, `checkpoint-STEP`, snapshots in `averages`, and the
results `best.safetensors` and `last.safetensors`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from ...checkpoints.captioner_file import load_captioner
from ...errors import MediaError, TrainingError
from ...files import remove_unfinished
from ...models.text_encoder import encode
from ...paths import released_folder
from ...shapes import Frames
from ..averages import Averages
from ..captioner import save_captioner
from ..distributed import Ranks
from ..lora import merged_state
from ..parallel import from_first
from ..sharded_checkpoint import ShardedFolder, step_of, trained_weights
from ..trainer import Progress, TrainingConfig, train
from .build import spread_over, text_objective, transformer_objective
from .cache import ClipCache, OnClip, check_encoded, encode_plan, open_cache
from .captioner_objective import (
    CaptionObjective,
    OwnCaptionerTask,
    extended,
    merged_captioner,
    readable,
    trained_captioner,
)
from .captions import edited_captions
from .clip_reader import PlanFiles
from .export import write_tuned
from .pixels import (
    OwnAutoencoderTask,
    OwnFrames,
    ReconstructionObjective,
    trained_autoencoder_part,
)
from .plan import HELD_OUT, TRAIN, Dropped, Plan, printable
from .post_hoc import SNAPSHOT_FOLDER, Snapshots, snapshot_due
from .reporting import TRUE_SHEET, OnNote, OnValues, RunReport
from .run_file import check_run, write_run
from .run_lock import locked_run
from .samples import OwnClip, OwnClips
from .settings import (
    AUTOENCODER_PART,
    CAPTIONER_PART,
    DECODER_PART,
    TEXT_PART,
    OwnSettings,
    chosen_device,
    half_precision,
)
from .task import MeasuredTask, OnValidation, OwnTransformerTask
from .text_objective import OwnTextTask

BEST, LAST = "best.safetensors", "last.safetensors"
RUN_CACHE = "cache"

Trainee = TypeVar("Trainee", bound=nn.Module)
OnLost = Callable[[Sequence[Dropped]], None]
"""Called once with the clips of the plan that cannot be used, if there are any."""


@dataclass(frozen=True, slots=True)
class OwnResult:
    """The last step of a run, the file to use, its report, and whether all steps are done.

    `warnings` are those of the report, in sentences.
    """

    step: int
    file: Path
    report: Path
    finished: bool
    warnings: Sequence[str] = ()


def train_own(
    plan: Plan,
    settings: OwnSettings,
    folder: Path,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] | None = None,
    *,
    cache_folder: Path | None = None,
    on_clip: OnClip = lambda done, total: None,
    on_lost: OnLost = lambda lost: None,
    on_note: OnNote = lambda note: None,
    on_values: OnValues = lambda step, values: None,
    ranks: Ranks | None = None,
    device: torch.device | None = None,
    runner_of: "Callable[..., Runner] | None" = None,
) -> OwnResult:
    """Trains on the clips of `plan`, or continues the run in `folder`, until its last step.

    Clips that `cache_folder` (by default within `folder`) lacks are encoded first; `on_lost` gets
    those whose file has disappeared or changed, and the others are trained on; `on_note` gets a
    sentence where captions have changed since the plan, whose own are used, and where the held-out
    loss turns; `on_values` gets what the history of the run does. After each step, and within a
    validation, `should_stop` may end the run; the same call then continues it. Every process of a
    group makes the same call, with its own `ranks` and `device`. `runner_of` makes another runner
    than that which trains. TrainingError names a setting that differs from the run in `folder`,
    another start file, another process that trains in `folder`, or a file that the disk refuses;
    ConfigError where a batch does not split evenly.
    """
    ranks, device = ranks or Ranks(), device or chosen_device(settings.device)
    settings.check_ranks(ranks.count)
    start = Path(settings.start) if settings.start else released_folder() / "sora-mini.safetensors"
    if not start.is_file():
        raise TrainingError(f"{start.name[:60]!a:.62}: there is no model file to start from")
    cache_folder = cache_folder or folder / RUN_CACHE
    create_folder(folder, "run")
    create_folder(cache_folder, "cache")
    check_run(folder, plan, settings, start)
    cache = open_cache(cache_folder, start)

    def encode_clips() -> None:
        lost = encode_plan(plan, cache, on_clip)
        check_encoded(lost, plan, cache)
        if lost:
            on_lost(lost)

    def begin() -> None:
        for written in (folder, folder / SNAPSHOT_FOLDER):
            remove_unfinished(written)
        write_run(folder, plan, settings, start)

    notes = edited_notes(plan)
    for note in notes if ranks.first else ():
        on_note(note)
    of_pixels = settings.what in (AUTOENCODER_PART, DECODER_PART)
    with locked_run(folder) if ranks.first else nullcontext(), refusing_disk(folder):
        if not of_pixels:
            from_first(ranks, encode_clips)
        from_first(ranks, begin)
        torch.manual_seed(settings.seed)
        runner = (runner_of or Runner)(
            plan, settings, folder, start, ranks, device, on_progress, should_stop, notes,
            on_values, on_note,
        )  # fmt: skip
        if of_pixels:
            frames, lost = own_frames(plan, on_clip if ranks.first else lambda done, total: None)
            if lost and ranks.first:
                on_lost(lost)
            return runner.pixels(cache, frames)
        return runner.captioner(cache) if settings.what == CAPTIONER_PART else runner.latents(cache)


def edited_notes(plan: Plan) -> list[str]:
    """A sentence where captions in the folder have changed since the plan, else nothing."""
    edited = edited_captions(Path(plan.folder), {clip.source: clip.caption for clip in plan.clips})
    if not edited:
        return []
    return [
        f"The caption of {printable(edited[0])[:60]} has changed since the plan, in all "
        f"{len(edited)} of them: those of the plan are used. Plan again to use the new ones."
    ]


@contextmanager
def refusing_disk(folder: Path) -> Iterator[None]:
    """Turns an OSError in the block into a TrainingError that names the file and `folder`."""
    try:
        yield
    except OSError as problem:
        file = Path(str(problem.filename or folder)).name
        raise TrainingError(
            f"{file[:60]!a:.62} of the run {folder.name[:60]!a:.62}: {problem.strerror or problem}"
            ": free some space, then continue from its last checkpoint"
        ) from problem


def create_folder(folder: Path, what: str) -> None:
    """Creates `folder` of the `what` of a run; TrainingError where the disk refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise TrainingError(
            f"folder of the {what} {folder.name[:60]!a:.62} cannot be created "
            f"({problem.strerror}): choose another"
        ) from problem


@dataclass(slots=True)
class Runner:
    """One run in one process."""

    plan: Plan
    settings: OwnSettings
    folder: Path
    start: Path
    ranks: Ranks
    device: torch.device
    on_progress: Callable[[Progress], None]
    should_stop: Callable[[], bool] | None
    notes: Sequence[str]
    on_values: OnValues
    on_note: OnNote

    def latents(self, cache: ClipCache) -> OwnResult:
        """The result of training the transformer, or the text encoder before it, on the clips."""
        if self.settings.what == TEXT_PART:
            model, kind = text_objective(self.start, self.settings), OwnTextTask
        else:
            model, kind = transformer_objective(self.start, self.settings), OwnTransformerTask
        averages, module, self.ranks = spread_over(model, self.settings, self.ranks, self.device)
        autoencoder, clips = cache.autoencoder.to(self.device), own_clips(self.plan, cache)

        def task(on_validation: OnValidation) -> OwnTransformerTask:
            return kind(
                model, module, averages, self.settings, self.ranks, self.device, on_validation,
                autoencoder, clips, should_stop=self.stop_evaluation,
            )  # fmt: skip

        report = self.report()
        if self.ranks.first:
            first = task(lambda step, values, best: None)
            report.references = first.true_rulers(self.folder / TRUE_SHEET)
        return self.run(task, averages, report)

    def captioner(self, cache: ClipCache) -> OwnResult:
        """The result of training the shipped captioner further on the captions of the clips."""
        clips = readable(own_clips(self.plan, cache))
        texts = [clip.caption for clip in (*clips.training, *clips.held_out)]
        model = trained_captioner(extended(load_captioner(), texts), self.settings)
        averages, module, self.ranks = spread_over(model, self.settings, self.ranks, self.device)
        autoencoder = cache.autoencoder.to(self.device)

        def task(on_validation: OnValidation) -> OwnCaptionerTask:
            return OwnCaptionerTask(
                model, module, averages, self.settings, self.ranks, self.device, on_validation,
                autoencoder, clips, should_stop=self.stop_evaluation,
            )  # fmt: skip

        return self.run(task, averages, self.report())

    def pixels(self, cache: ClipCache, frames: OwnFrames) -> OwnResult:
        """The result of training the autoencoder or its decoder on the frames of the clips."""
        model = trained_autoencoder_part(cache.autoencoder, self.settings)
        averages, module, self.ranks = spread_over(model, self.settings, self.ranks, self.device)

        def task(on_validation: OnValidation) -> OwnAutoencoderTask:
            return OwnAutoencoderTask(
                model, module, averages, self.settings, self.ranks, self.device, on_validation,
                frames, should_stop=self.stop_evaluation,
            )  # fmt: skip

        return self.run(task, averages, self.report())

    def stop_evaluation(self) -> bool:
        """Whether to end an evaluation; several processes end together, after a step only."""
        return self.ranks.count == 1 and self.should_stop is not None and self.should_stop()

    def report(self) -> RunReport:
        report = RunReport(self.folder, self.settings, self.plan, self.ranks, self.on_progress)
        report.notes = self.notes
        report.on_values, report.on_note = self.on_values, self.on_note
        return report

    def run(
        self,
        task_with: Callable[[OnValidation], MeasuredTask[Trainee]],
        averages: Averages[Trainee],
        report: RunReport,
    ) -> OwnResult:
        """Trains the task from `task_with`; writes checkpoints, report and results."""

        def on_validation(step: int, values: dict[str, float], best: int) -> None:
            if report.is_best(step, values):
                self.export(BEST, averages.models[best], names)

        task = task_with(on_validation)
        names = set(trained_weights(task.model))
        store = ShardedFolder(self.folder, self.ranks)
        loaded = reached(store)
        report.begin(loaded)
        snapshots = Snapshots(self.folder)
        if self.ranks.first:
            snapshots.forget_after(loaded)

        def after_step(step: int) -> None:
            if snapshot_due(step, self.settings.steps, self.settings.snapshots):
                tracks = {
                    power: self.weights(track, names) for power, track in averages.tracks.items()
                }
                if self.ranks.first:
                    snapshots.write(step, tracks)

        due = loaded % self.settings.validate_every == 0 or loaded == self.settings.steps
        train(
            task,
            training_config(self.settings, self.device),
            self.folder,
            self.ranks,
            resume=True,
            on_progress=report.progress,
            averages=averages,
            store=store,
            should_stop=self.should_stop,
            record=report.record,
            show_first=due and not report.validated(loaded),
            after_step=after_step,
        )
        self.export(LAST, averages.first, names)
        if self.ranks.first:
            report.write()
        step = reached(store)
        best = self.folder / BEST
        file = best if best.exists() else self.folder / LAST
        finished = step >= self.settings.steps
        return OwnResult(step, file, report.page, finished, report.warnings)

    def export(self, name: str, model: nn.Module, names: set[str]) -> None:
        """Writes the trained weights of `model` as a result; all processes call it."""
        weights = self.weights(model, names)
        if isinstance(model, ReconstructionObjective):  # no loader takes a LoRA of it
            weights = merged_state(model)
        if self.ranks.first and isinstance(model, CaptionObjective):
            save_captioner(merged_captioner(model.captioner), self.folder / name)
        elif self.ranks.first:
            write_tuned(self.folder / name, self.start, self.settings, weights)

    def weights(self, model: nn.Module, names: set[str]) -> dict[str, Tensor]:
        """The weights of `model` in `names`, each of them whole; all processes call it."""
        return {
            key: self.ranks.whole(weight.detach())
            for key, weight in model.named_parameters()
            if key in names
        }


def training_config(settings: OwnSettings, device: torch.device) -> TrainingConfig:
    """The settings of the training loop."""
    return TrainingConfig(
        steps=settings.steps,
        batch=settings.batch,
        matrix_rate=settings.learning_rate,
        rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup=settings.warmup,
        decay=settings.decay,
        clip=settings.clip,
        seed=settings.seed,
        until=settings.until,
        save_every=settings.save_every,
        show_every=settings.validate_every,
        report_every=max(1, min(20, settings.steps // 20)),
        half=half_precision(settings, device),
        device=str(device),
        accumulate=settings.accumulate,
    )


def reached(store: ShardedFolder) -> int:
    """The step of the newest checkpoint; 0 if there is none."""
    newest = store.newest()
    return 0 if newest is None else step_of(newest)


def own_clips(plan: Plan, cache: ClipCache) -> OwnClips:
    """The clips of `plan` from `cache`, and the states of the empty text."""

    def of(split: str) -> list[OwnClip]:
        found = []
        for clip in plan.of_split(split):
            latent, words = cache.latent(clip), cache.words(clip.caption)
            if latent is not None and words is not None:
                name = f"{clip.source}@{clip.start:g}"
                found.append(OwnClip(name, clip.caption, latent, words, clip.fps))
        return found

    empty = encode(cache.encoder, cache.tokenizer, [""])
    return OwnClips(of(TRAIN), of(HELD_OUT), empty.states[0][empty.mask[0]])


def own_frames(
    plan: Plan, on_clip: OnClip = lambda done, total: None
) -> tuple[OwnFrames, list[Dropped]]:
    """The frames of all clips of `plan`, in memory, and the files that are gone or have changed.

    MediaError where that leaves none to train on. `on_clip` may raise to stop.
    """
    lost: list[Dropped] = []
    frames: dict[str, list[Frames]] = {TRAIN: [], HELD_OUT: []}
    files = PlanFiles(plan)
    for done, clip in enumerate(plan.clips, 1):
        try:
            frames[clip.split].append(files.frames(clip))
        except MediaError as problem:
            lost.append(Dropped(clip.source, str(problem)))
        on_clip(done, len(plan.clips))
    if not frames[TRAIN]:
        first = f"{lost[0].source}: {lost[0].reason}" if lost else "the plan has none"
        raise MediaError(f"no clip is left to train on. {first}"[:300])
    return OwnFrames(frames[TRAIN], frames[HELD_OUT]), list(dict.fromkeys(lost))
