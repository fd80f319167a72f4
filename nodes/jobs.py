"""The node that lists the cached jobs of long videos, and removes them."""

from pathlib import Path

from comfy_api.latest import io

from ..sora_core.errors import MediaError
from ..sora_core.resume.jobs import Manifest, jobs, read_manifest, remove, size_on_disk
from ..sora_core.resume.prediction_cache import prediction_files
from .host.paths import jobs_folder
from .host.sampling import progress
from .host.validation import checked_choice

NOTHING, FINISHED, ALL = "nothing", "finished", "all"


class SoraJobs(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraJobs",
            display_name="Sora Jobs",
            category="Sora/sampling",
            description="Lists the long videos whose segments Sora Guider caches in the output "
            "folder, and removes chosen ones. A removed job starts from the beginning when it is "
            "queued again. Saved videos stay.",
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
                    tooltip="A line for each remaining job: name, start in UTC, finished and total "
                    "parts, cached predictions of the next part, size on disk, and its content.",
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
        removed = [folder for folder in jobs(jobs_folder()) if is_cleared(folder, choice)]
        show = progress(len(removed))
        refused = []
        for i, folder in enumerate(removed):
            try:
                remove(folder)
            except MediaError as problem:  # the others can still be removed
                refused.append(f"not removed: {problem}")
            show(i + 1)
        lines = [job_line(folder) for folder in jobs(jobs_folder())] + refused
        text = "\n".join(lines) or "no jobs"
        return io.NodeOutput(text, ui={"text": (text,)})


def clearable() -> list[str]:
    """The options of `clear`."""
    return [NOTHING, FINISHED, ALL, *(folder.name for folder in jobs(jobs_folder()))]


def is_cleared(folder: Path, choice: str) -> bool:
    """Whether the job in `folder` is to be removed."""
    manifest = read_manifest(folder)
    finished = manifest is not None and manifest.finished
    return choice in (ALL, folder.name) or (choice == FINISHED and finished)


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
