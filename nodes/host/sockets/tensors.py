"""IMAGE, MASK, LATENT and SIGMAS of other nodes: axes, types and numbers.

Common outputs of other packs with one clear meaning are converted to the host's usual form: single
images and masks without a batch axis, grey images, half precision. Anything else is refused. Only
tensors of another type are copied. Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Mapping
from math import isfinite

import torch
from torch import Tensor

from ....sora_core.canvas.canvas_latent import CanvasLatent
from ....sora_core.errors import ConfigError, SizeError
from ..latents import CANVAS_LATENT_KEY, LatentDict, is_nested
from .foreign import foreign_code

MAX_MAGNITUDE = 1e6  # of latents and sigmas: float16 ends at 65504, sigmas of the host below 1e4
MASK_RANGE = (-0.5, 1.5)  # masks are in [0, 1]; a cubic resize overshoots a little
REDUCED_TOGETHER = 2**24  # values: a view is copied in parts of this size and reduced
NAN_FIX = "look at the node that it comes from; half precision may overflow there"


def type_name(value: object) -> str:
    """The name of the type of `value`, short enough for a sentence."""
    return "nothing" if value is None else f"a {type(value).__name__[:40]}"


def shape_text(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))[:60] or "no axes"


def checked_tensor(name: str, value: object, kind: str) -> Tensor:
    """`value` if it is an ordinary tensor with content; `kind` is the type of the input `name`.

    ConfigError for anything else and for tensors without storage, SizeError for empty ones.
    """
    if not isinstance(value, Tensor):
        raise ConfigError(f"{name}: {type_name(value)} in place of {kind}: connect {kind}")
    odd = value.is_nested or value.is_quantized or value.is_meta or value.is_complex()
    if odd or value.layout != torch.strided:
        raise ConfigError(f"{name}: {kind} as a tensor of an odd kind: connect an ordinary one")
    if not value.numel():
        raise SizeError(f"{name}: {kind} of {shape_text(value)} is empty: connect one with content")
    if type(value) is not Tensor:
        with torch._C.DisableTorchFunctionSubclass():  # a class of another pack may do anything
            value = value.as_subclass(Tensor)
    return value.detach() if value.requires_grad else value


def in_float32(tensor: Tensor) -> Tensor:
    """`tensor` in float32 on the CPU; an expanded one is not copied in full."""
    repeated = [axis for axis, stride in enumerate(tensor.stride()) if stride == 0]
    shape = tensor.shape
    for axis in repeated:
        tensor = tensor.narrow(axis, 0, 1)
    tensor = tensor.cpu().float()
    return tensor.expand(shape) if repeated else tensor


def extremes(tensor: Tensor) -> tuple[float, float]:
    """The minimum and the maximum of a real tensor; NaN if it contains any.

    Reads each number once and allocates nothing of the size of `tensor`.
    """
    for axis, stride in enumerate(tensor.stride()):
        if stride == 0:  # expanded: the same numbers again
            tensor = tensor.narrow(axis, 0, 1)
    if tensor.is_contiguous():
        low, high = tensor.aminmax()
        return float(low), float(high)
    rows = max(1, REDUCED_TOGETHER * len(tensor) // tensor.numel())
    parts = torch.tensor([[*map(float, part.aminmax())] for part in tensor.split(rows)])
    return float(parts[:, 0].min()), float(parts[:, 1].max())


def checked_numbers(
    name: str, tensor: Tensor, kind: str, least: float = -MAX_MAGNITUDE, most: float = MAX_MAGNITUDE
) -> Tensor:
    """`tensor` in float32, on the CPU if it is elsewhere; all numbers lie from `least` to `most`.

    ConfigError for integers, and for NaN, infinite and other numbers out of range.
    """
    if tensor.dtype == torch.bool:
        return in_float32(tensor)
    if not tensor.is_floating_point():
        dtype = str(tensor.dtype).removeprefix("torch.")
        raise ConfigError(f"{name}: {kind} of {dtype} numbers: convert it to floating point")
    if tensor.itemsize == 1:  # float8 has no reductions
        tensor = in_float32(tensor)
    low, high = extremes(tensor)
    if not (isfinite(low) and isfinite(high)):
        raise ConfigError(f"{name}: {kind} with NaN or infinite numbers: {NAN_FIX}")
    if low < least or high > most:
        raise ConfigError(
            f"{name}: {kind} from {low:.3g} to {high:.3g}: give numbers from {least:g} to {most:g}"
        )
    return in_float32(tensor)


def checked_image(name: str, value: object) -> Tensor:
    """The IMAGE `value` as b y x c, of 3 or 4 channels, in float32.

    A single image, a grey image, a batch of videos and bytes are accepted too.
    """
    image = checked_tensor(name, value, "an IMAGE")
    if image.ndim == 3 and image.shape[-1] in (3, 4):
        image = image[None]
    if image.ndim == 5:
        image = image.flatten(0, 1)
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4):
        raise SizeError(
            f"{name}: an IMAGE of {shape_text(image)}: give pictures x rows x columns x 3"
        )
    if image.dtype == torch.uint8:
        return three_channels(in_float32(image).div(255))
    return three_channels(checked_numbers(name, image, "an IMAGE"))


def three_channels(image: Tensor) -> Tensor:
    """`image`, a grey one with three equal channels."""
    return image.expand(-1, -1, -1, 3) if image.shape[-1] == 1 else image


def checked_mask(name: str, value: object) -> Tensor:
    """The MASK `value` as b y x in float32; y x, booleans and extra axes are accepted."""
    mask = checked_tensor(name, value, "a MASK")
    if mask.ndim < 2:
        raise SizeError(f"{name}: a MASK of {shape_text(mask)}: give pictures x rows x columns")
    if mask.ndim == 4 and mask.shape[-1] == 1 != mask.shape[1]:
        mask = mask[..., 0]
    mask = mask[None] if mask.ndim == 2 else mask.flatten(0, -3)
    return checked_numbers(name, mask, "a MASK", *MASK_RANGE)


def checked_latent(name: str, value: object) -> LatentDict:
    """The LATENT `value` with samples and a noise mask of float32.

    A noise mask of None counts as absent. Each stream of a nested latent, as of video with sound,
    is checked.
    """
    if not isinstance(value, Mapping) or "samples" not in [*value]:
        what = "a LATENT without samples" if isinstance(value, Mapping) else type_name(value)
        raise ConfigError(f"{name}: {what} in place of a LATENT: connect a LATENT")
    with foreign_code(name, "LATENT"):
        latent = {**value}
    if not isinstance(latent.get(CANVAS_LATENT_KEY), CanvasLatent):
        latent.pop(CANVAS_LATENT_KEY, None)
    if latent.get("noise_mask") is None:
        latent.pop("noise_mask", None)
    if is_nested(latent["samples"]):
        for stream in latent["samples"].unbind():
            checked_numbers(name, checked_tensor(name, stream, "a LATENT"), "a LATENT")
        return latent
    latent["samples"] = checked_samples(name, latent["samples"])
    if "noise_mask" in latent:
        latent["noise_mask"] = checked_noise_mask(name, latent["noise_mask"])
    return latent


def checked_samples(name: str, value: object) -> Tensor:
    """The samples of a LATENT, of 3 axes (sound) to 5 (video); booleans are refused."""
    samples = checked_tensor(name, value, "a LATENT")
    if not 3 <= samples.ndim <= 5:
        raise SizeError(
            f"{name}: a LATENT of {shape_text(samples)}: give batch x channels x frames x rows x "
            "columns"
        )
    if samples.dtype == torch.bool:
        raise ConfigError(f"{name}: a LATENT of bool numbers: convert it to floating point")
    return checked_numbers(name, samples, "a LATENT")


def checked_noise_mask(name: str, value: object) -> Tensor:
    """The noise mask of a LATENT, from 2 axes (y x) to 5."""
    mask = checked_tensor(name, value, "a noise mask")
    if not 2 <= mask.ndim <= 5:
        raise SizeError(
            f"{name}: a noise mask of {shape_text(mask)}: set one of rows x columns, or a batch"
        )
    return checked_numbers(name, mask, "a noise mask", *MASK_RANGE)


def checked_sigmas(name: str, value: object) -> Tensor:
    """The SIGMAS `value` in float32: empty, or all above 0, except that the last may be 0."""
    if (
        isinstance(value, Tensor) and not value.is_nested and value.shape == (0,)
    ):  # empty: a schedule that was split at its end
        return value
    sigmas = checked_tensor(name, value, "SIGMAS")
    if sigmas.ndim != 1 or sigmas.dtype == torch.bool:
        raise SizeError(f"{name}: SIGMAS of {shape_text(sigmas)}: give one row of noise levels")
    sigmas = checked_numbers(name, sigmas, "SIGMAS", 0.0)
    if not bool((sigmas[:-1] > 0).all()):
        raise ConfigError(
            f"{name}: a noise level of 0 before the last: only the last may be 0; FlipSigmas "
            "replaces a first one"
        )
    return sigmas
