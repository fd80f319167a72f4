"""The denoiser of a whole painting: what is told when, guidance, time and footage, composed.

Axes: b c t y x as in shapes; p prompts, l text tokens, e text width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from ..canvas.canvas import Canvas
from ..models.dit import DiT, DiTConfig
from ..models.metric import USUAL_FPS
from ..models.packing import pad_texts
from ..models.patchify import LATENT_PATCH
from ..models.prompt_schedule import scheduled_text
from ..sampling.drift import Statistics, anchor
from ..sampling.guidance import any_guidance, ease_guidance, extrapolate, guidance_weights
from ..sampling.inpaint import keep_known, mask_by_frame, model_view
from ..sampling.loop import loop_denoiser_at
from ..sampling.prompt_spans import SOFT_SECONDS, span_weights, weights_at
from ..sampling.samplers import Denoise, Sigma
from ..sampling.windows import Windows
from ..shapes import COMPRESSION, Compression, Grid, Latent, Mask

BATCHED_TOKENS = 128  # on a CPU, larger clips sample faster one after the other
RING_CUTS = 2  # of a loop longer than a window: more cost as much again each

PromptStates = Float[Tensor, "l e"]
KnownFootage = tuple[Latent, Mask]
"""The known latent, and where the model may paint."""


@dataclass(frozen=True, slots=True)
class Script:
    """Texts, how much each counts in each latent frame, and what to steer away from."""

    texts: Sequence[PromptStates]
    weights: Float[Tensor, "p t"]
    negative: PromptStates


@dataclass(frozen=True, slots=True)
class GuidedDenoiser:
    """A model that paints a script by two guidances, in windows where it is long.

    The one by text is eased over so many latent frames from known footage on, and outside of the
    `interval` of sigma there is neither.
    """

    model: DiT
    script: Script
    text: float
    footage: float
    windows: Windows
    easing: int = 0
    interval: tuple[float, float] = (0.0, 1.0)
    fps: float = USUAL_FPS

    def unconditioned(self, start: int = 0, period: int | None = None) -> Denoise:
        """A denoiser of the part that begins at latent frame `start`; of a ring of `period`."""
        return self._guidance(start, period, None)

    def conditioned(
        self,
        footage: KnownFootage,
        start: int = 0,
        period: int | None = None,
        reference: Statistics | None = None,
        anchored: float = 0.0,
    ) -> Denoise:
        """The same, which keeps `footage` and is led by it; `anchored` so far to what an earlier
        part was `reference`."""
        known, mask = footage[0], mask_by_frame(footage[1])
        denoise = self._guidance(start, period, (known, mask))
        if reference is not None and anchored > 0:
            denoise = anchor(denoise, reference, anchored)
        return keep_known(denoise, known, mask)

    def _guidance(self, start: int, period: int | None, footage: KnownFootage | None) -> Denoise:
        text, nothing = guidance_weights(self.text, 1.0)
        if footage is not None:
            share = ease_guidance(footage[1], self.easing, ring=period is not None)
            text, nothing = guidance_weights(self.text, self.footage, share)
        away = [push for push in (text, nothing) if any_guidance(push)]
        unguided, denoise = (
            self._through_time(views, start, period) for views in (1, 1 + len(away))
        )
        low, high = self.interval

        def guided(x: Latent, sigma: Sigma) -> Latent:
            inputs = (x, sigma) if footage is None else model_view(x, sigma, *footage)
            noisiest = sigma.max().item() if isinstance(sigma, Tensor) else sigma
            if not low <= noisiest <= high:
                return unguided(*inputs)
            views = [
                inputs,
                *([inputs] * any_guidance(text)),
                *([(x, sigma)] * any_guidance(nothing)),
            ]
            clean, *others = denoise(*side_by_side(views)).split(len(x))
            return extrapolate(clean, list(zip(away, others, strict=True)))

        return guided

    def _through_time(self, views: int, start: int, period: int | None) -> Denoise:
        """A denoiser of any number of frames, each view of them a row."""
        if period is None:
            return self.windows.denoiser(lambda i: self._model_at(views, start + i, start + i))
        place = ring_start(self.model.config)
        if period <= self.windows.length:
            return loop_denoiser_at(lambda first: self._model_at(views, first, place), period)

        def line(first: int) -> Denoise:
            return self.windows.denoiser(lambda i: self._model_at(views, first + i, place + i))

        return loop_denoiser_at(line, period, RING_CUTS, context=self.windows.overlap)

    def _model_at(self, views: int, frame: int, place: int) -> Denoise:
        """The model on a few frames from `frame` on: the first view told the script, the others
        what to steer away from. `place` is where the model takes them to be."""

        def denoise(x: Latent, sigma: Sigma) -> Latent:
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

        return denoise


def ring_start(config: DiTConfig) -> int:
    """The number that the first latent frame of a cut ring has for the model.

    On a ring no frame stands alone. A model with positions in seconds has learned clips that begin
    within a longer one; the others take every clip to begin with a single frame.
    """
    return 1 if config.metric else 0


def clip_tokens(grid: Grid, patch: int = LATENT_PATCH) -> int:
    """How many tokens the transformer sees of a clip that covers `grid`."""
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
    """The texts padded to the longest, and a mask of their words; or what each counts in each of
    `frames`, as a logarithm, where any text is told by frames."""
    words, mask = pad_texts([text for text, _ in prompts])
    if all(bias is None for _, bias in prompts):
        return words, mask.to(words.device)
    counts = words.new_full((len(prompts), frames, words.shape[1]), -torch.inf)
    for row, (text, bias) in zip(counts, prompts, strict=True):
        row[:, : len(text)] = 0 if bias is None else bias
    return words, counts


def prompt_weights(
    canvas: Canvas,
    compression: Compression = COMPRESSION,
    soft: float = SOFT_SECONDS,
    main: bool = True,
) -> Float[Tensor, "p t"]:
    """How much the main prompt and each of the canvas' own counts in each of its latent frames."""
    last = canvas.size.frames
    groups = [canvas.frames_of(i, compression) for i in range(canvas.grid(compression).frames)]
    frames = [(group.start / canvas.fps, min(group.stop, last) / canvas.fps) for group in groups]
    spans = [
        (span.start, float("inf") if span.end is None else span.end) for span in canvas.prompts
    ]
    return span_weights(spans, frames, soft=soft, ring=canvas.ring, main=main)
