"""Training of the host's Wan network: flow matching in the host's own scale of the latent.

Axes: b batch, c channels, t latent frames, y rows, x columns, n clips, l text tokens, e text width.

Text to video is trained as Wan is: one noise level a clip, and no known footage. Image to video
gets the mask and the latent of known footage in channels, as Wan's inpainting models do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from sora_core.models.autoencoder import Autoencoder
from sora_core.sampling.guidance import guide
from sora_core.sampling.noise import seeded_noise
from sora_core.sampling.samplers import Sigma, euler
from sora_core.sampling.schedules import shift_sigma, shifted_sigmas
from sora_core.shapes import Latent, Mask
from sora_core.training.clip_batch import draw_texts
from sora_core.training.distributed import Ranks
from sora_core.training.latent_dataset import LatentShard
from sora_core.training.noise_levels import NoiseLevels
from sora_core.video.frames import frames_from_video
from sora_core.world.sheet import contact_sheet

from .network import TIMESTEPS, latent_format, text_input

NO_TEXT = 0.1  # share of clips without their text
OBJECT_WEIGHT = 2.0
LONG_SHARE = 0.15  # of steps, with the longer clips
TEST_LEVELS = (0.3, 0.7, 0.95)
GUIDANCE, SHEET_STEPS, SHEET_CLIPS = 3.0, 20, 16
MASK_FRAMES = 4  # mask channels: the frames of a latent frame


@dataclass(frozen=True, slots=True)
class WanBatch:
    clean: Latent
    noise: Latent
    sigma: Float[Tensor, "b 1 1 1 1"]
    text: Float[Tensor, "b l e"]
    weight: Float[Tensor, "b 1 t y x"]
    footage: Float[Tensor, "b c t y x"] | None

    @property
    def inputs(self) -> Float[Tensor, "b c t y x"]:
        noisy = self.clean.lerp(self.noise, self.sigma)
        return noisy if self.footage is None else torch.cat([noisy, self.footage], dim=1)


class WanTask:
    """Velocity of clips of several lengths, one length a step; for `sora_core.training.trainer`.

    `shift` is the factor of the training noise levels. `grey`: the latent of a grey video as long
    as the longest clip, for the channels of known footage; None trains text to video.
    """

    def __init__(
        self,
        network: nn.Module,
        autoencoder: Autoencoder,
        sizes: Sequence[LatentShard],
        test: LatentShard,
        captions: Sequence[str],
        empty: Float[Tensor, "l e"],
        batch: int,
        seed: int,
        grey: Latent | None = None,
    ) -> None:
        self.model, self.autoencoder, self.sizes, self.test = network, autoencoder, sizes, test
        self.captions, self.empty, self.batch, self.seed, self.grey = (
            captions,
            empty,
            batch,
            seed,
            grey,
        )
        self.scale = latent_format()
        spread = self.scale.latents_std
        self.channel_weight = spread.square() / spread.square().mean()
        self.shift = signal_spread(test.latents.float())
        self.levels = NoiseLevels(uniform=0.1)

    def matrices(self) -> set[str]:
        return {
            name
            for name, weight in self.model.named_parameters()
            if weight.ndim == 2 and name.startswith("blocks.")
        }

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss at `step`, a scalar to differentiate, and its parts."""
        batch = self.draw(step, ranks)
        velocity = self.model(batch.inputs, batch.sigma.flatten() * TIMESTEPS, batch.text)
        error = (velocity.float() - (batch.noise - batch.clean)).square() * self.channel_weight
        loss = (error * batch.weight).mean() / batch.weight.mean()
        return loss, {"flow": loss}

    def draw(self, step: int, ranks: Ranks) -> WanBatch:
        """The batch of this process at `step`, the same for equal seed, step and rank."""
        seed = (self.seed * 1_000_003 + step) * 64 + ranks.rank + 1
        generator = torch.Generator().manual_seed(seed)
        long = len(self.sizes) > 1 and float(torch.rand((), generator=generator)) < LONG_SHARE
        data = self.sizes[int(long)]
        count = max(1, self.batch // (2 if long else 1))
        rows = torch.randint(len(data.latents), (count,), generator=generator)
        clean = self.scale.process_in(data.latents[rows].float())
        cells = clean[0, 0].numel()
        sigma = shift_sigma(self.levels.draw(count, cells, generator), self.shift)
        captions = range(data.lengths.shape[1])
        texts = draw_texts(data.text, rows, captions, self.empty, NO_TEXT, generator)
        cover = data.coverage[rows].float().sum(1, keepdim=True) / 255
        cover = interpolate(cover, clean.shape[2:], mode="nearest")
        noise = torch.randn(clean.shape, generator=generator)
        footage = None
        if self.grey is not None:
            grey = self.grey[:, :, : clean.shape[2]]
            masks = [draw_open(clean.shape[2:], generator) for _ in range(count)]
            footage = footage_channels(data.latents[rows].float(), torch.cat(masks), grey)
        return WanBatch(
            clean,
            noise,
            sigma.view(-1, 1, 1, 1, 1),
            torch.stack([text_input(text) for text in texts]),
            1 + (OBJECT_WEIGHT - 1) * cover,
            footage,
        )

    @torch.no_grad()
    def show(self, average: nn.Module, step: int, folder: Path) -> Mapping[str, float]:
        """The flow loss on held-out clips at TEST_LEVELS; writes a sheet of generated clips."""
        average.eval()
        count = min(SHEET_CLIPS, len(self.captions))
        text = torch.stack([text_input(self.test.text(i, 1)) for i in range(count)])
        nothing = text_input(self.empty).expand_as(text)
        footage = self.sheet_footage(count)

        def denoise(x: Latent, sigma: Sigma, text: Tensor) -> Latent:
            inputs = x if footage is None else torch.cat([x, footage], dim=1)
            times = torch.full((len(x),), float(sigma) * TIMESTEPS)
            return x - sigma * average(inputs, times, text)

        shape = self.test.latents.shape[1:]
        noise = seeded_noise(0, (1, *shape)).expand(count, *shape)
        guided = guide(partial(denoise, text=text), partial(denoise, text=nothing), GUIDANCE)
        latent = euler(guided, noise, shifted_sigmas(SHEET_STEPS, sampling_shift(self.shift)))
        latent = self.scale.process_out(latent)
        clips = [frames_from_video(self.autoencoder.decode(part[None])[0]) for part in latent]
        sheet = folder / f"sheet-{step:06d}.png"
        contact_sheet(clips, self.captions[:count], sheet, scale=1, across=4)
        return {f"test/{level}": self.test_loss(average, level) for level in TEST_LEVELS}

    def sheet_footage(self, count: int) -> Float[Tensor, "b c t y x"] | None:
        """The channels of footage for the sheet: the first frame of each clip; None without."""
        if self.grey is None:
            return None
        clean = self.test.latents[:count].float()
        mask = torch.ones(count, 1, *clean.shape[2:])
        mask[:, :, 0] = 0
        return footage_channels(clean, mask, self.grey[:, :, : clean.shape[2]])

    def test_loss(self, network: nn.Module, level: float) -> float:
        """The flow loss on held-out clips at one noise level of this task's distribution."""
        generator = torch.Generator().manual_seed(7)
        raw = self.test.latents.float()
        clean, sigma = self.scale.process_in(raw), float(shift_sigma(level, self.shift))
        noise = torch.randn(clean.shape, generator=generator)
        text = torch.stack([text_input(self.test.text(i, 1)) for i in range(len(clean))])
        inputs = clean.lerp(noise, sigma)
        if self.grey is not None:
            mask = torch.ones(len(clean), 1, *clean.shape[2:])
            mask[:, :, 0] = 0
            footage = footage_channels(raw, mask, self.grey[:, :, : clean.shape[2]])
            inputs = torch.cat([inputs, footage], dim=1)
        velocity = network(inputs, torch.full((len(clean),), sigma * TIMESTEPS), text)
        return float(((velocity - (noise - clean)).square() * self.channel_weight).mean())


def signal_spread(latents: Latent) -> float:
    """The root mean square of the latents in the host's scale, around each channel's mean.

    The host's scale is that of Wan's VAE. Ours has less spread there, so the noise level at which
    a clip disappears is lower by this factor.
    """
    scaled = latent_format().process_in(latents)
    return (scaled - scaled.mean(dim=(0, 2, 3, 4), keepdim=True)).square().mean().sqrt().item()


def sampling_shift(spread: float) -> float:
    """The shift of a schedule that visits the noise levels of training."""
    return 2.0 * spread


def footage_channels(clean: Latent, mask: Mask, grey: Latent) -> Float[Tensor, "b c t y x"]:
    """What Wan's inpainting models get beside the latent: mask (1 is known) and known latent.

    `mask` is 1 where the model generates. `clean` and `grey` are in the VAE's scale; where nothing
    is known the model gets the latent of a grey video.
    """
    visible = latent_format().process_in(torch.where(mask > 0, grey, clean))
    return torch.cat([(1 - mask).expand(-1, MASK_FRAMES, -1, -1, -1), visible], dim=1)


def draw_open(grid: Sequence[int], generator: torch.Generator) -> Mask:
    """A mask of one clip: 0 in its first frame, or in frames at the start, the end, or both."""
    frames = grid[0]
    mask = torch.ones(1, 1, *grid)
    kind, start, end = torch.rand(3, generator=generator).tolist()
    first = 1 + int(start * (frames - 2))
    last = 1 + int(end * (frames - 2))
    if kind < 0.4:
        mask[:, :, :1] = 0
    elif kind < 0.65:
        mask[:, :, :first] = 0
    elif kind < 0.8:
        mask[:, :, -last:] = 0
    elif kind < 0.95:
        mask[:, :, :1] = 0
        mask[:, :, -min(last, frames - 2) :] = 0
    return mask
