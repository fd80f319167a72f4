"""One file for a whole model: transformer, autoencoder, and the settings to use them with.

Axes: b batch, c channels, t frames, y rows, x columns, n cells.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from inspect import signature
from pathlib import Path
from typing import TypeVar

import torch
from einops import rearrange, reduce
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ..errors import ConfigError, WeightsError
from ..models.autoencoder import Autoencoder, AutoencoderConfig
from ..models.dit import DiT, DiTConfig
from ..shapes import COMPRESSION, Latent
from .safetensors_io import load_module, read_header, read_tensors, write_tensors

CHECKPOINT_FORMAT = "sora 1"
TRANSFORMER_PREFIX, AUTOENCODER_PREFIX = "transformer.", "autoencoder."
SETTINGS = "settings.json"  # a tensor of bytes, for hosts that save tensors but not our metadata
ADDED = ("window", "easing", "guided_to", "decoders", "patch", "positions")
"""Settings that older files lack; they take their defaults."""
MAX_SETTINGS = 1_000_000  # bytes of settings; those of a model take about 2,000
MAX_MODEL_DEPTH, MAX_MODEL_WIDTH = 512, 65536  # bounds what a hostile file can cost

SettingsType = TypeVar("SettingsType")
Value = TypeVar("Value", int, float, str)


@dataclass(frozen=True, kw_only=True, slots=True)
class TextSettings:
    """The text encoder of the transformer's training, and the longest prompt there, in tokens.

    `encoder` is a label: "text-encoder" is the encoder in the file, or the shipped one. Older files
    name its teacher, all-MiniLM-L6-v2, whose token states it reproduces.
    """

    encoder: str = "text-encoder"
    tokens: int = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingSettings:
    """Default sampling settings of a model.

    `window` is the clip length of its training, in latent frames. `easing` is the number of latent
    frames after known footage over which text guidance rises to its full scale. Without footage,
    text guidance stops below the noise level `guided_to`.
    """

    shift: float = 1.5
    steps: int = 20
    guidance: float = 4.0
    window: int = 5
    easing: int = 2
    guided_to: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Colours:
    """Linear map from a latent cell to its mean red, green and blue: channel factors and a bias."""

    factors: tuple[tuple[float, float, float], ...]
    bias: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointConfig:
    """All settings that build a model and sample it; ConfigError if channel counts differ."""

    name: str
    transformer: DiTConfig
    autoencoder: AutoencoderConfig
    colours: Colours
    text: TextSettings = TextSettings()
    sampling: SamplingSettings = SamplingSettings()
    fps: float = 8.0

    def __post_init__(self) -> None:
        channels = {
            self.transformer.latent_channels,
            self.autoencoder.latent_channels,
            len(self.colours.factors),
        }
        if len(channels) > 1:
            raise ConfigError(f"latent channels {sorted(channels)}: all parts must have the same")


def write_checkpoint(
    path: Path,
    transformer: DiT,
    autoencoder: Autoencoder,
    *,
    name: str,
    sampling: SamplingSettings | None = None,
    fps: float = 8.0,
    latents: Latent | None = None,
    dtype: torch.dtype = torch.float16,
) -> CheckpointConfig:
    """The settings of the checkpoint, once it is written to `path` with its weights in `dtype`.

    `latents` are typical latents (noise by default); the colours of previews are fitted to them.
    """
    config = CheckpointConfig(
        name=name,
        transformer=transformer.config,
        autoencoder=autoencoder.config,
        colours=fit_colours(autoencoder, latents),
        sampling=sampling or SamplingSettings(),
        fps=fps,
    )
    models = {TRANSFORMER_PREFIX: transformer, AUTOENCODER_PREFIX: autoencoder}
    tensors = {
        prefix + key: tensor.to(dtype)
        for prefix, model in models.items()
        for key, tensor in model.state_dict().items()
    }
    write_tensors(
        path, tensors, {"format": CHECKPOINT_FORMAT, "config": json.dumps(asdict(config))}
    )
    return config


def settings_tensor(config: CheckpointConfig) -> UInt8[Tensor, " n"]:
    """`config` as a tensor of bytes; `read_config` reads it from the tensor called `SETTINGS`."""
    text = json.dumps({"format": CHECKPOINT_FORMAT, "config": json.dumps(asdict(config))})
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


@torch.no_grad()
def fit_colours(autoencoder: Autoencoder, latents: Latent | None = None) -> Colours:
    """The linear map from a latent cell to the mean colour of its pixels, by least squares."""
    if latents is None:
        generator = torch.Generator().manual_seed(0)
        latents = torch.randn(8, autoencoder.config.latent_channels, 1, 8, 8, generator=generator)
    device = next(autoencoder.parameters()).device
    video = autoencoder.decode(latents[:, :, :1].to(device)).float().cpu()
    sides = {"y": COMPRESSION.rows, "x": COMPRESSION.columns}
    colours: Float[Tensor, "n 3"] = reduce(video, "b c 1 (r y) (s x) -> (b r s) c", "mean", **sides)
    cells = rearrange(latents[:, :, 0].float().cpu(), "b c y x -> (b y x) c")
    solution = torch.linalg.lstsq(nn.functional.pad(cells, (0, 1), value=1), colours).solution
    *factors, bias = (_colour(row) for row in solution.double().round(decimals=4).tolist())
    return Colours(factors=tuple(factors), bias=bias)


def read_config(path: Path) -> CheckpointConfig:
    """The settings of the model in the file at `path`; WeightsError where it holds no model."""
    header = read_header(path)
    try:
        metadata = header.metadata
        if SETTINGS in header.tensors:
            _check_settings(*header.tensors[SETTINGS])
            metadata = json.loads(read_tensors(path, prefix=SETTINGS)[""].numpy().tobytes())
        if not isinstance(metadata, dict) or metadata.get("format") != CHECKPOINT_FORMAT:
            raise ConfigError(f"not {CHECKPOINT_FORMAT}")
        text = metadata.get("config", "")
        if not isinstance(text, str):
            raise ConfigError("config must be a text")
        return _config(json.loads(text))
    except (ValueError, RecursionError, ConfigError) as problem:
        raise WeightsError(
            f"{path.name[:60]!a:.62} is no Sora model ({problem!s:.90})"
        ) from problem


def _check_settings(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    """ConfigError for a settings tensor that is no short text; its values are not read."""
    if dtype != torch.uint8 or len(shape) != 1 or shape[0] > MAX_SETTINGS:
        found = f"{str(dtype).removeprefix('torch.')} {list(shape)}"
        raise ConfigError(f"{SETTINGS} is {found}, not a text in uint8")


def load_transformer(
    path: Path, config: CheckpointConfig, dtype: torch.dtype = torch.float32
) -> DiT:
    """The transformer of the file at `path`, on the CPU and ready to sample."""
    return load_module(lambda: DiT(config.transformer).to(dtype), path, TRANSFORMER_PREFIX)


def load_autoencoder(
    path: Path, config: CheckpointConfig, dtype: torch.dtype = torch.float32
) -> Autoencoder:
    """The autoencoder of the file at `path`, on the CPU and ready to encode and decode."""
    return load_module(lambda: Autoencoder(config.autoencoder).to(dtype), path, AUTOENCODER_PREFIX)


def _config(values: object) -> CheckpointConfig:
    table = _table(signature(CheckpointConfig).parameters, values)
    config = CheckpointConfig(
        name=_value(str, "name", table["name"]),
        transformer=_from_table(DiTConfig, table["transformer"]),
        autoencoder=_from_table(AutoencoderConfig, table["autoencoder"]),
        colours=_colours(table["colours"]),
        text=_from_table(TextSettings, table["text"]),
        sampling=_from_table(SamplingSettings, table["sampling"]),
        fps=_value(float, "fps", table["fps"]),
    )
    sizes = asdict(config.transformer) | asdict(config.autoencoder)
    depth = max(sizes["depth"], sizes["fine_depth"], sizes["coarse_depth"])
    width = max(size for size in sizes.values() if isinstance(size, int))
    if depth > MAX_MODEL_DEPTH or width > MAX_MODEL_WIDTH:
        raise ConfigError(
            f"depth {depth}, width {width}: at most {MAX_MODEL_DEPTH} and {MAX_MODEL_WIDTH}"
        )
    return config


def checked_settings(kind: Callable[..., SettingsType], text: str) -> SettingsType:
    """An instance of `kind` from the JSON object in `text`.

    ConfigError unless each value has its parameter's type and each integer is in
    [1, `MAX_MODEL_WIDTH`]; this is checked before `kind` is called.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ConfigError(f"settings must be JSON ({problem!s:.60})") from problem
    for name, value in values.items() if isinstance(values, dict) else ():
        if isinstance(value, int) and not 1 <= value <= MAX_MODEL_WIDTH:
            raise ConfigError(f"{name[:20]!a:.22} must be from 1 to {MAX_MODEL_WIDTH}")
    return _from_table(kind, values)


def _from_table(kind: Callable[..., SettingsType], values: object) -> SettingsType:
    """An instance of `kind` from numbers and texts, each checked against its parameter's type.

    Settings in `ADDED` that an older file lacks take their defaults.
    """
    parameters = signature(kind).parameters
    added = {name: parameters[name].default for name in ADDED if name in parameters}
    table = _table(parameters, added | values if isinstance(values, dict) else values)
    return kind(
        **{name: _value(parameters[name].annotation, name, table[name]) for name in parameters}
    )


def _table(names: Iterable[str], values: object) -> dict[str, object]:
    if not isinstance(values, dict) or set(values) != set(names):
        raise ConfigError(f"settings must be exactly {', '.join(names)}")
    return values


def _value(kind: type[Value], name: str, value: object) -> Value:
    if kind is float and type(value) is int:
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigError(f"{name} must be of type {kind.__name__}")
    if isinstance(value, float) and not 0 < value < 1e6:
        raise ConfigError(f"{name} {value}: must be above 0 and below a million")
    return value


def _colours(values: object) -> Colours:
    table = _table(signature(Colours).parameters, values)
    factors = table["factors"]
    if not isinstance(factors, list):
        raise ConfigError("colours must be rows of three numbers")
    return Colours(factors=tuple(map(_colour, factors)), bias=_colour(table["bias"]))


def _colour(row: object) -> tuple[float, float, float]:
    match row:
        case [float(red), float(green), float(blue)]:
            return red, green, blue
    raise ConfigError("colours must be rows of three numbers")
