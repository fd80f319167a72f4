"""The sound of a video file, and the lag between two sounds."""

from pathlib import Path

import torch
from torch import Tensor

from sora_core.video.audio_reader import read_sound


def sound(path: Path) -> Tensor | None:
    """The first channel of the file's sound, or None if it has none."""
    chunks = list(read_sound(path))
    return torch.cat(chunks, dim=1)[0] if chunks else None


def lag(heard: Tensor, source: Tensor) -> int:
    """The lag of `source` in samples."""
    size = 2 ** (len(heard) + len(source)).bit_length()
    spectrum = torch.fft.rfft(heard, size) * torch.fft.rfft(source, size).conj()
    found = torch.fft.irfft(spectrum, size).argmax().item()
    return found if found < size // 2 else found - size
