"""Single frames of footage in the form of LTX: after the latent, each with its own time.

The host's LTXVAddGuide uses this form ("keyframe_idxs"). A still in place of a whole latent frame
would freeze 8 frames. Axes: b batch, c channels, k guides, t latent frames, y x cells.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import comfy.model_base
import comfy.utils
import torch
from comfy.ldm.lightricks.symmetric_patchifier import latent_to_pixel_coords
from jaxtyping import Float
from torch import Tensor

from ....sora_core.canvas.canvas_latent import CanvasLatent
from ....sora_core.canvas.canvas_video import CanvasReader
from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.shapes import Latent, Video
from ..latents import LatentDict, canvas_latent_of, footage_mask, video_alone
from .sound_latent import LATENT_SHAPES, SoundLayout

GUIDE_POSITIONS = "keyframe_idxs"


def takes_guides(model: comfy.model_base.BaseModel) -> bool:
    """Whether the network of `model` accepts single frames with their own time positions."""
    network: Any = model.diffusion_model
    named = inspect.signature(network.forward).parameters
    return GUIDE_POSITIONS in named and hasattr(network, "patchifier")


@dataclass(frozen=True, slots=True)
class GuideFrames:
    """Frames of footage on a canvas, each encoded alone.

    `partial` lists the latent frames that hold no other footage.
    """

    latents: Float[Tensor, "1 c k y x"]  # in the model's scale
    frames: tuple[tuple[int, int], ...]  # of each: its latent frame, and its index within it
    time: int  # frames of a latent frame
    partial: tuple[int, ...]

    def opened(self, mask: SamplingMask, layout: SoundLayout | None) -> SamplingMask:
        """`mask`, set to 1 in the latent frames that these guides replace; sound is unchanged."""
        mask = mask.clone()
        mask[:, :, list(self.partial), : None if layout is None else layout.cells] = 1
        return mask

    def among(self, latent_frames: Sequence[int]) -> tuple[Latent, list[int]]:
        """The guides within a call of the model on `latent_frames`, and their frame indices there.

        The first latent frame of a call covers one frame.
        """
        at = {latent_frame: i for i, latent_frame in enumerate(latent_frames)}
        here = [i for i, (latent_frame, _) in enumerate(self.frames) if latent_frame in at]
        places = [
            max(0, 1 + (at[latent_frame] - 1) * self.time + offset)
            for latent_frame, offset in (self.frames[i] for i in here)
        ]
        return self.latents[:, :, here], places


def guide_frames(model: comfy.model_base.BaseModel, latent: LatentDict) -> GuideFrames | None:
    """The first and last frame of each footage on the canvas that covers no whole latent frame.

    None where there is no such footage, and where the canvas or its VAE is not available. Footage
    with open pixels has no guides: it stays in its latent frame.
    """
    encoded = canvas_latent_of(latent)
    if encoded is None or encoded.encode is None or not encoded.partial:
        return None
    if footage_mask(video_alone(latent), encoded) is None:
        return None
    canvas, compression = encoded.canvas, encoded.compression
    held = (encoded.mask[0, 0] == 0).flatten(1).all(1)
    partial = [i for i in encoded.partial if bool(held[i])]
    whole = {i for i in range(len(held)) if bool(held[i])} - set(partial)
    known = [frame for frame in known_frames(encoded)
             if canvas.latent_frame(frame, compression) not in whole]  # fmt: skip
    latents: list[Latent] = []
    found: list[tuple[int, int]] = []
    guided: set[int] = set()
    wanted: set[int] = set()
    for run in runs(known):
        inside = {canvas.latent_frame(frame, compression) for frame in run} & set(partial)
        if inside:
            guided |= inside
            wanted |= {run[0], run[-1]}
    for index, video in wanted_frames(encoded, wanted):
        latents.append(torch.cat(list(encoded.encode([video])), dim=2))
        latent_frame = canvas.latent_frame(index, compression)
        start = canvas.frames_of(latent_frame, compression).start
        lead = compression.time - len(canvas.frames_of(latent_frame, compression))
        found.append((latent_frame, lead + index - start))
    if not latents:
        return None
    together = model.process_latent_in(torch.cat(latents, dim=2))
    return GuideFrames(together, tuple(found), compression.time, tuple(sorted(guided)))


def known_frames(encoded: CanvasLatent) -> list[int]:
    """The frames of the canvas all of whose pixels are known exactly."""
    known, done = [], 0
    for _, opened in CanvasReader(encoded.canvas, encoded.compression):
        closed = ~opened.flatten(1).any(1)
        known += [done + i for i, each in enumerate(closed.tolist()) if each]
        done += len(opened)
    return [frame for frame in known if frame < encoded.canvas.size.frames]


def wanted_frames(encoded: CanvasLatent, wanted: set[int]) -> Iterator[tuple[int, Video]]:
    """The frames of the canvas with the numbers `wanted`, each a video of one frame."""
    done = 0
    for video, _ in CanvasReader(encoded.canvas, encoded.compression):
        for i in range(video.shape[2]):
            if done + i in wanted:
                yield done + i, video[:, :, i : i + 1]
        done += video.shape[2]


def runs(numbers: Sequence[int]) -> list[list[int]]:
    """The ascending `numbers`, split into runs of consecutive ones."""
    grouped = groupby(enumerate(numbers), key=lambda each: each[1] - each[0])
    return [[number for _, number in group] for _, group in grouped]


def guide_positions(
    model: comfy.model_base.BaseModel, guides: Latent, places: Sequence[int]
) -> Tensor:
    """The pixel coordinates of the tokens of `guides`, as in the host's LTXVAddGuide."""
    network: Any = model.diffusion_model
    parts = []
    for guide, place in zip(guides.split(1, dim=2), places, strict=True):
        _, cells = network.patchifier.patchify(guide)
        pixels = latent_to_pixel_coords(cells, network.vae_scale_factors, causal_fix=True)
        pixels[:, 0] += place
        parts.append(pixels)
    return torch.cat(parts, dim=2)


def with_guides(
    guides: Latent, positions: Tensor, x: Latent, conds: dict[str, Any]
) -> tuple[Latent, dict[str, Any]]:
    """`x` and the inputs of a call, with clean `guides` after its latent frames."""
    rows = len(x)
    guides = guides.to(x)
    mask = conds.get("denoise_mask")
    if mask is None:
        mask = x.new_ones(rows, 1, *x.shape[2:])
    mask = mask.expand(rows, -1, *x.shape[2:])
    clean = mask.new_zeros(rows, mask.shape[1], *guides.shape[2:])
    positions = positions.to(x.device).expand(rows, *[-1] * (positions.ndim - 1))
    users = conds.get(GUIDE_POSITIONS)
    if users is not None:
        positions = torch.cat([users, positions], dim=2)
    return torch.cat([x, guides.expand(rows, -1, -1, -1, -1)], dim=2), conds | {
        "denoise_mask": torch.cat([mask, clean], dim=2),
        GUIDE_POSITIONS: positions,
    }


def call_with_guides(
    guides: tuple[Latent, Tensor],
    layout: SoundLayout | None,
    call: Callable[[dict[str, Any]], Tensor],
    arguments: dict[str, Any],
) -> Tensor:
    """The result of a call of the host's model with clean guides after the latent, guides removed.

    `guides` are their latents and their positions; `layout` is that of a latent with sound.
    """
    conds, sizes = arguments["c"], None
    streams = [arguments["input"]]
    if layout is not None:
        sizes = conds[LATENT_SHAPES]
        streams = comfy.utils.unpack_latents(arguments["input"], sizes)
    frames = streams[0].shape[2]
    streams[0], conds = with_guides(*guides, streams[0], conds)
    if layout is None:
        return call(arguments | {"input": streams[0], "c": conds})[:, :, :frames]
    packed, sizes = comfy.utils.pack_latents(streams)
    conds = conds | {LATENT_SHAPES: sizes}
    result = comfy.utils.unpack_latents(call(arguments | {"input": packed, "c": conds}), sizes)
    return comfy.utils.pack_latents([result[0][:, :, :frames], *result[1:]])[0]
