"""Training of the transformer on clips of many sizes, lengths and rates: rectified flow with
prediction of clean patches, with known footage from the first step on.

A step has clips of one latent shape, each at its own frame rate; fewer of larger clips. All random
choices follow from the seed, the step and the process.

Axes: b batch, c channels, f maps, t latent frames, y rows, x columns, l words, e text width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from einops import repeat
from jaxtyping import Float
from torch import Generator, Tensor, nn

from ..models.autoencoder import Autoencoder
from ..models.dit import DiT, TokenSubset
from ..models.packing import pad_texts
from ..sampling.guidance import guide
from ..sampling.noise import seeded_noise
from ..sampling.samplers import Sigma, euler
from ..sampling.schedules import shift_for_cells, shifted_sigmas
from ..shapes import Grid, Latent
from ..video.frames import frames_from_video
from ..world.sheet import contact_sheet
from .clip_batch import ClipBatch, draw_texts
from .conditioning_masks import MASK_KINDS, draw_mask
from .distributed import Ranks
from .flow_losses import cell_error, frame_step_loss, weighted_mean
from .mixed_clips import Bucket
from .noise_levels import NoiseLevels
from .trainer import block_matrices
from .transformer import attention_for
from .truth_maps import MOVING_MAP, THINGS_MAP, MapHead

USUAL_CLIP_CELLS = 320  # of a clip of 64x64 pixels and 17 frames
TEST_LEVELS = (0.2, 0.4, 0.7, 0.95)
TEST_CLIPS = 32
MIXED_SHEET_CLIPS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class MixedLearning:
    """The composition of a step. Shares are of steps; all clips of a step are of one kind."""

    levels: NoiseLevels = field(default_factory=NoiseLevels)
    known: float = 0.5  # steps with known footage
    partly: float = 0.2  # of these, with footage that is known only up to a noise level
    two_levels: float = 0.0  # of the others, with half of the cells at a second level
    window: float = 0.3  # of steps with longer clips, on a part of this many latent frames:
    window_frames: int = 5
    no_text: float = 0.1  # of clips
    thing_weight: float = 2.0  # factor of the error in cells that a thing fills
    moving_weight: float = 0.0  # added for cells that a thing enters or leaves
    step_weight: float = 1.0
    truth_weight: float = 0.1  # of the loss of the maps, predicted at a third of the depth
    dropped: float = 0.0  # of the tokens, in the middle half of the blocks
    stills: float = 2.0  # upper limit, as a multiple of the clips of a usual step


@dataclass(frozen=True, kw_only=True, slots=True)
class MixedBatch(ClipBatch):
    """Clips of the town with the weight of the error in each cell, maps, and a part of the tokens.

    `subset` None trains on all tokens.
    """

    weight: Float[Tensor, "b 1 t y x"]
    maps: Float[Tensor, "b f t y x"]
    subset: TokenSubset | None


class MixedLearner(nn.Module):
    """The transformer and the heads that only its training needs."""

    def __init__(self, dit: DiT) -> None:
        super().__init__()
        self.dit: DiT = dit
        self.truth = MapHead(dit.config.width, dit.config.patch)


class MixedTask:
    """Task: denoise clips of many sizes, one latent shape a step."""

    def __init__(
        self,
        dit: DiT,
        autoencoder: Autoencoder,
        buckets: Sequence[Bucket],
        weights: Sequence[float],
        test: Bucket,
        empty: Float[Tensor, "l e"],
        learning: MixedLearning,
        batch: int,
        seed: int,
        channel_weight: Float[Tensor, "c c"] | None = None,
    ) -> None:
        self.model, self.autoencoder = MixedLearner(dit), autoencoder
        self.buckets, self.weights, self.test = buckets, torch.tensor(weights), test
        self.empty, self.learning, self.batch, self.seed = empty, learning, batch, seed
        self.channel_weight = channel_weight

    def matrices(self) -> set[str]:
        return block_matrices(self.model)

    def count(self, grid: Grid, ranks: Ranks) -> int:
        """The clips of `grid` for one process and step: cost grows faster than size."""
        cost = (grid.cells / USUAL_CLIP_CELLS) ** (1.1 if grid.cells > USUAL_CLIP_CELLS else 1.0)
        return max(
            1, round(min(self.batch / cost, self.learning.stills * self.batch) / ranks.count)
        )

    def draw(self, step: int, ranks: Ranks) -> MixedBatch:
        """The batch of this process at `step`, the same for equal seed, step, rank and rank count.

        All processes share the bucket, the window, the mask and the dropped tokens; each draws
        its own clips, captions, noise and noise levels.
        """
        learning = self.learning
        shared = Generator().manual_seed(self.seed * 1_000_003 + step)
        own = Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + ranks.rank + 1)

        def chance(share: float) -> bool:
            return bool(torch.rand((), generator=shared) < share)

        bucket = self.buckets[int(torch.multinomial(self.weights, 1, generator=shared))]
        grid, first = bucket.grid, 0
        if grid.frames > learning.window_frames and chance(learning.window):
            few = learning.window_frames
            first = int(torch.randint(grid.frames - few + 1, (), generator=shared))
            grid = Grid(few, grid.rows, grid.columns)
        part = slice(first, first + grid.frames)
        count = self.count(grid, ranks)
        rows = torch.randint(len(bucket.latents), (count,), generator=own)
        clean = bucket.latents[rows][:, :, part].float()
        maps = bucket.maps[rows][:, :, part].float() / 255

        sigma, open_mask = self.noise_levels(grid, count, shared, own)
        weight = 1 + (learning.thing_weight - 1) * maps[:, THINGS_MAP, None]
        weight = weight + learning.moving_weight * (4 * maps[:, MOVING_MAP, None]).clamp(max=1)

        captions = range(bucket.lengths.shape[1])
        texts = draw_texts(bucket.text, rows, captions, self.empty, learning.no_text, own)
        noise = torch.randn(clean.shape, generator=own)
        subset = self.token_subset(grid, shared) if learning.dropped else None
        text, text_mask = pad_texts(texts)
        return MixedBatch(
            clean=clean,
            noise=noise,
            sigma=sigma,
            open_mask=open_mask,
            text=text,
            text_mask=text_mask,
            fps=bucket.fps[rows],
            start=float(first),
            weight=weight,
            maps=maps,
            subset=subset,
        )

    def noise_levels(
        self, grid: Grid, count: int, shared: Generator, own: Generator
    ) -> tuple[Float[Tensor, "b 1 #t #y #x"], Float[Tensor, "1 1 #t #y #x"]]:
        """The noise level of each cell, and a mask of 1 where the model generates."""
        learning = self.learning
        level, other = (
            learning.levels.draw(count, grid.cells, own).view(-1, 1, 1, 1, 1) for _ in range(2)
        )
        open_mask = torch.ones(1, 1, 1, 1, 1)
        kind = MASK_KINDS[int(torch.randint(len(MASK_KINDS), (), generator=shared))]
        known, partly, two = (
            bool(draw < share)
            for draw, share in zip(
                torch.rand(3, generator=shared),
                (learning.known, learning.partly, learning.two_levels),
                strict=True,
            )
        )
        if grid.frames > 1 and known:
            mask = draw_mask(grid, kind, shared)[None]
            if kind != "box":
                mask = mask[..., :1, :1]
            if partly:
                return torch.where(mask > 0, level, torch.minimum(level, other)), open_mask
            return level * mask, mask
        if two:
            half = (
                torch.rand(grid.frames, grid.rows // 2, grid.columns // 2, generator=shared) < 0.5
            )
            half = repeat(half, "t y x -> 1 1 t (y 2) (x 2)")
            return torch.where(half, level, other), open_mask
        return level, open_mask

    def token_subset(self, grid: Grid, shared: Generator) -> TokenSubset:
        """Equally many random tokens of each frame, the same ones for the whole batch."""
        blocks, patch = len(self.model.dit.blocks), self.model.dit.config.patch
        places = grid.rows * grid.columns // patch**2
        few = max(1, round(places * (1 - self.learning.dropped)))
        order = torch.rand(grid.frames, places, generator=shared).argsort(1)[:, :few].sort(1).values
        numbers = order + places * torch.arange(grid.frames)[:, None]
        first = min(max(1, blocks // 4), blocks - 1)
        return TokenSubset(numbers.flatten(), first, max(first + 1, blocks - max(1, blocks // 4)))

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss at `step`, a scalar to differentiate, and its weighted parts, which sum to it.

        "flow" is always among them, "truth" and "steps" only where they apply to the batch.
        """
        batch, learning = self.draw(step, ranks), self.learning
        features: list[Tensor] = []
        third = (len(self.model.dit.blocks) - 1) // 3

        def watch(i: int, block: nn.Module, x: Tensor) -> Tensor:
            x = block(x)
            if i == third and learning.truth_weight and x.shape[1] == tokens:
                features.append(x)
            return x

        tokens = batch.clean[0, 0].numel() // self.model.dit.config.patch**2
        predicted = self.model.dit(
            batch.noisy,
            batch.sigma,
            batch.text,
            batch.text_mask,
            start=batch.start,
            fps=batch.fps,
            attend=attention_for(tokens),
            block_wrapper=watch,
            subset=batch.subset,
        )
        error = cell_error(predicted, batch.clean, batch.sigma, self.channel_weight)
        parts = {"flow": weighted_mean(error, batch.open_mask * batch.weight)}
        if features:
            parts["truth"] = learning.truth_weight * self.model.truth(features[0], batch.maps)
        if predicted.shape[2] > 1 and learning.step_weight:
            steps = frame_step_loss(
                predicted,
                batch.clean,
                batch.sigma,
                batch.open_mask,
                batch.weight,
                self.channel_weight,
            )
            parts["steps"] = learning.step_weight * steps
        return torch.stack(list(parts.values())).sum(), parts

    @torch.no_grad()
    def show(self, average: MixedLearner, step: int, folder: Path) -> Mapping[str, float]:
        """The flow loss on held-out clips at some levels, and a sheet of generated clips."""
        scores = {f"test/{level}": self.test_loss(average.dit, level) for level in TEST_LEVELS}
        test, count = self.test, min(MIXED_SHEET_CLIPS, len(self.test.latents))
        text, mask = pad_texts([test.text(i, 0) for i in range(count)])
        empty = self.empty[None].expand(count, -1, -1)
        _, c, t, y, x = test.latents.shape
        noise = seeded_noise(0, (1, c, t, y, x)).expand(count, -1, -1, -1, -1)

        def denoise(x: Latent, sigma: Sigma, text: Tensor, mask: Tensor | None) -> Latent:
            level = torch.as_tensor(sigma).view(1, 1, 1, 1, 1)
            return average.dit(x, level, text, mask, fps=test.fps[:count])

        cond, uncond = (
            partial(denoise, text=text, mask=mask),
            partial(denoise, text=empty, mask=None),
        )
        sigmas = shifted_sigmas(20, shift_for_cells(test.grid.cells))
        with torch.autocast("cpu", torch.bfloat16):
            latent = euler(guide(cond, uncond, 3.0), noise, sigmas)
        clips = [
            frames_from_video(self.autoencoder.decode(part[None].float())[0]) for part in latent
        ]
        captions = [each[0] for each in test.captions[:count]]
        contact_sheet(clips, captions, folder / f"sheet-{step:06d}.png", scale=1, across=4)
        return scores

    def test_loss(self, dit: DiT, level: float) -> float:
        """The flow loss on held-out clips at one noise level; comparable for one autoencoder."""
        generator = Generator().manual_seed(7)
        clean = self.test.latents[:TEST_CLIPS].float()
        sigma = torch.full((1, 1, 1, 1, 1), level)
        noisy = clean.lerp(torch.randn(clean.shape, generator=generator), level)
        text, mask = pad_texts([self.test.text(i, 0) for i in range(len(clean))])
        predicted = dit(noisy, sigma, text, mask, fps=self.test.fps[: len(clean)])
        return float(cell_error(predicted, clean, sigma).mean())
