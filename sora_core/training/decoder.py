"""Training of the generated decoder: a copy of the decoder for latents from the transformer.

A decoder trained on encoded latents alone decodes generated ones with a small jump at the start of
each latent frame, since each has its own error. The copy is trained on encoded and generated
latents in turn. The latter are regenerated from noised clips, so that the clip is a valid target.
For known frames after generated ones, only the differences of successive frames are trained: they
continue the generated frames, and `seams/morph.py` morphs these into the footage.

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
DECODER_NOISE = 0.01  # on encoded latents
BORDER_WEIGHT = 8.0  # for the step from one latent frame to the next
MOTION_WEIGHT = 0.6  # for steps from frame to frame, encoded latents
GENERATED_MOTION_WEIGHT = 1.8  # the same for generated latents, which jump more


def decoding_loss(
    decoded: Video,
    true: Video,
    objects: Float[Tensor, "b 1 t y x"],
    exact: Float[Tensor, "#b 1 #t 1 1"],
    motion: float,
) -> dict[str, Tensor]:
    """The parts of the loss: errors of the `exact` frames, and the error of steps in time.

    The step error has the weight `motion`, and BORDER_WEIGHT more at the start of latent frames.
    Pixels of `objects` count OBJECT_WEIGHT times.
    """
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
    """Task: decode clips from their encoded latents and from generated ones, in alternate steps."""

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
        """`decoding_loss` on encoded latents in odd steps, and on generated ones in even steps."""
        if step % 2:
            motion, batch = MOTION_WEIGHT, self.encoded(step, ranks)
        else:
            motion, batch = GENERATED_MOTION_WEIGHT, self.drawn(step, ranks)
        latent, video, objects, exact = batch
        parts = decoding_loss(self.model.decode(latent).float(), video, objects, exact, motion)
        return torch.stack(list(parts.values())).sum(), parts

    @torch.no_grad()
    def encoded(self, step: int, ranks: Ranks) -> tuple[Latent, Video, Tensor, Tensor]:
        """Encoded latents of crops, the crops, an empty object mask, and 1 for exact frames."""
        video, generator = self.draw(step, ranks)
        latent = self.model.encode(video).float()
        noise = DECODER_NOISE * torch.randn(latent.shape, generator=generator)
        return latent + noise, video, torch.zeros_like(video[:, :1]), torch.ones(1, 1, 1, 1, 1)

    def drawn(self, step: int, ranks: Ranks) -> tuple[Latent, Video, Tensor, Tensor]:
        """Generated latents, their true clips, the masks of objects, and the exact frames.

        Whole clips are larger than crops, so there are half as many.
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
    """For each frame, whether its target is exact: False for known ones after generated ones."""
    after = ~known.cummin(dim=1).values
    exact = ~(known & after)
    later = exact[:, 1:].repeat_interleave(COMPRESSION.time, dim=1)
    return torch.cat([exact[:, :1], later], dim=1)


def with_second_decoder(autoencoder: Autoencoder) -> Autoencoder:
    """`autoencoder` with a copy of its decoder as the generated decoder."""
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
    """`autoencoder` without the generated decoder, in eval mode."""
    model = Autoencoder(replace(autoencoder.config, decoders=1))
    weights = autoencoder.state_dict()
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    return model.eval().requires_grad_(False)
