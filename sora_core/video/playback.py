"""What a header asks of playback beyond what FFmpeg does: it is refused in a sentence."""

from av.container import InputContainer
from av.stream import Stream

from .container import FileSource, media_error, media_errors
from .matroska import orders_chapters
from .mp4 import edits_of, refused_edits, sample_entry, still_properties

UNAPPLIED = {b"clap": "crops", b"pasp": "stretches"}
"""Properties of HEIC and AVIF that FFmpeg does not apply."""


def check_playback(source: FileSource, container: InputContainer, stream: Stream) -> None:
    """MediaError if the header asks to show `stream` in a manner that is not followed."""
    with media_errors(source, "be read further"):
        if "mp4" in container.format.name:
            problem = _edits(source, stream) or _still(source, stream)
        elif "matroska" in container.format.name and orders_chapters(source):
            problem = "its chapters are in an order of their own"
        else:
            return
    if problem is not None:
        raise media_error(source, f"{problem}, which is not followed; re-encode it")


def _edits(source: FileSource, stream: Stream) -> str | None:
    problem = refused_edits(edits_of(source, stream.id))
    return problem and f"its edit list {problem}"


def _still(source: FileSource, stream: Stream) -> str | None:
    if sample_entry(source, stream.id) is not None:
        return None
    properties = still_properties(source)
    asked = [verb for kind, verb in UNAPPLIED.items() if kind in properties]
    return f"its header {' and '.join(asked)} the picture" if asked else None
