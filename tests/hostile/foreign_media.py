"""Foreign AUDIOs and VIDEOs: broken, of other types, or of other packs that fail."""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from io import BytesIO
from math import inf, nan
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import InputImpl, Types

from tests.hostile.foreign_images import COUNT, SIDE, Catalogue, picture, spoiled


class LazyAudio(Mapping[str, object]):
    """An AUDIO that is read when it is asked for, and whose file is gone by then."""

    def __getitem__(self, key: str) -> object:
        raise RuntimeError(f"ffmpeg failed to read {key}")

    def __iter__(self) -> Iterator[str]:
        return iter(("waveform", "sample_rate"))

    def __len__(self) -> int:
        return 2


class RaisingVideo(InputImpl.VideoFromComponents):
    """A VIDEO of another pack whose decoder fails."""

    def get_components(self) -> Types.VideoComponents:
        raise RuntimeError("decoder not found\nat line 3")


class EmptyVideo(InputImpl.VideoFromComponents):
    """A VIDEO of another pack that returns nothing."""

    def get_components(self) -> Any:
        return None


class LyingFile(InputImpl.VideoFromFile):
    """A VIDEO whose getters return values of other types than the host's do."""

    def get_dimensions(self) -> Any:
        return "wide"

    def get_duration(self) -> Any:
        return None

    def get_components(self) -> Any:
        return {"images": None}


class RaisingFile(InputImpl.VideoFromFile):
    """A VIDEO whose getters raise."""

    def get_stream_source(self) -> Any:
        raise AttributeError("no stream")

    def get_dimensions(self) -> Any:
        raise TypeError("no size")


def sounds() -> Catalogue:
    """AUDIOs."""
    wave = torch.sin(torch.arange(8000.0))[None, None]

    def audio(waveform: object, rate: object = 8000) -> Callable[[], object]:
        return lambda: {"waveform": waveform, "sample_rate": rate}

    return {
        "audio": audio(wave),
        "audio of 1 axis": audio(wave[0, 0]),
        "audio of 2 axes": audio(wave[0]),
        "audio of 4 axes": audio(wave[None]),
        "two audios": audio(wave.expand(2, -1, -1)),
        "audio of 3 channels": audio(wave.expand(-1, 3, -1)),
        "audio of 100 channels": audio(wave.expand(-1, 100, -1)),
        "no channels of audio": audio(wave[:, :0]),
        "no samples of audio": audio(wave[..., :0]),
        "one sample of audio": audio(wave[..., :1]),
        "nan audio": audio(spoiled(wave, nan)),
        "infinite audio": audio(spoiled(wave, inf)),
        "huge audio": audio(wave * 1e30),
        "half audio": audio(wave.half()),
        "float64 audio": audio(wave.double()),
        "int16 audio": audio(wave.mul(32767).to(torch.int16)),
        "numpy audio": audio(wave.numpy()),
        "audio None": audio(None),
        "rate 0": audio(wave, 0),
        "rate -1": audio(wave, -1),
        "rate nan": audio(wave, nan),
        "rate 1e9": audio(wave, 10**9),
        "rate 1": audio(wave, 1),
        "rate as text": audio(wave, "44100"),
        "rate as words": audio(wave, "fast"),
        "rate None": audio(wave, None),
        "rate 44100.0": audio(wave, 44100.0),
        "no rate": lambda: {"waveform": wave},
        "rate alone": lambda: {"sample_rate": 44100},
        "audio whose file is gone": LazyAudio,
    }


def videos(folder: Path) -> Catalogue:
    """VIDEOs, some of files below `folder`."""
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("hello world" * 100)
    sound = {"waveform": torch.zeros(1, 2, 8000), "sample_rate": 8000}

    def components(images: object, rate: object = Fraction(8), audio: object = None) -> Any:
        kind: Any = Types.VideoComponents
        return lambda: InputImpl.VideoFromComponents(
            kind(images=images, audio=audio, frame_rate=rate)
        )

    return {
        "video": components(picture()),
        "video with sound": components(picture(), audio=sound),
        "video of broken bytes": lambda: InputImpl.VideoFromFile(BytesIO(b"\0\1" * 500)),
        "video of no bytes": lambda: InputImpl.VideoFromFile(BytesIO()),
        "video of an empty file": lambda: InputImpl.VideoFromFile(str(folder / "empty.mp4")),
        "video of a text file": lambda: InputImpl.VideoFromFile(str(folder / "text.mp4")),
        "video of no file": lambda: InputImpl.VideoFromFile(str(folder / "gone.mp4")),
        "video of a folder": lambda: InputImpl.VideoFromFile(str(folder)),
        "video of None": lambda: InputImpl.VideoFromFile(None),  # pyright: ignore
        "video of 3": lambda: InputImpl.VideoFromFile(3),  # pyright: ignore
        "video without images": components(None),
        "video of no images": components(picture(0, SIDE, SIDE, 3)),
        "video of images with alpha": components(picture(COUNT, SIDE, SIDE, 4)),
        "video of one image y x 3": components(picture(SIDE, SIDE, 3)),
        "video of grey images": components(picture(COUNT, SIDE, SIDE, 1)),
        "video of nan": components(picture() * nan),
        "video of half images": components(picture().half()),
        "video of a list": components([picture()]),
        "video at 0 fps": components(picture(), 0),
        "video at -8 fps": components(picture(), -8),
        "video at nan fps": components(picture(), nan),
        "video at inf fps": components(picture(), inf),
        "video at 1e9 fps": components(picture(), 10**9),
        "video at text fps": components(picture(), "8"),
        "video at no fps": components(picture(), None),
        "video at 23.976 fps": components(picture(), 23.976),
        "video with text for sound": components(picture(), audio="la"),
        "video with nan sound": components(
            picture(), audio=sound | {"waveform": torch.full((1, 1, 9), nan)}
        ),
        "video with sound of 1 axis": components(
            picture(), audio=sound | {"waveform": torch.zeros(99)}
        ),
        "video that raises": lambda: RaisingVideo(None),  # pyright: ignore
        "video that returns None": lambda: EmptyVideo(None),  # pyright: ignore
        "video whose getters lie": lambda: LyingFile(str(folder / "text.mp4")),
        "video of bytes whose getters lie": lambda: LyingFile(BytesIO(b"abc")),
        "video whose getters raise": lambda: RaisingFile(str(folder / "text.mp4")),
    }
