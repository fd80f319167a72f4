"""MODEL, CLIP, VAE, NOISE, GUIDER, canvas and CONDITIONING of other nodes: kind and content."""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

from torch import Tensor

from ....sora_core.canvas.canvas import Canvas
from ....sora_core.errors import ConfigError, SizeError
from ....sora_core.sampling.prompt_spans import SPAN_KEY
from .foreign import number_of
from .tensors import checked_numbers, checked_tensor, shape_text, type_name

METHODS = {
    "MODEL": ("get_model_object", "clone"),
    "CLIP": ("tokenize",),
    "VAE": ("spacial_compression_decode", "decode"),
    "NOISE": ("generate_noise",),
    "GUIDER": ("sample",),
}
"""Methods that identify a value of a socket type, since packs have their own classes."""


def checked_service(kind: str, name: str, value: object) -> object:
    """`value` if its class has the methods of a `kind`; ConfigError otherwise."""
    if isinstance(value, type) or not all(hasattr(type(value), one) for one in METHODS[kind]):
        raise ConfigError(f"{name}: {type_name(value)} in place of a {kind}: connect a {kind}")
    return value


def checked_canvas(name: str, value: object) -> Canvas:
    """The canvas `value`."""
    if not isinstance(value, Canvas):
        raise ConfigError(f"{name}: {type_name(value)} in place of a canvas: connect Sora Canvas")
    return value


def is_number(value: object) -> bool:
    """Whether `value` is a finite number that fits a float."""
    number = number_of(value)
    return number is not None and -1e300 < number < 1e300


def is_numbers(value: object, lengths: tuple[int, ...]) -> bool:
    return isinstance(value, Sequence) and len(value) in lengths and all(map(is_number, value))


def is_area(value: object) -> bool:
    """Whether `value` is the area of a conditioning: sizes and offsets, or shares of the size."""
    if isinstance(value, Sequence) and len(value) > 0 and value[0] == "percentage":
        return is_numbers(value[1:], (4, 6))
    return is_numbers(value, (4, 6))


def is_control(value: object) -> bool:
    return hasattr(type(value), "get_control")


def is_span(value: object) -> bool:
    """Whether `value` is a start and an end; the last prompt of a storyboard has no end."""
    return is_numbers(value, (2,)) or (
        isinstance(value, Sequence) and len(value) == 2 and value[1] == inf and is_number(value[0])
    )


OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "strength": (is_number, "a number"),
    "mask_strength": (is_number, "a number"),
    "start_percent": (is_number, "a number"),
    "end_percent": (is_number, "a number"),
    "area": (is_area, "4 or 6 numbers"),
    "control": (is_control, "a ControlNet"),
    "hooks": (lambda value: hasattr(type(value), "get_type"), "hooks of ComfyUI"),
    SPAN_KEY: (is_span, "a start and an end in seconds"),
}
"""The options of a conditioning that the host or this pack reads, other than tensors."""

TENSORS = ("pooled_output", "mask", "attention_mask")


def checked_conditioning(name: str, value: object) -> list[Any]:
    """The CONDITIONING `value`: a list of text states, or None, with options.

    ConfigError where it is empty, is no list of pairs, or holds NaN; SizeError for other axes than
    batch x tokens x width.
    """
    if not isinstance(value, list | tuple):
        raise ConfigError(
            f"{name}: {type_name(value)} in place of a CONDITIONING: connect Sora Encode Prompt"
        )
    if not value:
        raise ConfigError(f"{name}: an empty CONDITIONING: connect Sora Encode Prompt")
    return [checked_pair(name, pair) for pair in value]


def checked_pair(name: str, pair: object) -> list[Any]:
    """One entry of a CONDITIONING: its states and its options."""
    if not (isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[1], Mapping)):
        raise ConfigError(
            f"{name}: a CONDITIONING that is no list of pairs of states and options: connect Sora "
            "Encode Prompt"
        )
    states, options = pair[0], {**pair[1]}
    for key in TENSORS:
        if options.get(key) is not None:
            options[key] = with_numbers(name, options[key], f"`{key}` of a CONDITIONING")
    for key, (is_valid, wanted) in OPTIONS.items():
        if key in options and options[key] is None:
            del options[key]
        if key in options and not is_valid(options[key]):
            raise ConfigError(f"{name}: `{key}` of a CONDITIONING is not {wanted}: leave it out")
    if states is None:
        return [None, options]
    tensor = checked_tensor(name, states, "a CONDITIONING")
    if tensor.ndim != 3:
        raise SizeError(
            f"{name}: a CONDITIONING of {shape_text(tensor)}: give batch x tokens x width"
        )
    return [with_numbers(name, tensor, "a CONDITIONING"), options]


def with_numbers(name: str, value: object, kind: str) -> Tensor:
    """The tensor `value`, of float8 in float32, with which networks cannot compute.

    ConfigError where floating-point numbers are NaN, infinite or huge.
    """
    tensor: Tensor = checked_tensor(name, value, kind)
    if not tensor.is_floating_point():
        return tensor
    numbers = checked_numbers(name, tensor, kind)
    return numbers if tensor.itemsize == 1 else tensor
