"""Training of the transformer: rectified flow with prediction of clean patches, with known footage
from the first step on.

Axes: b batch, c channels, t frames, y rows, x columns, n tokens, k objects, d width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from ..models.autoencoder import Autoencoder
from ..models.dit import Attend, DiT
from ..models.layers import FEW_TOKENS, written_out_attention
from ..models.metric import USUAL_FPS
from ..models.packing import pad_texts
from ..models.patchify import LATENT_PATCH
from ..sampling.guidance import guide
from ..sampling.noise import seeded_noise
from ..sampling.samplers import Sigma, euler
from ..sampling.schedules import shift_for_cells, shift_sigma, shifted_sigmas
from ..shapes import Grid, Latent
from ..video.frames import frames_from_video
from ..world.scene import COLOURS, SHAPES
from ..world.sheet import contact_sheet
from .clip_batch import ClipBatch, draw_texts
from .conditioning_masks import MASK_KINDS, draw_mask, open_span
from .distributed import Ranks
from .flow_losses import cell_error, frame_step_loss, weighted_mean
from .latent_dataset import OBJECTS, LatentShard
from .trainer import block_matrices

TRUTH_BLOCK = 0.5  # depth of the features for the truth head, as a share of the blocks


@dataclass(frozen=True, kw_only=True, slots=True)
class Mix:
    """The composition of a step. Shares are of steps; all clips of a step are of one kind."""

    weights: tuple[float, ...]  # share of steps for each size of clips
    captions: tuple[int, ...] = (0, 1)  # captions in use: 0 is the short one, 1 the long one
    known: float = 0.65  # steps with known footage
    partly: float = 0.2  # of these, with footage that is known only up to a noise level
    no_text: float = 0.1  # share of clips without a caption
    object_weight: float = 2.0
    step_weight: float = 1.0
    truth_weight: float = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentBatch(ClipBatch):
    """Clips of the built-in world: the share of each cell that an object covers, and its kinds."""

    coverage: Float[Tensor, "b k n"]
    kinds: Int[Tensor, "b k 2"]


class TruthHead(nn.Module):
    """Predicts the shape and the colour of the object in each token, or that there is none.

    Representation alignment (Yu et al. 2024) with the world's truth in place of a teacher's
    features. Only for training; it is not part of the model.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.shape = nn.Linear(width, len(SHAPES) + 1)
        self.colour = nn.Linear(width, len(COLOURS) + 1)

    def forward(
        self,
        features: Float[Tensor, "b n d"],
        coverage: Float[Tensor, "b k n"],
        kinds: Int[Tensor, "b k 2"],
    ) -> Tensor:
        """The cross-entropy of shape plus that of colour, a scalar, the mean over all tokens.

        `coverage` in [0, 1] is the share of each token that shows object k; the rest counts as no
        object. `kinds` holds indices of shape and colour; -1 needs a coverage of 0.
        """
        features, loss = self.norm(features), features.new_zeros(())
        for i, head in enumerate((self.shape, self.colour)):
            target = torch.zeros(*features.shape[:2], head.out_features)
            target[..., -1] = 1 - coverage.sum(1)
            for k in range(OBJECTS):
                index = kinds[:, k, i].clamp(min=0)[:, None, None].expand(-1, features.shape[1], 1)
                target.scatter_add_(2, index, coverage[:, k, :, None])
            logits = head(features).float()
            loss = loss + cross_entropy(logits.flatten(0, 1), target.flatten(0, 1))
        return loss


class TransformerModule(nn.Module):
    """The transformer and the head that only its training needs."""

    def __init__(self, dit: DiT) -> None:
        super().__init__()
        self.dit: DiT = dit
        self.truth = TruthHead(dit.config.width)


class TransformerTask:
    """Task: denoise clips of several sizes, one size per step."""

    def __init__(
        self,
        dit: DiT,
        autoencoder: Autoencoder,
        sizes: Sequence[LatentShard],
        test: LatentShard,
        test_captions: Sequence[str],
        empty: Float[Tensor, "l e"],
        mix: Mix,
        batch: int,
        seed: int,
    ) -> None:
        self.model, self.autoencoder = TransformerModule(dit), autoencoder
        self.sizes, self.test, self.test_captions, self.empty = sizes, test, test_captions, empty
        self.mix, self.batch, self.seed = mix, batch, seed

    def matrices(self) -> set[str]:
        return block_matrices(self.model)

    def draw(self, step: int, ranks: Ranks) -> LatentBatch:
        """The batch of this process at `step`, the same for equal seed, step, rank and rank count.

        All processes share the size and the mask; each draws its own clips, captions, noise and
        noise levels. Larger clips come in smaller batches.
        """
        shared = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        own = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + ranks.rank + 1)
        which = int(torch.multinomial(torch.tensor(self.mix.weights), 1, generator=shared))
        data = self.sizes[which]
        frames, rows, columns = data.latents.shape[2:]
        grid = Grid(frames, rows, columns)
        tokens = grid.cells // LATENT_PATCH**2
        cost = max(1.0, (tokens / 80) ** 1.1)  # larger clips come in smaller batches
        count = (
            max(1, round(self.batch / ranks.count / cost))
            if tokens >= 80
            else (2 * self.batch // ranks.count)
        )
        rows_drawn = torch.randint(len(data.latents), (count,), generator=own)
        clean = data.latents[rows_drawn].float()

        level = torch.sigmoid(torch.randn(count, generator=own))
        level = torch.where(
            torch.rand(count, generator=own) < 0.1, torch.rand(count, generator=own), level
        )
        level = shift_sigma(level, shift_for_cells(grid.cells)).view(-1, 1, 1, 1, 1)
        open_mask, sigma = torch.ones(1, 1, *grid.shape), level
        if data.span:
            open_mask = open_span(grid, data.span)[None]
            sigma = (level * open_mask)[..., :1, :1]
        elif frames > 1 and torch.rand((), generator=shared) < self.mix.known:
            kind = MASK_KINDS[int(torch.randint(len(MASK_KINDS), (), generator=shared))]
            mask = draw_mask(grid, kind, shared)[None]
            firmness = torch.zeros(count, 1, 1, 1, 1)
            if torch.rand((), generator=shared) < self.mix.partly:
                firmness = torch.rand(count, 1, 1, 1, 1, generator=own)
                sigma = torch.where(mask > 0, level, torch.minimum(level, firmness))
            else:
                open_mask, sigma = mask, level * mask
            if kind != "box":
                sigma = sigma[..., :1, :1]

        captions = [i for i in range(data.lengths.shape[1]) if i % 2 in self.mix.captions]
        texts = draw_texts(data.text, rows_drawn, captions, self.empty, self.mix.no_text, own)
        text, text_mask = pad_texts([text.float() for text in texts])
        noise = torch.randn(clean.shape, generator=own)
        coverage = rearrange(data.coverage[rows_drawn].float() / 255, "b k t y x -> b k (t y x)")
        return LatentBatch(
            clean=clean,
            noise=noise,
            sigma=sigma,
            open_mask=open_mask,
            text=text,
            text_mask=text_mask,
            fps=torch.full((count,), USUAL_FPS),
            coverage=coverage,
            kinds=data.kinds[rows_drawn],
        )

    def loss(self, step: int, ranks: Ranks) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss at `step`, a scalar to differentiate, and its weighted parts, which sum to it.

        "flow" is always among them, "truth" and "steps" only where they apply to the batch.
        """
        batch = self.draw(step, ranks)
        features: list[Tensor] = []

        def watch(i: int, block: nn.Module, x: Tensor) -> Tensor:
            x = block(x)
            if self.mix.truth_weight and i == int(TRUTH_BLOCK * (len(self.model.dit.blocks) - 1)):
                features.append(x)
            return x

        predicted = self.model.dit(
            batch.noisy,
            batch.sigma,
            batch.text,
            batch.text_mask,
            attend=attention_for(batch.coverage.shape[-1]),
            block_wrapper=watch,
        )
        frames, rows = predicted.shape[2:4]
        weight = repeat(
            1 + (self.mix.object_weight - 1) * batch.coverage.sum(1),
            "b (t y x) -> b 1 t (y i) (x j)",
            t=frames,
            y=rows // LATENT_PATCH,
            i=LATENT_PATCH,
            j=LATENT_PATCH,
        )
        error = cell_error(predicted, batch.clean, batch.sigma)
        parts = {"flow": weighted_mean(error, batch.open_mask * weight)}
        if features:
            truth = self.model.truth(features[0], batch.coverage, batch.kinds)
            parts["truth"] = self.mix.truth_weight * truth
        if frames > 1:
            steps = frame_step_loss(predicted, batch.clean, batch.sigma, batch.open_mask, weight)
            parts["steps"] = self.mix.step_weight * steps
        return torch.stack(list(parts.values())).sum(), parts

    @torch.no_grad()
    def show(self, average: TransformerModule, step: int, folder: Path) -> Mapping[str, float]:
        """The flow loss on held-out clips at three noise levels, under names such as "test/0.3".

        Writes `sheet-<step>.png` into `folder`: up to 16 clips generated from held-out captions.
        """
        scores = {f"test/{level}": self.test_loss(average.dit, level) for level in (0.3, 0.7, 0.95)}
        count = min(16, len(self.test_captions))
        text, mask = pad_texts([self.test.text(i, 1).float() for i in range(count)])
        nothing = self.empty[None].expand(count, -1, -1)
        _, c, t, y, x = self.test.latents.shape
        noise = seeded_noise(0, (1, c, t, y, x)).expand(count, -1, -1, -1, -1)

        def denoise(x: Latent, sigma: Sigma, text: Tensor, mask: Tensor | None) -> Latent:
            return average.dit(x, torch.as_tensor(sigma).view(1, 1, 1, 1, 1), text, mask)

        latent = euler(
            guide(
                partial(denoise, text=text, mask=mask),
                partial(denoise, text=nothing, mask=None),
                4.0,
            ),
            noise,
            shifted_sigmas(24, shift_for_cells(self.test.latents[0, 0].numel())),
        )
        clips = [frames_from_video(self.autoencoder.decode(part[None])[0]) for part in latent]
        contact_sheet(
            clips, self.test_captions[:count], folder / f"sheet-{step:06d}.png", scale=1, across=4
        )
        return scores

    def test_loss(self, dit: DiT, level: float) -> float:
        """The flow loss on held-out clips at one noise level; comparable for one autoencoder."""
        generator = torch.Generator().manual_seed(7)
        clean = self.test.latents.float()
        sigma = torch.full((1, 1, 1, 1, 1), level)
        noisy = clean.lerp(torch.randn(clean.shape, generator=generator), level)
        text, mask = pad_texts([self.test.text(i, 1).float() for i in range(len(clean))])
        predicted = dit(noisy, sigma, text, mask)
        return float(cell_error(predicted, clean, sigma).mean())


def attention_for(tokens: int) -> Attend:
    return written_out_attention if tokens <= FEW_TOKENS else scaled_dot_product_attention
