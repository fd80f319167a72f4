"""Painting a canvas with any video model of the host, by the same functions as the core's pipeline.

Axes: b batch, c channels, t latent frames, y rows, x columns.

Some of the host's models count noise from 0 to far above 1: `x = clean + sigma * noise`. Here it is
brought to rectified flow on the way in, and back on the way out.
"""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import comfy.model_patcher
import comfy.model_sampling
import comfy.samplers
import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.errors import ConfigError, SizeError
from ....sora_core.pipeline.generate import SEGMENT_SETTINGS
from ....sora_core.resume.fingerprint import fingerprint
from ....sora_core.resume.prediction_cache import PredictionCache
from ....sora_core.resume.tensor_cache import Tensors
from ....sora_core.sampling.drift import StatisticsProbe, anchor
from ....sora_core.sampling.guidance import ease_guidance, guide_both
from ....sora_core.sampling.inpaint import SamplingMask, keep_known
from ....sora_core.sampling.joins import JoinSettings, hand_over
from ....sora_core.sampling.prompt_spans import SPAN_KEY
from ....sora_core.sampling.segments import Segment
from ....sora_core.shapes import Latent
from ..conditioning import cond_weights
from ..latents import canvas_of, filler_of
from ..models.model import FRAME_RATE, HostModel
from ..resume.fingerprint import (
    conds_fingerprint,
    model_fingerprint,
    pack_fingerprint,
    sampler_fingerprint,
)
from ..resume.progress import SamplingProgress
from ..resume.segment_cache import SegmentJob, open_job, segment_tensors
from ..resume.segments import SegmentRunner
from ..sampling import Callback, Conditioning, Guider, LatentDict, no_model
from .conditioning_support import concat_channels, conditioning_support
from .low_noise_expert import LowNoiseExpert
from .model_schedule import schedule_remark
from .predict import (
    GUIDING_FRAME,
    GuidanceScale,
    GuidedCall,
    ModelOptions,
    SegmentContext,
    check_latent,
    empty_footage,
    is_loop,
    to_device,
)
from .sound_latent import Streams, is_nested, streams_from, streams_of, with_levels
from .stage import SigmaStage, stage_of
from .temporal_plan import TemporalPlan
from .trained_length import takes_frame_rate
from .vace_context import check_user_context, vace_context

IMAGE_KEYS = ("concat_latent_image", "noise_concat")
"""Keys of conditioning that fill a model's channels for footage."""

NO_HELP = JoinSettings()

BYTES_PER_VALUE = 4  # bytes of a value, as the host samples


class CanvasGuider(Guider):
    """A GUIDER that keeps footage, closes loops and follows prompts over time, on any model.

    A video longer than the model sees at a time is painted in a chain of links, if the model can be
    shown what is there already; else, and where it is a loop, in windows.
    """

    context: SegmentContext
    predictions: PredictionCache | None
    probe: StatisticsProbe
    joins: JoinSettings = NO_HELP
    streams: Streams | None = None  # of a latent with sound, while it is sampled

    def set_canvas(
        self, latent: LatentDict, footage_scale: float, window: float, resume: bool
    ) -> None:
        """Sets the canvas to sample and plans its segments; call it after the conds and the scales.

        `window` is in seconds, 0 for the length that the model was trained for; `resume` caches
        finished work for a restart. ConfigError for settings or conditioning that this model or
        canvas does not support; SizeError for a latent without a time axis.
        """
        model = self.model_patcher.model
        self.latent, self.footage_scale, self.resume = latent, footage_scale, resume
        self.support = conditioning_support(model)
        if self.low is not None and conditioning_support(self.low.patcher.model) != self.support:
            raise ConfigError(
                "model and model_low take footage in different ways: connect two models of one kind"
            )
        guide_both(no_model, no_model, no_model, self.scale, footage_scale)
        check_latent(model, latent)
        placed, looped = "noise_mask" in latent, is_loop(latent)
        if placed and footage_scale != 1 and not self.support.accepts_footage:
            raise ConfigError(
                f"footage_scale {footage_scale:g}: {type(model).__name__} cannot be shown footage, "
                "only made to keep it; set footage_scale to 1"
            )
        cond_keys = {
            name for conds in self.original_conds.values() for cond in conds for name in cond
        }
        if (placed or looped) and not cond_keys.isdisjoint(IMAGE_KEYS):
            raise ConfigError(
                "the conditioning already holds an image: place it on the canvas instead, and "
                "connect the conditioning without it"
            )
        if self.support.context:
            check_user_context(self.original_conds, latent["samples"].shape[2], placed)
        self.plan = TemporalPlan.for_latent(self.model_patcher, self.support, latent, window)
        if "control" in cond_keys and self.plan.resumable:
            raise ConfigError(
                "a ControlNet does not follow a video in segments, windows or a loop: set `window` "
                "to the length of the canvas, or remove the ControlNet"
            )
        canvas = canvas_of(latent)
        metric = isinstance(model, HostModel) and model.metric
        if canvas is not None and (metric or takes_frame_rate(model)):
            self.original_conds = {
                name: [{FRAME_RATE: canvas.fps, **cond} for cond in conds]
                for name, conds in self.original_conds.items()
            }

    @property
    def guidance(self) -> GuidanceScale:
        return GuidanceScale(self.scale, self.footage_scale, self.rescale, self.interval)

    @property
    def summary(self) -> str:
        """What this model honours of the canvas, for the user."""
        parts = [self.support.summary] if "noise_mask" in self.latent else []
        parts += self.plan.summary
        if self.resume and self.plan.resumable and not self.plan.segmented:
            size = prod(self.latent["samples"].shape) * BYTES_PER_VALUE / 1e6
            parts.append(f"Each prediction, {size:.1f} MB, is kept for a restart until it is done.")
        return " ".join(parts)

    def sample(
        self,
        noise: Latent,
        latent_image: Latent,
        sampler: comfy.samplers.Sampler,
        sigmas: Tensor,
        denoise_mask: Tensor | None = None,
        callback: Callback | None = None,
        disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Latent:
        """`latent_image`, painted; bit for bit itself where the mask is 0."""
        if is_nested(latent_image):
            return self.sample_with_sound(
                noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed
            )
        if latent_image.shape[2:] != self.latent["samples"].shape[2:]:
            raise SizeError("Sora Guider has another latent than the sampler: connect the same one")
        stage = stage_of(self.latent, latent_image, denoise_mask, noise, sigmas)
        if self.plan.segmented:
            stage.check_segments()

        remark = schedule_remark(self.model_patcher, sigmas, self.plan.whole)
        sigmas = self.plan.sigmas(sigmas)
        weights = cond_weights(self.original_conds["positive"], self.latent)
        steps = super().sample

        def generate(
            segment: Segment,
            fresh: int | None,
            on_step: Callable[..., None],
            predictions: PredictionCache | None,
        ) -> Tensors:
            self.context = self.segment_context(segment, weights)
            self.predictions, self.probe = predictions, StatisticsProbe()
            sampled = steps(
                noise[:, :, segment.frames],
                stage.start_of(segment.known, segment.mask, segment.frames),
                sampler,
                sigmas,
                callback=on_step,
                disable_pbar=disable_pbar,
                seed=fresh,
            )
            latent = stage.finished(segment.known, segment.mask, sampled)
            return segment_tensors(latent, self.probe.statistics)

        positive = self.original_conds["positive"]
        segment_job = SegmentJob(stage.known, stage.mask, noise, seed, positive, weights)
        runner = SegmentRunner(
            self.model_patcher.model, segment_job, SEGMENT_SETTINGS, self.plan.segment_frames
        )
        job, uncached = None, ""
        if self.resume and self.plan.resumable:
            try:
                job = open_job(
                    self.shared(sampler, sigmas, stage), segment_job, self.latent, runner.total
                )
            except ConfigError as problem:
                uncached = f"A restart begins anew: {problem}."
        whole, messages = runner.run(generate, job, SamplingProgress(callback, len(sigmas) - 1))
        self.report = " ".join(filter(None, (messages, uncached, remark)))
        return whole

    def sample_with_sound(
        self,
        noise: Latent,
        latent_image: Latent,
        sampler: comfy.samplers.Sampler,
        sigmas: Tensor,
        denoise_mask: Tensor | None,
        callback: Callback | None,
        disable_pbar: bool,
        seed: int | None,
    ) -> Latent:
        """`latent_image` of video and sound, sampled together in one pass.

        ConfigError for what needs several calls a step: segments, windows, loops, prompts over
        spans of time and a footage scale.
        """
        several = len(cond_weights(self.original_conds["positive"], self.latent)) > 1
        if self.plan.is_long or self.plan.ring or several or self.footage_scale != 1:
            raise ConfigError(
                "a latent with sound is sampled in one pass: no loop, no prompts over spans of "
                "time, footage_scale 1, and `window` as long as the canvas"
            )
        if "noise_mask" in self.latent and is_nested(self.latent["samples"]):
            streams = streams_from(self.latent["samples"], self.latent["noise_mask"])
        else:
            streams = streams_from(latent_image, denoise_mask)
        self.streams = streams
        try:
            sampled = super().sample(
                noise, latent_image, sampler, sigmas, None, callback, disable_pbar, seed
            )
            ends_clean = len(sigmas) == 0 or float(sigmas[-1]) == 0
            finished = streams.finished(streams_of(sampled)) if ends_clean else None
        finally:
            self.streams = None
        return sampled if finished is None else type(latent_image)(finished)

    def predict_streams(
        self,
        streams: Streams,
        x: Tensor,
        timestep: Tensor,
        options: ModelOptions,
        seed: int | None,
    ) -> Tensor:
        """The guided prediction of video and sound, packed as the host has them."""
        sigma = timestep.max().item()
        known = self.inner_model.process_latent_in(streams.packed(streams.known).to(x))
        view, levels = streams.model_inputs(x, sigma, known)
        text, _ = self.guidance.scales_at(sigma)
        model, options = self.expert_at(sigma, x, options)
        levels = {name: level.to(x) for name, level in levels.items()}
        clean = comfy.samplers.sampling_function(
            model,
            view,
            timestep,
            self.conds["negative"],
            self.conds["positive"],
            text,
            model_options={"sampler_cfg_function": self.combine} | with_levels(options, levels),
            seed=seed,
        )
        return torch.where(streams.packed(streams.masks).to(x) < sigma, known, clean)

    def shared(self, sampler: comfy.samplers.Sampler, sigmas: Tensor, stage: SigmaStage) -> str:
        """What makes every link of a painting; ConfigError where a restart could not know it."""
        return fingerprint(
            pack_fingerprint(),
            model_fingerprint(self.model_patcher),
            sampler_fingerprint(sampler),
            sigmas,
            self.guidance,
            conds_fingerprint(self.original_conds["negative"]),
            filler_of(self.latent),
            self.plan.windows,
            self.plan.ring,
            SEGMENT_SETTINGS,
            self.model_patcher.load_device,
            stage.start,
            self.joins,
            None if self.low is None else (model_fingerprint(self.low.patcher), self.low.boundary),
        )

    def segment_context(self, segment: Segment, weights: Float[Tensor, "p t"]) -> SegmentContext:
        """The inputs of the model for `segment`, on the device that the model runs on.

        `weights`: of each prompt in each latent frame of the whole canvas. The inputs whose names
        end in `_empty` are those of a canvas without footage, which footage guidance needs.
        """
        model, latent, mask = self.model_patcher.model, segment.known, segment.mask
        placed, looped = bool((mask < 1).any()), self.plan.ring
        model_mask = self.support.model_mask(mask)
        guiding = model_mask is None and self.has_guiding_frame(mask)
        if guiding:
            model_mask = torch.ones_like(mask)
            model_mask[:, :, :1] = 0
        concat = concat_empty = None
        if (self.support.images or self.support.marks) and (placed or looped):
            empty = empty_footage(model, self.latent, latent)
            closed = (mask if model_mask is None else model_mask).gt(0)
            concat = concat_channels(model, torch.where(closed, empty, latent), closed.to(latent))
            concat_empty = concat_channels(model, empty, torch.ones_like(mask))
        vace = vace_empty = None
        if self.support.context and "noise_mask" in self.latent:
            empty = empty_footage(model, self.latent, latent)
            vace = vace_context(model, latent, mask, empty)
            vace_empty = vace_context(model, latent, torch.ones_like(mask), empty)
        context = SegmentContext(
            known=model.process_latent_in(latent),
            mask=mask,
            model_mask=model_mask if placed else None,
            concat=concat,
            concat_empty=concat_empty,
            guiding=guiding,
            vace=vace,
            vace_empty=vace_empty,
            prompts=weights,
            start=segment.start,
            reference=segment.reference and segment.reference.transformed(model.process_latent_in),
            anchored=SEGMENT_SETTINGS.anchor * segment.overlap,
        )
        easing = model.easing if isinstance(model, HostModel) else 0
        share = ease_guidance(mask, easing, looped)
        return replace(to_device(context, self.model_patcher.load_device), share=share)

    def has_guiding_frame(self, mask: SamplingMask) -> bool:
        """Whether the conditioning says that the first frame is clean, and the canvas holds it."""
        conds = self.original_conds["positive"]
        return any(GUIDING_FRAME in cond for cond in conds) and not mask[:, :, 0].any()

    def predict_noise(
        self,
        x: Latent,
        timestep: Tensor,
        model_options: ModelOptions | None = None,
        seed: int | None = None,
    ) -> Latent:
        """The guided clean latent at `x`, not the noise, with known footage in place.

        `timestep` is sigma on the scale of the host's model; its maximum is the level of the whole
        batch. The result is in the model's latent scale, and packed for a latent with sound.
        """
        if self.streams is not None:
            return self.predict_streams(self.streams, x, timestep, model_options or {}, seed)
        context, sigma = self.context, timestep.max().item()
        counts_flow = isinstance(self.inner_model.model_sampling, comfy.model_sampling.CONST)
        far = 0.0 if counts_flow else sigma
        model, options = self.expert_at(sigma / (1 + far), x, model_options or {})
        call = GuidedCall(
            model,
            self.support,
            self.conds,
            self.guidance,
            context,
            timestep,
            1 + far,
            options,
            seed,
        )
        denoise = self.plan.denoiser(call.denoiser, context.start)
        if self.predictions is not None:
            denoise = self.predictions.over(denoise)
        if context.reference is not None and context.anchored > 0:
            denoise = anchor(denoise, context.reference, context.anchored, self.probe)
        denoise = hand_over(denoise, context.known, context.mask, self.joins, self.plan.ring)
        denoise = keep_known(denoise, context.known, context.mask)
        return denoise(x / (1 + far), sigma / (1 + far))


def make_guider(
    model: comfy.model_patcher.ModelPatcher,
    positive: Conditioning,
    negative: Conditioning,
    scale: float,
    rescale: float,
    interval: tuple[float, float],
    latent: LatentDict | None,
    footage_scale: float,
    window: float,
    resume: bool,
    low: LowNoiseExpert | None = None,
    joins: JoinSettings = NO_HELP,
) -> Guider:
    """A GUIDER of `model`, which paints the canvas of `latent` where there is one."""
    if latent is None:
        if any(SPAN_KEY in options for _, options in positive):
            raise ConfigError("prompts over spans of time: connect `latent` of Sora Guider too")
        if footage_scale != 1:
            raise ConfigError("footage_scale needs footage: connect `latent` of Sora Guider too")
    result = Guider(model) if latent is None else CanvasGuider(model)
    result.set_conds(positive, negative)
    result.set_guidance(scale, rescale, interval)
    if low is not None:
        result.set_low_noise_expert(low)
    if isinstance(result, CanvasGuider) and latent is not None:
        result.joins = joins
        result.set_canvas(latent, footage_scale, window, resume)
    return result
