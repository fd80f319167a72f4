"""The canvas latent that a LATENT of the host carries."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from ...sora_core.canvas.canvas import Canvas
from ...sora_core.canvas.canvas_latent import CanvasLatent
from ...sora_core.errors import SizeError
from ...sora_core.shapes import Compression, Latent, Mask

LatentDict = dict[str, Any]
"""The host's LATENT: samples, an optional noise mask, and keys of other packs."""

CANVAS_LATENT_KEY = "sora_canvas_latent"
"""Our only key. Nodes of the host copy it with the latent; saving a latent drops it."""


def latent_dict(encoded: CanvasLatent, *, noise_mask: bool) -> LatentDict:
    """A LATENT of the known latent of `encoded`, with its mask as the noise mask if chosen."""
    latent: LatentDict = {"samples": encoded.known, CANVAS_LATENT_KEY: encoded}
    return latent | {"noise_mask": encoded.mask} if noise_mask else latent


def with_time(samples: Tensor) -> Tensor:
    """`samples` of a video model: those of an image, b c y x, are one latent frame each."""
    return samples[:, :, None] if samples.ndim == 4 else samples


def check_one(samples: Tensor) -> None:
    """SizeError where the `samples` of the input `latent` are a batch of several."""
    if (count := len(samples)) > 1:
        raise SizeError(f"latent: {count} latents in one batch: choose one with LatentFromBatch")


def canvas_latent_of(latent: LatentDict) -> CanvasLatent | None:
    """The canvas latent of `latent`; None where it has none."""
    return latent.get(CANVAS_LATENT_KEY)


def canvas_of(latent: LatentDict) -> Canvas | None:
    """The canvas that `latent` was encoded from, whatever size it has now."""
    encoded = canvas_latent_of(latent)
    return encoded and encoded.canvas


def with_matched(latent: LatentDict, matched: bool) -> LatentDict:
    """`latent`, whose samples are the `matched` ones of its canvas (`CanvasLatent`), or are not.

    Other samplers and nodes copy the canvas with other samples: these are not matched then. Nor are
    samples that a node changes in place, since the canvas has a copy.
    """
    encoded = canvas_latent_of(latent)
    if encoded is None or (encoded.matched is None and not matched):
        return latent
    samples = latent["samples"].clone() if matched else None
    return latent | {CANVAS_LATENT_KEY: replace(encoded, matched=samples)}


def is_loop(latent: LatentDict) -> bool:
    """Whether `latent` was encoded from the canvas of a loop."""
    canvas = canvas_of(latent)
    return canvas is not None and canvas.ring


def describe_latent(latent: LatentDict) -> str:
    """A description of a latent's content for users."""
    canvas = canvas_of(latent)
    if canvas is None:
        return "x".join(str(side) for side in latent["samples"].shape[2:]) + " latent"
    return canvas.description


def filler_of(latent: LatentDict) -> Latent | None:
    """Encoded empty space for models with footage channels; None for our own models."""
    encoded = canvas_latent_of(latent)
    return encoded and encoded.filler


def covered_canvas(latent: LatentDict, compression: Compression) -> CanvasLatent | None:
    """The canvas latent of `latent`, if both still have the same grid under `compression`."""
    encoded = canvas_latent_of(latent)
    if encoded and encoded.canvas.grid(compression).shape == tuple(latent["samples"].shape[2:]):
        return encoded
    return None


def footage_mask(latent: LatentDict, encoded: CanvasLatent) -> Mask | None:
    """The mask of `encoded`, if `latent` was sampled with it.

    None without a noise mask, with one that another node set, and where another model's samples
    replaced the encoded ones: these contain no known footage.
    """
    mask, samples = latent.get("noise_mask"), latent["samples"]
    if mask is None or samples.shape[1] != encoded.known.shape[1]:
        return None
    same = mask.shape == encoded.mask.shape and bool((mask.to(encoded.mask) == encoded.mask).all())
    return encoded.mask if same and mask.shape[2:] == samples.shape[2:] else None


def is_nested(latent: object) -> bool:
    """Whether `latent` holds several streams, as the video and the sound of LTX-2.

    Such a latent is a NestedTensor of the host, not a torch tensor.
    """
    return not isinstance(latent, Tensor) and getattr(latent, "is_nested", False) is True


def streams_of(latent: Any) -> list[Any]:  # noqa: ANN401 - the host's NestedTensor, or a tensor
    """The streams of `latent`, video first."""
    return list(latent.unbind()) if is_nested(latent) else [latent]


def video_alone(latent: LatentDict) -> LatentDict:
    """`latent` without its sound."""
    streams = {
        key: streams_of(latent[key])[0] for key in ("samples", "noise_mask") if key in latent
    }
    return latent | streams
