"""Encrypted tracks, which FFmpeg decodes to garbage or fails at without a word about it.

Sample entries of ISO/IEC 23001-7 and of QuickTime for MP4, ContentEncryption of RFC 9559 for
Matroska.
"""

from av.container import InputContainer
from av.stream import Stream

from .container import FileSource, media_error, media_errors
from .matroska import encrypted_types
from .mp4 import sample_entry

PROTECTED = (b"encv", b"enca", b"drmi", b"drms")


def check_protection(source: FileSource, container: InputContainer, stream: Stream) -> None:
    """MediaError if `stream` is encrypted."""
    with media_errors(source, "be read further"):
        if "mp4" in container.format.name:
            entry = sample_entry(source, stream.id)
            protected = entry is not None and entry.kind in PROTECTED
        elif "matroska" in container.format.name:
            protected = stream.type in encrypted_types(source)
        else:
            return
    if protected:
        name = "video" if stream.type == "video" else "sound"
        raise media_error(source, f"its {name} is encrypted; use a copy without protection")
