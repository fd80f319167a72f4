"""The check around every node: each input by the table of socket types, before the node runs."""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from inspect import Parameter, signature
from typing import Any, TypeVar

from comfy_api.latest import io
from torch import Tensor

from ....sora_core.errors import ConfigError
from .foreign import foreign_code
from .media import checked_audio, checked_video
from .objects import METHODS, checked_canvas, checked_conditioning, checked_service
from .tensors import checked_image, checked_latent, checked_mask, checked_sigmas
from .widgets import checked_float, checked_int, checked_option, checked_switch, checked_text

Node = TypeVar("Node", bound=type[io.ComfyNode])

SOCKETS: dict[str, Callable[[str, Any], object]] = {
    "IMAGE": checked_image,
    "MASK": checked_mask,
    "LATENT": checked_latent,
    "SIGMAS": checked_sigmas,
    "AUDIO": checked_audio,
    "VIDEO": checked_video,
    "CONDITIONING": checked_conditioning,
    "SORA_CANVAS": checked_canvas,
    **{kind: partial(checked_service, kind) for kind in METHODS},
}
"""The check of each socket type: (name, value) -> the value to use."""

WIDGETS: dict[str, Callable[[str, Any, io.Input], object]] = {
    "INT": checked_int,
    "FLOAT": checked_float,
    "STRING": checked_text,
    "BOOLEAN": checked_switch,
    "COMBO": checked_option,
}
"""The same for inputs with a widget: (name, value, input) -> the value to use."""


def checked_inputs(node: Node) -> Node:
    """`node`, whose `execute` gets its inputs checked and converted by the tables.

    The error for a refused input names it, the limit and the fix. An optional input that is None
    counts as not connected.
    """
    execute: Any = node.execute.__func__
    parameters = signature(execute)
    required = [
        one.name for one in [*parameters.parameters.values()][1:] if one.default is Parameter.empty
    ]

    @wraps(execute)
    def checked_execute(cls: Node, *values: object, **inputs: object) -> object:
        arguments = dict(parameters.bind_partial(cls, *values, **inputs).arguments)
        arguments.pop(next(iter(parameters.parameters)))
        specs = {spec.id: spec for spec in cls.define_schema().inputs if isinstance(spec, io.Input)}
        checked = {
            name: checked_value(specs[name], value) if name in specs else value
            for name, value in arguments.items()
            if value is not None or name in required
        }
        missing = [name for name in required if name not in checked]
        if missing:
            raise ConfigError(f"{missing[0]}: nothing arrives at this input: connect or set it")
        return execute(cls, **checked)

    node.execute = classmethod(checked_execute)  # pyright: ignore[reportAttributeAccessIssue]
    return node


def checked_value(spec: io.Input, value: object) -> object:
    """`value` converted for the input `spec`; SoraError where that is impossible.

    That includes values that fail as they are read: tensors of classes and backends of other packs.
    """
    kinds = spec.get_io_type().split(",")
    kind = kinds[0] if len(kinds) == 1 else fitting(kinds, value)
    with foreign_code(spec.id, kind):
        if kind in WIDGETS:
            return WIDGETS[kind](spec.id, value, spec)
        return SOCKETS[kind](spec.id, value) if kind in SOCKETS else value


def fitting(kinds: list[str], value: object) -> str:
    """The type among `kinds` that fits `value` best."""
    looks = {"IMAGE": isinstance(value, Tensor), "LATENT": isinstance(value, Mapping)}
    return next((kind for kind in kinds if looks.get(kind, False)), kinds[0])
