"""Video and sound in one latent, as LTX-2 samples them: each latent frame with the sound beside it.

The host packs the streams of a nested latent into one row. Segments, windows and loops cut a
latent along its frames, so here sound is laid out in columns of its latent frame. Axes: b batch, c
channels, t latent frames, y rows, x columns, a channels of the sound, u its frames, f its bins, n
columns of a latent frame with its sound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import comfy.model_base
import comfy.nested_tensor
import comfy.utils
import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.errors import ConfigError
from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.shapes import Latent
from ..latents import LatentDict, canvas_latent_of, is_nested, streams_of
from ..sampling import Callback

LTX_TIME = 8  # frames of a latent frame, where nothing says how many
LATENT_SHAPES = "latent_shapes"  # in the inputs of a model: the sizes of packed streams

Packed = Float[Tensor, "b 1 n"]
SoundMask = Float[Tensor, "b 1 u f"]
Joint = Float[Tensor, "b c t n 1"]


@dataclass(frozen=True, slots=True)
class SoundLayout:
    """Where the sound of a nested latent lies: `beside[j]` is the latent frame of its frame `j`."""

    video: tuple[int, int, int]  # channels, rows and columns
    sound: tuple[int, int]  # channels and bins
    beside: tuple[int, ...]
    frames: int

    @property
    def columns(self) -> int:
        """Columns that one frame of sound fills, with the channels of the video."""
        return ceil(self.sound[0] * self.sound[1] / self.video[0])

    @property
    def cells(self) -> int:
        return self.video[1] * self.video[2]

    @property
    def most(self) -> int:
        """The most frames of sound beside one latent frame."""
        return max(self.beside.count(i) for i in range(self.frames))

    def slots(self, latent_frames: Sequence[int]) -> list[tuple[int, int, int]]:
        """For each frame of sound beside `latent_frames`, in their order: which of these, the
        place among those beside it, and its number in the whole sound."""
        own: dict[int, list[int]] = {}
        for j, latent_frame in enumerate(self.beside):
            own.setdefault(latent_frame, []).append(j)
        return [
            (at, slot, j)
            for at, latent_frame in enumerate(latent_frames)
            for slot, j in enumerate(own.get(latent_frame, []))
        ]

    def joined(self, streams: Sequence[Tensor], latent_frames: Sequence[int]) -> Joint:
        """`streams` of the video's `latent_frames` and of the sound beside them, as one latent."""
        video, sound = streams
        values = sound.transpose(1, 2).flatten(2)  # b u (a f)
        missing = self.columns * video.shape[1] - values.shape[2]
        values = torch.nn.functional.pad(values, (0, missing))
        values = values.unflatten(2, (self.columns, video.shape[1])).permute(0, 3, 1, 2)
        beside = video.new_zeros(*video.shape[:3], self.most, self.columns)
        slots = self.slots(latent_frames)
        beside[:, :, [each[0] for each in slots], [each[1] for each in slots]] = values
        return torch.cat([video.flatten(3), beside.flatten(3)], dim=3)[..., None]

    def video_of(self, joint: Joint) -> Latent:
        """The video of `joint`."""
        return joint[:, :, :, : self.cells, 0].unflatten(3, self.video[1:])

    def separated(self, joint: Joint, latent_frames: Sequence[int]) -> list[Tensor]:
        """The video of `joint` and the sound beside its `latent_frames`."""
        beside = joint[:, :, :, self.cells :, 0].unflatten(3, (self.most, self.columns))
        slots = self.slots(latent_frames)
        at, slot = ([each[i] for each in slots] for i in (0, 1))
        values = beside[:, :, at, slot]  # b c u k
        values = values.permute(0, 2, 3, 1).flatten(2)[:, :, : self.sound[0] * self.sound[1]]
        return [self.video_of(joint), values.unflatten(2, self.sound).transpose(1, 2)]

    def joined_masks(self, video: SamplingMask, sound: SoundMask) -> SamplingMask:
        """The mask of the joint latent, from the masks of both streams.

        Columns without sound are as open as the most open cell of their latent frame.
        """
        video = video.expand(-1, -1, self.frames, *self.video[1:])
        by_frame = sound.amax(3)
        beside = video.amax((3, 4))[..., None, None].repeat(1, 1, 1, self.most, self.columns)
        for at, slot, j in self.slots(range(self.frames)):
            beside[:, :, at, slot] = by_frame[:, :, j, None]
        return torch.cat([video.flatten(3), beside.flatten(3)], dim=3)[..., None]

    def separated_masks(
        self, joint: SamplingMask, latent_frames: Sequence[int]
    ) -> tuple[SamplingMask, SoundMask]:
        """The masks of both streams, from the mask of the joint latent."""
        joint = joint.expand(-1, -1, len(latent_frames), -1, -1)
        video = joint[:, :, :, : self.cells, 0].unflatten(3, self.video[1:])
        beside = joint[:, :, :, self.cells :, 0].unflatten(3, (self.most, self.columns))
        slots = self.slots(latent_frames)
        values = beside[:, :, [each[0] for each in slots], [each[1] for each in slots], 0]
        return video, values[..., None].expand(-1, -1, -1, self.sound[1])

    def packed(self, joint: Joint, latent_frames: Sequence[int]) -> tuple[Packed, list[torch.Size]]:
        """The streams of `joint` packed in the host's form, and their sizes."""
        return comfy.utils.pack_latents(self.separated(joint, latent_frames))

    def unpacked(self, packed: Packed, latent_frames: Sequence[int]) -> Joint:
        """The joint latent that the host packed."""
        sizes = self.sizes(packed.shape[0], latent_frames)
        streams: Any = comfy.utils.unpack_latents(packed, sizes)
        return self.joined(streams, latent_frames)

    def sizes(self, batch: int, latent_frames: Sequence[int]) -> list[torch.Size]:
        """The sizes of both streams in `latent_frames`."""
        channels, *sides = self.video
        count = len(self.slots(latent_frames))
        return [
            torch.Size((batch, channels, len(latent_frames), *sides)),
            torch.Size((batch, self.sound[0], count, self.sound[1])),
        ]

    def conds(
        self, levels: SamplingMask | None, rows: int, latent_frames: Sequence[int]
    ) -> dict[str, Any]:
        """The inputs of a call on `rows` with the sizes and the noise levels of both streams."""
        conds: dict[str, Any] = {LATENT_SHAPES: self.sizes(rows, latent_frames)}
        if levels is not None:
            video, sound = self.separated_masks(levels, latent_frames)
            for name, mask in (("denoise_mask", video), ("audio_denoise_mask", sound)):
                conds[name] = mask.repeat(rows // len(mask), 1, 1, *[1] * (mask.ndim - 3))
        return conds

    def video_callback(self, callback: Callback) -> Callback:
        """`callback`, called with the video part of joint or nested latents."""

        def show(step: int, clean: Any, x: Any, total: int) -> None:  # noqa: ANN401
            video, noisy = (
                streams_of(part)[0] if is_nested(part) else self.video_of(part)
                for part in (clean, x)
            )
            callback(step, video, noisy, total)

        return show

    def nested(self, joint: Joint, latent_frames: Sequence[int]) -> Any:  # noqa: ANN401
        """`joint` as the host's NestedTensor."""
        return comfy.nested_tensor.NestedTensor(self.separated(joint, latent_frames))


def sound_layout(latent: Any, time: int, ring: bool) -> SoundLayout | None:  # noqa: ANN401
    """The layout of a nested `latent`; None of one without sound.

    `time` is the number of frames per latent frame; on a `ring` the first one has `time` too.
    ConfigError for other streams than video and sound.
    """
    if not is_nested(latent):
        return None
    streams = streams_of(latent)
    if len(streams) != 2 or streams[0].ndim != 5 or streams[1].ndim != 4:
        raise ConfigError(
            f"a latent of {len(streams)} streams: Sora Guider takes video and sound, as "
            "LTXVConcatAVLatent or Sora Encode Canvas with audio_vae makes them"
        )
    video, sound = streams
    beside = frames_beside(video.shape[2], sound.shape[2], time, ring)
    return SoundLayout(
        (video.shape[1], *video.shape[3:]), (sound.shape[1], sound.shape[3]), beside, video.shape[2]
    )


def frames_per_latent_frame(model: comfy.model_base.BaseModel, latent: LatentDict) -> int:
    """Frames per latent frame: as the canvas was encoded, or as the host states."""
    encoded, kind = canvas_latent_of(latent), model.latent_format
    if encoded is not None:
        return encoded.compression.time
    return int(getattr(kind, "temporal_downscale_ratio", LTX_TIME))


def frames_beside(latent_frames: int, sound_frames: int, time: int, ring: bool) -> tuple[int, ...]:
    """For each frame of the sound, the latent frame whose video plays at its middle."""
    lead = time - 1 if not ring else 0  # a lone first frame counts as the last of a whole group
    total = latent_frames * time - lead
    middles = ((j + 0.5) * total / sound_frames for j in range(sound_frames))
    return tuple(min(latent_frames - 1, (int(middle) + lead) // time) for middle in middles)


def streams_from(
    latent: Any,  # noqa: ANN401
    denoise_mask: Any,  # noqa: ANN401
    time: int,
    ring: bool,
) -> tuple[list[Tensor], list[Tensor]]:
    """Both streams of a nested latent and their masks.

    Empty sound (zeros) is free. Encoded sound without a mask, or with one of ones, is held where
    the video is, so that an extended video continues both.
    """
    known = streams_of(latent)
    masks = [] if denoise_mask is None else streams_of(denoise_mask)
    full = [stream.new_ones(stream[:, :1].shape) for stream in known]
    for i, mask in enumerate(masks[:2]):
        full[i] = comfy.utils.reshape_mask(mask, known[i].shape)[:, :1].to(known[i])
    video, sound = full
    if bool(known[1].any()) and bool((sound == 1).all()):
        sound = sound_mask(video, sound, time, ring)
    return known, [video, sound]


def sound_mask(video: SamplingMask, sound: SoundMask, time: int, ring: bool) -> SoundMask:
    """The mask of the sound that runs beside a video with the mask `video`.

    A frame of sound gets the lowest mask value of the video at its time: a hole in the picture, or
    a larger picture around it, does not change the sound.
    """
    by_frame = video.amin((3, 4))
    frames = list(frames_beside(video.shape[2], sound.shape[2], time, ring))
    return by_frame[:, :, frames, None].expand(len(by_frame), 1, -1, sound.shape[3]).to(sound)
