"""What other packs, and scripts at the API, connect to an input: a catalogue of foreign values."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from io import BytesIO
from math import inf, nan
from pathlib import Path
from types import MappingProxyType
from typing import Any

import comfy.sd
import numpy as np
import torch
from comfy_api.latest import InputImpl, Types
from torch import Tensor

Good = Mapping[str, Any]
"""A valid value for each socket type."""

Catalogue = dict[str, Callable[[], object]]
"""Names of values, and what makes each anew."""

SIDE, COUNT = 32, 4


class Anything:
    """Has every attribute, and each is another of its kind."""

    def __getattr__(self, name: str) -> "Anything":
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __call__(self, *_: object, **__: object) -> "Anything":
        return Anything()


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


class ForeignNoise:
    """A NOISE of another pack."""

    def __init__(self, make: Callable[[Tensor], object], seed: object = 1) -> None:
        self.make, self.seed = make, seed

    def generate_noise(self, latent: dict[str, Any]) -> object:
        return self.make(latent["samples"])


def picture(*shape: int) -> Tensor:
    return torch.rand(shape or (COUNT, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(5))


def spoiled(tensor: Tensor, value: float) -> Tensor:
    """A copy of `tensor` whose middle value is `value`."""
    result = tensor.clone()
    result.view(-1)[result.numel() // 2] = value
    return result


def objects() -> Catalogue:
    """Plain Python values and objects of no sense."""
    return {
        "None": lambda: None,
        "True": lambda: True,
        "zero": lambda: 0,
        "-0.0": lambda: -0.0,
        "-1": lambda: -1,
        "3": lambda: 3,
        "3.0": lambda: 3.0,
        "0.5": lambda: 0.5,
        "2**63": lambda: 2**63,
        "10**300": lambda: 10**300,
        "10**400": lambda: 10**400,
        "1e308": lambda: 1e308,
        "nan": lambda: nan,
        "inf": lambda: inf,
        "-inf": lambda: -inf,
        "complex": lambda: 1j,
        "Decimal nan": lambda: Decimal("NaN"),
        "Fraction": lambda: Fraction(1, 2),
        "numpy float": lambda: np.float64(0.5),
        "numpy nan": lambda: np.float32(nan),
        "numpy int": lambda: np.int64(2),
        "empty text": lambda: "",
        "7 as text": lambda: "7",
        "nan as text": lambda: "nan",
        "long text": lambda: "a red ball " * 20_000,
        "surrogate": lambda: "\ud800",
        "NUL": lambda: "a\0b",
        "lines": lambda: "a\nb",
        "bytes": lambda: b"abc",
        "empty list": list,
        "list of None": lambda: [None],
        "list of numbers": lambda: [1.0, 0.5, 0.0],
        "nested list": lambda: [[]],
        "tuple": lambda: (1, 2),
        "empty dict": dict,
        "set": lambda: {1},
        "object": object,
        "class": lambda: dict,
        "function": lambda: print,
        "module": lambda: torch,
        "path": lambda: Path("/etc/passwd"),
        "error": lambda: ValueError("x"),
        "anything": Anything,
        "generator": lambda: (i for i in range(3)),
        "numpy image": lambda: picture().numpy(),
        "scalar tensor": lambda: torch.tensor(0.5),
        "nan tensor": lambda: torch.tensor(nan),
        "device": lambda: torch.device("cpu"),
        "module of torch": lambda: torch.nn.Linear(2, 2),
    }


def images() -> Catalogue:
    """Tensors near an IMAGE or a MASK."""
    return {
        "image": picture,
        "image y x 3": lambda: picture(SIDE, SIDE, 3),
        "image with alpha": lambda: picture(COUNT, SIDE, SIDE, 4),
        "grey image": lambda: picture(COUNT, SIDE, SIDE, 1),
        "image of 2 channels": lambda: picture(COUNT, SIDE, SIDE, 2),
        "image of 5 channels": lambda: picture(COUNT, SIDE, SIDE, 5),
        "image channels first": lambda: picture(COUNT, 3, SIDE, SIDE),
        "batch of videos": lambda: picture(1, COUNT, SIDE, SIDE, 3),
        "image of 6 axes": lambda: picture(1, 1, COUNT, SIDE, SIDE, 3),
        "no images": lambda: picture(0, SIDE, SIDE, 3),
        "no rows": lambda: picture(1, 0, SIDE, 3),
        "no channels": lambda: picture(1, SIDE, SIDE, 0),
        "one pixel": lambda: picture(1, 1, 1, 3),
        "other size": lambda: picture(COUNT, 7, 51, 3),
        "wide strip": lambda: picture(1, 1, 5000, 3),
        "half image": lambda: picture().half(),
        "bfloat16 image": lambda: picture().bfloat16(),
        "float64 image": lambda: picture().double(),
        "uint8 image": lambda: picture().mul(255).to(torch.uint8),
        "int64 image": lambda: picture().mul(255).long(),
        "bool image": lambda: picture() > 0.5,
        "complex image": lambda: torch.complex(picture(), picture()),
        "nan image": lambda: spoiled(picture(), nan),
        "all nan image": lambda: picture() * nan,
        "infinite image": lambda: spoiled(picture(), inf),
        "huge image": lambda: picture() * 1e30,
        "negative image": lambda: -picture(),
        "image as a view": lambda: picture(3, SIDE, COUNT, SIDE).permute(2, 1, 3, 0),
        "expanded image": lambda: picture(1, SIDE, SIDE, 3).expand(COUNT, -1, -1, -1),
        "image with gradient": lambda: torch.nn.Parameter(picture()),
        "sparse image": lambda: picture().to_sparse(),
        "meta image": lambda: picture().to("meta"),
        "nested image": lambda: torch.nested.nested_tensor([picture(2, 2), picture(3, 2)]),
        "tensor of no axes": lambda: torch.zeros(()),
        "empty tensor": lambda: torch.zeros(0),
        "mask y x": lambda: picture(SIDE, SIDE),
        "mask of ones": lambda: torch.ones(1, SIDE, SIDE),
        "mask a frame": lambda: picture(COUNT, SIDE, SIDE),
        "mask of 3 frames": lambda: picture(3, SIDE, SIDE),
        "mask of 4 axes": lambda: picture(COUNT, 1, SIDE, SIDE),
        "mask of a video": lambda: picture(1, 1, COUNT, SIDE, SIDE),
        "mask of another size": lambda: picture(1, 9, 70),
        "no masks": lambda: picture(0, SIDE, SIDE),
        "empty mask": lambda: picture(1, 0, 0),
        "bool mask": lambda: picture(1, SIDE, SIDE) > 0.5,
        "int mask": lambda: torch.ones(1, SIDE, SIDE, dtype=torch.int32),
        "uint8 mask": lambda: torch.full((1, SIDE, SIDE), 255, dtype=torch.uint8),
        "half mask": lambda: picture(1, SIDE, SIDE).half(),
        "float64 mask": lambda: picture(1, SIDE, SIDE).double(),
        "nan mask": lambda: spoiled(picture(1, SIDE, SIDE), nan),
        "infinite mask": lambda: spoiled(picture(1, SIDE, SIDE), -inf),
        "mask above 1": lambda: picture(1, SIDE, SIDE) * 255,
        "mask below 0": lambda: picture(1, SIDE, SIDE) - 2,
    }


def latents(good: Good) -> Catalogue:
    """LATENTs derived from a valid one, which a canvas made."""
    latent = good["LATENT"]
    samples: Tensor = latent["samples"]
    plain = {"samples": samples}

    def other(**changes: object) -> Callable[[], object]:
        return lambda: latent | changes

    def alone(make: Callable[[Tensor], object]) -> Callable[[], object]:
        return lambda: {"samples": make(samples.clone())}

    def masked(mask: object) -> Callable[[], object]:
        return lambda: plain | {"noise_mask": mask}

    return {
        "samples None": other(samples=None),
        "samples as a list": lambda: {"samples": samples.tolist()},
        "no samples": lambda: {"noise_mask": torch.ones(1, 1, 4, 4)},
        "latent read-only": lambda: MappingProxyType(plain),
        "latent without a canvas": alone(lambda x: x),
        "latent of 4 axes": alone(lambda x: x[:, :, 0]),
        "latent of 4 axes, 4 channels": lambda: {"samples": torch.zeros(1, 4, 4, 4)},
        "latent of 4 channels": alone(lambda x: x[:, :4]),
        "latent of 3 axes": alone(lambda x: x[:, :, 0, 0]),
        "latent of 6 axes": alone(lambda x: x[None]),
        "nan latent": alone(lambda x: spoiled(x, nan)),
        "nan latent of the canvas": other(samples=spoiled(samples, nan)),
        "infinite latent": alone(lambda x: spoiled(x, inf)),
        "huge latent": alone(lambda x: x * 1e30),
        "half latent": alone(lambda x: x.half()),
        "bfloat16 latent": alone(lambda x: x.bfloat16()),
        "float64 latent": alone(lambda x: x.double()),
        "int latent": alone(lambda x: x.long()),
        "bool latent": alone(lambda x: x > 0),
        "no latents": alone(lambda x: x[:0]),
        "two latents": alone(lambda x: torch.cat([x, x])),
        "two latents of the canvas": other(samples=torch.cat([samples, samples])),
        "no latent frames": alone(lambda x: x[:, :, :0]),
        "one latent frame": alone(lambda x: x[:, :, :1]),
        "one cell": alone(lambda x: x[:, :, :1, :1, :1]),
        "latent of odd sides": lambda: {"samples": torch.zeros(1, samples.shape[1], 2, 3, 5)},
        "latent as a view": alone(lambda x: x.transpose(3, 4)),
        "expanded latent": alone(lambda x: x[:, :, :1].expand(-1, -1, 3, -1, -1)),
        "latent with gradient": alone(torch.nn.Parameter),
        "meta latent": alone(lambda x: x.to("meta")),
        "sparse latent": alone(lambda x: x.to_sparse()),
        "mask of 2 axes in a latent": masked(torch.ones(SIDE, SIDE)),
        "mask of 3 axes in a latent": masked(torch.ones(1, SIDE, SIDE)),
        "mask of 4 axes in a latent": masked(torch.ones(1, 1, SIDE, SIDE)),
        "mask of other sides in a latent": masked(torch.ones(1, 1, 1, 7, 9)),
        "mask of a batch in a latent": masked(torch.ones(3, 1, 1, 4, 4)),
        "nan mask in a latent": masked(torch.full((1, 1, 1, 4, 4), nan)),
        "infinite mask in a latent": masked(torch.full((1, 1, 1, 4, 4), inf)),
        "mask above 1 in a latent": masked(torch.full((1, 1, 1, 4, 4), 7.0)),
        "bool mask in a latent": masked(torch.ones(1, 1, 1, 4, 4, dtype=torch.bool)),
        "int mask in a latent": masked(torch.ones(1, 1, 1, 4, 4, dtype=torch.int64)),
        "half mask in a latent": masked(torch.ones(1, 1, 1, 4, 4).half()),
        "empty mask in a latent": masked(torch.ones(0)),
        "text as the mask of a latent": masked("white"),
        "mask None in a latent": masked(None),
        "text as the canvas of a latent": other(sora_canvas_latent="canvas"),
        "batch_index as text": lambda: plain | {"batch_index": "x"},
        "latent of sound": lambda: {"samples": torch.zeros(1, 64, 100), "type": "audio"},
    }


def conditionings(good: Good) -> Catalogue:
    """CONDITIONINGs derived from a valid one."""
    states, options = good["CONDITIONING"][0]

    def pair(first: object, **more: object) -> Callable[[], object]:
        return lambda: [[first, options | more]]

    return {
        "pair without options": lambda: [[states]],
        "pair with None": lambda: [[states, None]],
        "pair with a list": lambda: [[states, []]],
        "conditioning without states": pair(None),
        "states as text": pair("a red ball"),
        "options alone": lambda: [dict(options)],
        "pairs as tuples": lambda: ((states, options),),
        "two pairs": lambda: [[states, dict(options)], [states, dict(options)]],
        "three pairs, one None": lambda: [[states, dict(options)], None],
        "width of CLIP-L": pair(torch.zeros(1, 77, 768)),
        "width of T5": pair(torch.zeros(1, 128, 4096)),
        "states of 2 axes": pair(states[0]),
        "states of 4 axes": pair(states[None]),
        "states of a batch": pair(states.expand(2, -1, -1)),
        "no tokens": pair(states[:, :0]),
        "nan states": pair(spoiled(states, nan)),
        "infinite states": pair(spoiled(states, inf)),
        "huge states": pair(states * 1e30),
        "half states": pair(states.half()),
        "float64 states": pair(states.double()),
        "int states": pair(states.long()),
        "meta states": pair(states.to("meta")),
        "pooled as text": pair(states, pooled_output="x"),
        "pooled None": pair(states, pooled_output=None),
        "pooled nan": pair(states, pooled_output=torch.full((1, 768), nan)),
        "pooled of SDXL": pair(states, pooled_output=torch.zeros(1, 1280)),
        "strength as text": pair(states, strength="strong"),
        "strength nan": pair(states, strength=nan),
        "area as text": pair(states, area="left"),
        "area of 2 numbers": pair(states, area=(4, 4)),
        "area of an image": pair(states, area=(4, 4, 0, 0)),
        "mask as text": pair(states, mask="white", mask_strength=1.0),
        "mask of nan": pair(states, mask=torch.full((1, 4, 4), nan), mask_strength=1.0),
        "mask of an area": pair(states, mask=torch.ones(1, SIDE, SIDE), mask_strength=1.0),
        "percent as text": pair(states, start_percent="x", end_percent=1.0),
        "percent over a half": pair(states, start_percent=0.0, end_percent=0.5),
        "attention mask of another length": pair(states, attention_mask=torch.ones(1, 3).long()),
        "control None": pair(states, control=None),
        "hooks as text": pair(states, hooks="x"),
        "span as text": pair(states, sora_span="0-1"),
    }


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


def schedules() -> Catalogue:
    """SIGMAS."""
    sigmas = torch.tensor([1.0, 0.5, 0.0])
    return {
        "sigmas": sigmas.clone,
        "no sigmas": lambda: sigmas[:0],
        "one sigma": lambda: sigmas[:1],
        "nan sigmas": lambda: spoiled(sigmas, nan),
        "infinite sigmas": lambda: spoiled(sigmas, inf),
        "huge sigmas": lambda: sigmas * 1e30,
        "negative sigmas": lambda: sigmas - 2,
        "rising sigmas": lambda: sigmas.flip(0),
        "sigmas that rise a little above 0": lambda: torch.tensor([1e-4, 0.5, 1.0]),
        "sigmas that rise and fall": lambda: torch.tensor([0.5, 1.0, 0.0]),
        "sigmas 0": lambda: sigmas * 0,
        "equal sigmas": lambda: torch.ones(3),
        "sigmas of 2 axes": lambda: sigmas[None],
        "half sigmas": lambda: sigmas.half(),
        "float64 sigmas": lambda: sigmas.double(),
        "int sigmas": lambda: torch.tensor([2, 1, 0]),
        "sigmas far above 1": lambda: sigmas * 14.6,
        "tiny sigmas": lambda: sigmas * 1e-40,
    }


def services(good: Good) -> Catalogue:
    """NOISE, GUIDER, MODEL, CLIP, VAE, canvas: real ones at the wrong input, and broken ones."""

    kinds = ("MODEL", "CLIP", "VAE", "NOISE", "GUIDER", "SORA_CANVAS")
    real: Catalogue = {f"a real {kind}": lambda kind=kind: good[kind] for kind in kinds}
    return real | {
        "noise that raises": lambda: ForeignNoise(lambda x: 1 / 0),
        "noise of another shape": lambda: ForeignNoise(lambda x: torch.zeros(1, 2, 3)),
        "noise of nan": lambda: ForeignNoise(lambda x: x * nan),
        "noise None": lambda: ForeignNoise(lambda x: None),
        "noise of zeros": lambda: ForeignNoise(torch.zeros_like),
        "half noise": lambda: ForeignNoise(lambda x: torch.zeros_like(x).half()),
        "noise without a seed": lambda: ForeignNoise(torch.zeros_like, None),
        "noise of seed text": lambda: ForeignNoise(torch.zeros_like, "x"),
        "noise of a seed of 10**40": lambda: ForeignNoise(torch.zeros_like, 10**40),
        "noise of seed -1": lambda: ForeignNoise(torch.zeros_like, -1),
        "VAE without weights": lambda: comfy.sd.VAE(sd={}),
    }


def foreign_values(good: Good, folder: Path) -> Catalogue:
    """All values of the catalogue; `folder` takes the files of some."""
    return {
        **objects(),
        **images(),
        **latents(good),
        **conditionings(good),
        **sounds(),
        **videos(folder),
        **schedules(),
        **services(good),
    }
