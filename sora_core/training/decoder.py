"""Training of the decoder of what is painted, once the transformer is trained.

A decoder that has seen only what the encoder makes shows painted latents with a small jump wherever
a latent frame begins, as each is a little wrong in its own way. So a copy of it learns, half of the
time, from what the transformer painted, close enough to the truth to be held against it. Of frames
that were given after painted ones, only the steps are: they shall go on from what was painted, so
that it is seen how far that must bend to meet them as they are (`meeting.py`).

Axes: b batch, c channels, t frames, y rows, x columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..models.autoencoder import Autoencoder
from ..shapes import COMPRESSION, Latent, Video
from ..video.frames import video_from_frames
from .autoencoder import AutoencoderTask
from .dataset import ClipShard
from .decoder_dataset import DecoderSamples
from .distributed import Ranks

OBJECT_WEIGHT = 1.25
DECODER_NOISE = 0.01  # of latents as they are
BORDER_WEIGHT = 8.0  # of steps from one latent frame into the next
MOTION_WEIGHT = 0.6  # of steps from frame to frame
GENERATED_MOTION_WEIGHT = 1.8  # of those of painted latents, which jump more than encoded ones


def decoding_loss(
    decoded: Video,
    true: Video,
    objects: Float[Tensor, "b 1 t y x"],
    exact: Float[Tensor, "#b 1 #t 1 1"],
    motion: float,
) -> dict[str, Tensor]:
    """Squared error, most of all, of frames that are `exact`; and, weighing `motion`, that of each
    step in time, into latent frames above all."""
    error, weight = decoded - true, 1 + (OBJECT_WEIGHT - 1) * objects
    exact = weight * exact
    exact = exact / exact.mean()
    parts = {
        "charbonnier": 0.2 * (exact * (error.square() + 1e-3).sqrt()).mean(),
        "squared": 24 * (exact * error.square()).mean(),
        "edges": 0.1
        * (
            (exact[..., 1:] * error.diff(dim=-1).abs()).mean()
            + (exact[..., 1:, :] * error.diff(dim=-2).abs()).mean()
        ),
    }
    if true.shape[2] > 1:
        border = torch.ones(true.shape[2] - 1, 1, 1)
        border[:: COMPRESSION.time] = BORDER_WEIGHT
        step = error.diff(dim=2)
        moved = weight[:, :, 1:] * border / border.mean()
        parts["motion"] = motion * (moved * (step.abs() + 6 * step.square())).mean()
    return parts


class DecoderTask(AutoencoderTask):
    """Clips from their own latents, and from painted ones, a step of each in turn."""

    def __init__(
        self,
        model: Autoencoder,
        clips: Sequence[ClipShard],
        scenes: Sequence[ClipShard],
        generated: Sequence[DecoderSamples],
        preview_clips: ClipShard,
        batch: int,
        seed: int,
    ) -> None:
        super().__init__(model, clips, preview_clips, batch, seed)
        model.requires_grad_(False)
        for weight in (
            parameter for n, parameter in model.named_parameters() if "generated_decoder." in n
        ):
            weight.requires_grad_(True)
        self.scenes = list(zip(scenes, generated, strict=True))

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        if step % 2:
            motion, batch = MOTION_WEIGHT, self.encoded(step, ranks)
        else:
            motion, batch = GENERATED_MOTION_WEIGHT, self.drawn(step, ranks)
        latent, video, objects, exact = batch
        parts = decoding_loss(self.model.decode(latent).float(), video, objects, exact, motion)
        return torch.stack(list(parts.values())).sum(), parts

    @torch.no_grad()
    def encoded(self, step: int, ranks: Ranks) -> tuple[Latent, Video, Tensor, Tensor]:
        """Cuts of clips, their latents, no objects that weigh more, and that all is shown."""
        video, generator = self.draw(step, ranks)
        latent = self.model.encode(video).float()
        noise = DECODER_NOISE * torch.randn(latent.shape, generator=generator)
        return latent + noise, video, torch.zeros_like(video[:, :1]), torch.ones(1, 1, 1, 1, 1)

    def drawn(self, step: int, ranks: Ranks) -> tuple[Latent, Video, Tensor, Tensor]:
        """Painted latents, what they should show, where objects are, and which frames are shown.

        They are whole clips, and so half as many as crops.
        """
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + ranks.rank)
        clips, generated = self.scenes[
            int(torch.randint(len(self.scenes), (), generator=generator))
        ]
        count = max(1, self.batch // ranks.count // 2)
        rows = torch.randint(len(clips.frames), (count,), generator=generator)
        video = torch.stack([video_from_frames(clips.frames[i]) for i in rows])
        return (
            generated.latents[rows].float(),
            video,
            clips.objects[rows][:, None],
            exact_frames(generated.known[rows]).float()[:, None, :, None, None],
        )


def exact_frames(known: Bool[Tensor, "b t"]) -> Bool[Tensor, "b t2"]:
    """The frames of latent frames, all but those that are given after painted ones."""
    after = ~known.cummin(dim=1).values
    exact = ~(known & after)
    later = exact[:, 1:].repeat_interleave(COMPRESSION.time, dim=1)
    return torch.cat([exact[:, :1], later], dim=1)


def with_second_decoder(autoencoder: Autoencoder) -> Autoencoder:
    """`autoencoder` with a copy of its decoder for what is painted."""
    model = Autoencoder(replace(autoencoder.config, decoders=2))
    weights = autoencoder.state_dict()
    copies = {
        name.replace("decoder.", "generated_decoder.", 1): weight
        for name, weight in weights.items()
        if name.startswith("decoder.")
    }
    model.load_state_dict(weights | copies)
    return model


def with_one_decoder(autoencoder: Autoencoder) -> Autoencoder:
    """`autoencoder` without a decoder for what is painted."""
    model = Autoencoder(replace(autoencoder.config, decoders=1))
    weights = autoencoder.state_dict()
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    return model.eval().requires_grad_(False)
