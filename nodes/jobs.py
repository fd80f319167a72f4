"""The node that lists the cached jobs of long videos, and removes them."""

from pathlib import Path

from comfy_api.latest import io

from ..sora_core.errors import MediaError
from ..sora_core.resume.jobs import Manifest, read_manifest, remove, size_on_disk
from ..sora_core.resume.prediction_cache import prediction_files
from ..sora_core.resume.retention import job_folders
from .host.paths import jobs_folder
from .host.resume.job_limits import job_limits, limits_text
from .host.sampling import progress
from .host.sockets.checked import checked_inputs
from .host.validation import checked_choice

NOTHING, FINISHED, ALL = "nothing", "finished", "all"
LISTED = 100  # jobs with a line of their own


@checked_inputs
class SoraJobs(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraJobs",
            display_name="Sora Jobs",
            category="Sora/sampling",
            description="Lists the long videos whose segments Sora Guider caches in the output "
            "folder, and removes chosen ones. A removed job starts from the beginning when it is "
            "queued again. Saved videos stay. Settings, Sora, Jobs limits finished jobs.",
            inputs=[
                io.Combo.Input(
                    "clear",
                    options=clearable(),
                    default=NOTHING,
                    tooltip="What to remove: nothing, finished jobs, all jobs, or one by its name. "
                    "A running job loses its cached segments and continues.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="jobs",
                    tooltip="A line for each remaining job, the last used first: name, start in "
                    "UTC, finished and total parts, cached predictions of the next part, size on "
                    "disk, and its content.",
                )
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, clear) -> float:
        return float("nan")  # the folder changes on its own: always run again

    @classmethod
    def execute(cls, clear) -> io.NodeOutput:
        choice = checked_choice("clear", clear, clearable())
        removed = [folder for folder in job_folders(jobs_folder()) if is_cleared(folder, choice)]
        show = progress(len(removed))
        refused = []
        for i, folder in enumerate(removed):
            try:
                remove(folder)
            except MediaError as problem:  # the others can still be removed
                refused.append(f"not removed: {problem}")
            show(i + 1)
        text = "\n".join([*job_lines(job_folders(jobs_folder())), *refused]) or "no jobs"
        return io.NodeOutput(text, ui={"text": (text,)})


def clearable() -> list[str]:
    """The options of `clear`."""
    return [NOTHING, FINISHED, ALL, *(folder.name for folder in job_folders(jobs_folder()))]


def is_cleared(folder: Path, choice: str) -> bool:
    """Whether the job in `folder` is to be removed."""
    if choice != FINISHED:
        return choice in (ALL, folder.name)
    manifest = read_manifest(folder)
    return manifest is not None and manifest.finished


def job_lines(folders: list[Path]) -> list[str]:
    """A line for each of the first `LISTED` jobs, one for the others, and one for the limits."""
    lines = [job_line(folder) for folder in folders[:LISTED]]
    if older := folders[LISTED:]:
        size = sum(map(size_on_disk, older))
        lines.append(f"and {len(older)} older jobs, {size / 1e6:.1f} MB")
    if folders:
        lines.append(f"finished jobs stay up to {limits_text(job_limits())}")
    return lines


def job_line(folder: Path) -> str:
    """The line of the list for the job in `folder`."""
    size = f"{size_on_disk(folder) / 1e6:.1f} MB"
    manifest = read_manifest(folder)
    if manifest is None:
        return f"{folder.name}  damaged  {size}"
    state = state_of(manifest, len(list(prediction_files(folder))))
    return f"{folder.name}  {manifest.begun[:16]}  {state}  {size}  {manifest.what}"


def state_of(manifest: Manifest, predicted: int) -> str:
    if manifest.finished:
        return f"finished, {manifest.total} parts"
    more = f" and {predicted} predictions" if predicted else ""
    return f"{len(manifest.done)} of {manifest.total} parts{more}"
