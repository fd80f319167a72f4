"""The report of a run in progress: history, page, warnings, remaining time, best step."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..distributed import Ranks
from ..sheets import sheets_in
from ..trainer import Progress
from .history import HELD_OUT_MEAN, HELD_OUT_PREFIX, HISTORY, History
from .page import Chart, Report, duration, write_page
from .plan import HELD_OUT, TRAIN, Plan
from .settings import OwnSettings
from .validation import turned_at

PAGE, TRUE_SHEET = "report.html", "true-clips.png"
PAGE_SECONDS = 30.0  # minimum interval of page writes between validations
LATEST_SHEETS = 3
RULER_UNITS = {
    "detail": (
        "of 255",
        "Mean difference of neighbouring pixels: below the true clips is blurred, above is noisy.",
    ),
    "colour": (
        "of 255",
        "Deviation of the pixels: below the true clips is pale, above is glaring.",
    ),
    "motion": ("of 255", "Mean difference of successive frames: 0 stands still."),
    "border": (
        "ratio",
        "Steps into a new latent frame over other steps: above 1, every fourth frame jumps.",
    ),
}
"""The unit and the meaning of each ruler."""
VALIDATED = (HELD_OUT_PREFIX, "generated/")
"""How the names of a validation's values begin."""

OnValues = Callable[[int, Mapping[str, float]], None]
"""Receives a step and its values by name, such as loss and held_out/mean."""

OnNote = Callable[[str], None]
"""Receives a sentence for the user."""


class RunReport:
    """Collects the reports of a run; the first process writes them to the folder of the run.

    `references` are the rulers of the true clips, `notes` sentences on the clips of this run;
    `on_values` receives all that the history does, once the contact sheet of a step is written;
    `on_note` a sentence where the held-out loss turns.
    """

    def __init__(
        self,
        folder: Path,
        settings: OwnSettings,
        plan: Plan,
        ranks: Ranks,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.folder, self.settings, self.plan, self.ranks = folder, settings, plan, ranks
        self.on_progress = on_progress
        self.references: Mapping[str, float] = {}
        self.notes: Sequence[str] = ()
        self.on_values: OnValues = lambda step, values: None
        self.on_note: OnNote = lambda note: None
        self.noted: Sequence[str] = ()
        self.history = History(folder / HISTORY)
        self.seconds_left, self.written = 0.0, 0.0
        self.best = float("inf")

    @property
    def page(self) -> Path:
        return self.folder / PAGE

    def begin(self, step: int) -> None:
        """Continues the history of a run from `step`; all processes call it."""
        if self.ranks.first:
            self.history = History.until(self.folder / HISTORY, step)
        else:
            self.history = History.read(self.folder / HISTORY, step)
        self.best = min((loss for _, loss in self.history.curve(HELD_OUT_MEAN)), default=self.best)

    def validated(self, step: int) -> bool:
        """Whether the history has a validation at `step`."""
        return any(
            at == step
            for name, curve in self.history.curves.items()
            if name.startswith(VALIDATED)
            for at, _ in curve[-1:]
        )

    def is_best(self, step: int, values: Mapping[str, float]) -> bool:
        """Whether this validation has the lowest held-out loss so far."""
        loss = values.get(HELD_OUT_MEAN, float("inf"))
        if loss < self.best:
            self.best = loss
            return True
        return False

    def progress(self, progress: Progress) -> None:
        self.seconds_left = progress.seconds_left
        self.on_progress(progress)

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Adds `values` to the history; after a validation, writes the page at once."""
        self.history.add(step, values)
        self.on_values(step, values)
        validated = any(name.startswith(VALIDATED) for name in values)
        if validated:
            for sentence in self.turned:
                if sentence not in self.noted:
                    self.on_note(sentence)
            self.noted = self.turned
        if validated or time.monotonic() - self.written > PAGE_SECONDS:
            self.write()

    @property
    def warnings(self) -> list[str]:
        """Warnings about the run for the user, in sentences."""
        found = [*self.plan.warnings, *self.notes]
        if not self.plan.of_split(HELD_OUT):
            found.append(
                "No clip is held out, so nothing here tells whether the model memorizes the clips: "
                "plan with a held-out share above 0."
            )
        return [*found, *self.turned]

    @property
    def turned(self) -> list[str]:
        """A sentence if the held-out loss has turned, else nothing."""
        step = turned_at(self.history.curve(HELD_OUT_MEAN))
        if step is None:
            return []
        return [
            f"The held-out loss has risen since step {step}: the model begins to memorize the "
            "clips. best.safetensors has the weights of that step; stop here, or add clips."
        ]

    def write(self) -> None:
        """Writes the page."""
        self.written = time.monotonic()
        curves, settings = self.history.curves, self.settings
        step = max((curve[-1][0] for curve in curves.values() if curve), default=0)
        train, held_out = (len(self.plan.of_split(split)) for split in (TRAIN, HELD_OUT))
        what = settings.what if settings.lora_rank is None else f"LoRA of rank {settings.lora_rank}"
        facts = {
            "trained": what,
            "step": f"{step} of {settings.steps}",
            "time left": duration(self.seconds_left) if step < settings.steps else "none: done",
            "clips": f"{train} to train, {held_out} held out, {len(self.plan.dropped)} left out",
            "settings": f"batch {settings.batch}, rate {settings.learning_rate:g}, seed "
            f"{settings.seed}, processes {self.ranks.count}",
        }
        held_out_losses = self.history.curve(HELD_OUT_MEAN)
        best_step = next((at for at, loss in held_out_losses if loss == self.best), None)
        if best_step is not None:
            facts["least held-out loss"] = f"{self.best:.4g} at step {best_step}: best.safetensors"

        def chosen(prefix: str) -> dict[str, list[tuple[int, float]]]:
            return {
                name.removeprefix(prefix): curve
                for name, curve in self.history.beginning(prefix).items()
            }

        held = chosen(HELD_OUT_PREFIX)
        averages = {name: curve for name, curve in held.items() if name.startswith("average")}
        levels = {f"level {name}": curve for name, curve in held.items() if name[0].isdigit()}
        charts = [
            Chart("Training loss", "loss", {"loss": curves.get("loss", [])}, logarithmic=True),
            Chart(
                "Held-out loss of each average of the weights",
                "loss",
                averages,
                logarithmic=True,
                meaning="On clips that no training uses. Where it rises, the model memorizes.",
                marked=best_step,
            ),
            Chart(
                "Held-out loss at three noise levels",
                "loss",
                levels,
                logarithmic=True,
                meaning="Of the first average. At 0.3 the model restores details, at 0.9 it "
                "decides the composition.",
            ),
        ]
        if "held_out/psnr" in curves:
            charts.append(Chart("Held-out PSNR", "dB", {"psnr": curves["held_out/psnr"]}))
        for name, curve in chosen("generated/").items():
            true = self.references.get(name)
            level = {"true clips": [(x, true) for x, _ in curve]} if true is not None else {}
            title, both = f"Generated clips: {name}", {"generated": curve, **level}
            unit, meaning = RULER_UNITS.get(name, ("", ""))
            charts.append(Chart(title, unit, both, meaning=meaning))
        pictures = [
            (sheet, f"Samples of step {at}, held-out clips first")
            for at, sheet in sheets_in(self.folder)
        ]
        if len(pictures) > LATEST_SHEETS:
            pictures = [*pictures[:LATEST_SHEETS], pictures[-1]]
        title = f"Training of {self.folder.name}"
        true = self.folder / TRUE_SHEET
        references = [(true, "The true clips, through the autoencoder")] if true.exists() else []
        write_page(self.page, Report(title, facts, self.warnings, charts, pictures, references))
