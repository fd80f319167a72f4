"""Our model as a denoiser: prompts over time, guidance, and the frames of a temporal plan.

Axes: b c t y x as in shapes; p prompts, l text tokens, e text width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from ..models.dit import DiT, DiTConfig
from ..models.metric import USUAL_FPS
from ..models.packing import pad_texts
from ..models.patchify import LATENT_PATCH
from ..models.prompt_schedule import scheduled_text
from ..sampling.guidance import GuidanceScale, any_guidance, combine, guidance_weights
from ..sampling.inpaint import model_view
from ..sampling.prompt_spans import weights_at
from ..sampling.samplers import Denoise, Sigma
from ..seams.easing import ease_guidance
from ..shapes import Grid, Latent, Mask
from .script import PromptStates, Script
from .temporal_plan import TemporalPlan

BATCHED_TOKENS = 128  # on a CPU, larger clips sample faster one after the other

KnownFootage = tuple[Latent, Mask]
"""The known latent, and the mask: 1 where the model generates."""


@dataclass(frozen=True, slots=True)
class GuidedDenoiser:
    """A model guided by a script and by footage, over the frames of a `plan`.

    Text guidance is eased in over `easing` latent frames next to known footage.
    """

    model: DiT
    script: Script
    guidance: GuidanceScale
    plan: TemporalPlan
    easing: int = 0
    fps: float = USUAL_FPS

    @property
    def identity(self) -> list[object]:
        """All that its numbers depend on besides the model and the texts of the script."""
        return [self.script.negative, self.guidance, self.plan, self.easing, self.fps]

    def denoiser(self, footage: KnownFootage | None, start: int = 0) -> Denoise:
        """A denoiser of all that is sampled together from latent frame `start` on.

        It shows `footage` to the model, and does not hold it: `SegmentTask.denoiser` does.
        """
        scale = self.guidance
        if footage is None:
            scale, share = replace(scale, footage=1.0), 1.0  # nothing to be guided by
        else:
            share = ease_guidance(footage[1], self.easing, ring=self.plan.ring)
        weights = guidance_weights(scale.text, scale.footage, share)
        from_uncond, from_nothing = map(any_guidance, weights)
        unguided, denoise = (
            self.plan.denoiser(partial(self.predict, views), start)
            for views in (1, 1 + from_uncond + from_nothing)
        )

        def guided(x: Latent, sigma: Sigma) -> Latent:
            inputs = (x, sigma) if footage is None else model_view(x, sigma, *footage)
            if not scale.active(sigma):
                return unguided(*inputs)
            views = [inputs, *([inputs] * from_uncond), *([(x, sigma)] * from_nothing)]
            clean, *others = denoise(*side_by_side(views)).split(len(x))
            uncond = others[0] if from_uncond else None
            nothing = others[-1] if from_nothing else None
            return combine(clean, uncond, nothing, scale.text, scale.footage, scale.rescale, share)

        return guided

    def predict(self, views: int, x: Latent, sigma: Sigma, frame: int, place: int) -> Latent:
        """The model's predictions for `views` rows of a few frames from `frame` on.

        The first row is denoised towards the script, the others towards the negative prompt. The
        model takes the frames to be at `place`.
        """
        here = weights_at(self.script.weights, frame, x.shape[2])
        texts = [scheduled_text(self.script.texts, here)]
        texts += [(self.script.negative, None)] * (views - 1)
        level = sigma if isinstance(sigma, Tensor) else x.new_full((1, 1, 1, 1, 1), sigma)
        patch = self.model.config.patch
        few = x.is_cuda or clip_tokens(Grid(*x.shape[2:]), patch) < BATCHED_TOKENS
        call = partial(self.model, start=place, fps=self.fps)
        if few and views > 1:
            return call(x, level, *pad_prompts(texts, x.shape[2]))
        levels = level.expand(views, -1, -1, -1, -1).split(1)
        rows = zip(x.split(1), levels, texts, strict=True)
        return torch.cat(
            [
                call(row, level, words[None], None if bias is None else bias[None])
                for row, level, (words, bias) in rows
            ]
        )


def ring_start(config: DiTConfig) -> int:
    """The number that the first latent frame of a cut ring has for the model.

    On a ring no frame stands alone. A model with positions in seconds has learned clips that begin
    within a longer one; the others take every clip to begin with a single frame.
    """
    return 1 if config.metric else 0


def clip_tokens(grid: Grid, patch: int = LATENT_PATCH) -> int:
    """The number of the transformer's tokens for a clip that covers `grid`."""
    return max(1, grid.cells // patch**2)


def side_by_side(views: Sequence[tuple[Latent, Sigma]]) -> tuple[Latent, Sigma]:
    """The rows of all views, and their noise levels: one for all where that is the same."""
    latents, levels = zip(*views, strict=True)
    if all(level is levels[0] for level in levels):
        return torch.cat(latents), levels[0]
    whole = [
        level if isinstance(level, Tensor) else x.new_full((1, 1, 1, 1, 1), level)
        for x, level in views
    ]
    return torch.cat(latents), torch.cat(torch.broadcast_tensors(*whole))


def pad_prompts(
    prompts: Sequence[tuple[PromptStates, Float[Tensor, "t l"] | None]], frames: int
) -> tuple[Float[Tensor, "b l e"], Tensor]:
    """The texts padded to the longest, and a mask of their words.

    If any text has weights by frame, the mask is the logarithm of each word's weight in each of
    `frames`.
    """
    words, mask = pad_texts([text for text, _ in prompts])
    if all(bias is None for _, bias in prompts):
        return words, mask.to(words.device)
    counts = words.new_full((len(prompts), frames, words.shape[1]), -torch.inf)
    for row, (text, bias) in zip(counts, prompts, strict=True):
        row[:, : len(text)] = 0 if bias is None else bias
    return words, counts
