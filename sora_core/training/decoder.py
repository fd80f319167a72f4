"""Training of the decoder alone, once the transformer is trained: latents stay what they are.

A decoder that has seen only what the encoder makes shows painted latents with a small jump wherever
a latent frame begins, as each is a little wrong in its own way. Here most of what it sees was
painted by the transformer, close enough to the truth to be held against it, and marked as such, so
that what is encoded comes out as sharp as before. Of frames that were given after painted ones,
only the steps are: they shall go on from what was painted, so that it is seen how far that must
bend to meet them as they are (`meeting.py`).

Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..models.autoencoder import Autoencoder
from ..shapes import COMPRESSION, Latent, Video
from ..video.frames import video_from_frames
from .autoencoder import AutoencoderTask
from .dataset import Clips
from .distributed import Ranks
from .painted import Painted

PAINTED = 2  # of three steps
OBJECT_WEIGHT = 1.25
MOTION_WEIGHT = 1.8  # of steps from frame to frame
BORDER_WEIGHT = 8.0  # of those from one latent frame into the next


def decoding_loss(
    made: Video,
    true: Video,
    objects: Float[Tensor, "b 1 t y x"],
    shown: Float[Tensor, "b 1 t 1 1"],
) -> dict[str, Tensor]:
    """Squared error, most of all, of frames that are `shown`; and that of each step in time, into
    latent frames above all."""
    error, weight = made - true, 1 + (OBJECT_WEIGHT - 1) * objects
    shown = weight * shown
    shown = shown / shown.mean()
    parts = {
        "charbonnier": 0.2 * (shown * (error.square() + 1e-3).sqrt()).mean(),
        "squared": 24 * (shown * error.square()).mean(),
        "edges": 0.1
        * (
            (shown[..., 1:] * error.diff(dim=-1).abs()).mean()
            + (shown[..., 1:, :] * error.diff(dim=-2).abs()).mean()
        ),
    }
    if true.shape[2] > 1:
        border = torch.ones(true.shape[2] - 1, 1, 1)
        border[:: COMPRESSION.time] = BORDER_WEIGHT
        step = error.diff(dim=2)
        moved = weight[:, :, 1:] * border / border.mean()
        parts["motion"] = MOTION_WEIGHT * (moved * (step.abs() + 6 * step.square())).mean()
    return parts


class DecoderTask(AutoencoderTask):
    """Clips from their own latents, as before, and from painted ones in turn."""

    def __init__(
        self,
        model: Autoencoder,
        clips: Sequence[Clips],
        scenes: Sequence[Clips],
        painted: Sequence[Painted],
        shown: Clips,
        batch: int,
        seed: int,
    ) -> None:
        super().__init__(model, clips, shown, batch, seed)
        model.encoder.requires_grad_(False)
        model.decoder.requires_grad_(True)
        self.scenes = list(zip(scenes, painted, strict=True))

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        if step % 3 >= PAINTED:
            return super().loss(step, ranks)
        latent, video, objects, shown = self.drawn(step, ranks)
        parts = decoding_loss(self.model.decode(latent).float(), video, objects, shown)
        return torch.stack(list(parts.values())).sum(), parts

    def drawn(self, step: int, ranks: Ranks) -> tuple[Latent, Video, Tensor, Tensor]:
        """Painted and marked latents, what they should show, where objects are, and which frames of
        that are shown.

        They are whole clips, and so half as many as crops.
        """
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + ranks.rank)
        clips, painted = self.scenes[int(torch.randint(len(self.scenes), (), generator=generator))]
        count = max(1, self.batch // ranks.count // 2)
        rows = torch.randint(len(clips.frames), (count,), generator=generator)
        video = torch.stack([video_from_frames(clips.frames[i]) for i in rows])
        known = painted.known[rows]
        opened = (~known).float()[:, None, :, None, None]
        return (
            self.model.marked(painted.latents[rows].float(), opened),
            video,
            clips.objects[rows][:, None],
            shown_frames(known).float()[:, None, :, None, None],
        )


def shown_frames(known: Bool[Tensor, "b t"]) -> Bool[Tensor, "b t2"]:
    """The frames of latent frames, all but those that are given after painted ones."""
    after = ~known.cummin(dim=1).values
    shown = ~(known & after)
    later = shown[:, 1:].repeat_interleave(COMPRESSION.time, dim=1)
    return torch.cat([shown[:, :1], later], dim=1)
