"""Sampling a canvas with any video model of the host, by the engine of the core's pipeline.

Axes: b batch, c channels, t latent frames, y rows, x columns.

Some of the host's models have sigmas from 0 to far above 1: `x = clean + sigma * noise`. Their
latents are converted to rectified flow before the engine and back after it.
"""

from dataclasses import replace
from functools import partial
from math import prod

import comfy.model_patcher
import comfy.model_sampling
import comfy.samplers
import torch
from jaxtyping import Float
from torch import Tensor

from ....sora_core.errors import ConfigError, SizeError
from ....sora_core.pipeline.generate import SEGMENT_SETTINGS
from ....sora_core.pipeline.segment_runner import SegmentRunner, SegmentTask, VideoTask
from ....sora_core.sampling.guidance import GuidanceScale
from ....sora_core.sampling.inpaint import SamplingMask
from ....sora_core.sampling.prompt_spans import SPAN_KEY
from ....sora_core.sampling.segments import Segment
from ....sora_core.seams.easing import ease_guidance
from ....sora_core.seams.hand_over import hand_over
from ....sora_core.seams.settings import JoinSettings
from ....sora_core.shapes import Latent
from ..conditioning import by_span, by_wording, cond_weights
from ..latents import (
    canvas_latent_of,
    canvas_of,
    describe_latent,
    filler_of,
    streams_of,
    with_time,
)
from ..models.model import FRAME_RATE, HostModel
from ..paths import jobs_folder
from ..resume.fingerprint import conds_fingerprint, model_fingerprint, sampler_fingerprint
from ..resume.job_limits import tidy_jobs
from ..resume.progress import SamplingProgress, drift_monitor
from ..sampling import Callback, Conditioning, Guider, LatentDict
from .conditioning_support import conditioning_support, with_frame_levels
from .footage_inputs import footage_inputs
from .guide_frames import GuideFrames, guide_frames, takes_guides
from .lead_frame import segment_length, segment_settings, with_lead
from .low_noise_expert import LowNoiseExpert
from .model_schedule import schedule_remark
from .pixel_footage import PixelFootage, opened_mask, pixel_footage
from .predict import (
    GUIDING_FRAME,
    GuidedCall,
    ModelOptions,
    SegmentContext,
    check_latent,
    is_loop,
    to_device,
)
from .sound_latent import SoundLayout, frames_per_latent_frame, sound_layout
from .stage import SigmaStage, joint_stage, stage_of
from .temporal_plan import plan_for_latent, window_sigmas
from .trained_length import takes_frame_rate
from .vace_context import check_user_context

IMAGE_KEYS = ("concat_latent_image", "noise_concat")
"""Keys of conditioning that fill a model's channels for footage."""

NO_HELP = JoinSettings()

BYTES_PER_VALUE = 4  # bytes of a value, as the host samples


class CanvasGuider(Guider):
    """A GUIDER that keeps footage, closes loops and follows prompts over time, on any model.

    A video longer than one call of the model is sampled in segments if the model accepts footage.
    Otherwise, and for loops, it is sampled in windows.
    """

    task: SegmentTask
    context: SegmentContext
    layout: SoundLayout | None = None  # of a latent with sound, during sampling
    guides: GuideFrames | None = None  # for a model that accepts single frames beside the latent
    pixels: PixelFootage | None = None  # for a model that accepts footage frame by frame
    first: Latent | None = None  # the first latent frame of the whole video, once it is finished
    placed_mask: SamplingMask  # of the canvas, 1 where the model gets single frames instead
    joins: JoinSettings = NO_HELP

    def set_canvas(
        self,
        latent: LatentDict,
        footage_scale: float,
        window: float,
        resume: bool,
        frame_levels: bool = False,
    ) -> None:
        """Sets the canvas to sample and plans its segments; call it after the conds and the scales.

        `window` is in seconds, 0 for the length that the model was trained for; `resume` caches
        finished work for a restart; `frame_levels` is for Wan weights that were trained with a
        noise level for each latent frame. ConfigError for settings or conditioning that this model
        or canvas does not support; SizeError for a latent without a time axis.
        """
        model = self.model_patcher.model
        if model.latent_format.latent_dimensions == 3 and isinstance(latent["samples"], Tensor):
            latent = latent | {"samples": with_time(latent["samples"])}
        self.latent, self.resume = latent, resume
        self.support = conditioning_support(model)
        if frame_levels:
            self.support = with_frame_levels(self.support, model)
        if self.low is not None and (
            conditioning_support(self.low.patcher.model) != conditioning_support(model)
        ):
            raise ConfigError(
                "model and model_low take footage in different ways: connect two models of one kind"
            )
        self.guidance = replace(self.guidance, footage=footage_scale)
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
        if placed and (self.support.context or self.support.by_frame):
            self.pixels = pixel_footage(latent)
        if placed and takes_guides(model):
            self.guides = guide_frames(model, latent)
        self.plan = plan_for_latent(self.model_patcher, self.support, latent, window)
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
        """The sampled latent; bit for bit `latent_image` where the mask is 0."""
        if latent_image.shape[2:] != self.latent["samples"].shape[2:]:
            raise SizeError("Sora Guider has another latent than the sampler: connect the same one")
        encoded, ring = canvas_latent_of(self.latent), self.plan.ring
        time = frames_per_latent_frame(self.model_patcher.model, self.latent)
        layout = self.layout = sound_layout(latent_image, time, ring)
        if layout is None:
            stage = stage_of(self.latent, latent_image, denoise_mask, noise, sigmas)
        else:
            inputs = (self.latent, latent_image, denoise_mask, noise, sigmas)
            stage, noise = joint_stage(layout, *inputs, time, ring)
        if self.plan.segmented:
            stage.check_segments()
        if self.pixels is not None and encoded is not None:
            stage = replace(stage, mask=opened_mask(stage.mask, self.pixels, encoded))
        if self.guides is not None:
            stage = replace(stage, mask=self.guides.opened(stage.mask, layout))
        self.placed_mask = stage.mask

        remark = schedule_remark(self.model_patcher, sigmas, self.plan.whole)
        sigmas = window_sigmas(self.plan, sigmas)
        video = self.video_task(stage, noise, seed)
        if layout is not None and callback is not None:
            callback = layout.video_callback(callback)
        progress = SamplingProgress(callback, len(sigmas) - 1)
        steps, model = super().sample, self.model_patcher.model
        ours, settings = isinstance(model, HostModel), SEGMENT_SETTINGS
        length = self.plan.segment_frames
        if self.plan.segmented and not ours:
            settings = segment_settings(self.support, settings, length)
            length = segment_length(self.support, settings, length, stage.mask)
        if layout is not None:  # sound lies in the same channels, and has no colours
            settings = replace(settings, anchor=0.0)
        self.first = None if bool(stage.mask[:, :, 0].any()) else stage.known[:, :, :1]

        most = self.plan.windows.length

        def sample_segment(task: SegmentTask) -> Latent:
            segment = task.segment
            if not ours:
                segment = with_lead(segment, self.support, self.first, most)
            lead = task.segment.start - segment.start
            self.task, self.context = task, self.segment_context(segment, video.weights, lead)
            own = noise[:, :, segment.frames]
            start = stage.start_of(segment.known, segment.mask, segment.frames)
            frames = range(segment.start, segment.start + own.shape[2])
            if layout is not None:
                own, start = layout.nested(own, frames), layout.nested(start, frames)
            sampled = steps(
                own,
                start,
                sampler,
                sigmas,
                callback=partial(progress.step, segment),
                disable_pbar=disable_pbar,
                seed=task.seed,
            )
            if layout is not None:
                sampled = layout.joined(streams_of(sampled), frames)
            return stage.finished(segment.known, segment.mask, sampled)[:, :, lead:]

        def on_segment(segment: Segment, latent: Latent, restored: bool) -> None:
            self.note_first(segment, latent)
            progress.finish_segment(segment, latent, restored)

        monitor = drift_monitor(model) if layout is None else None
        runner = SegmentRunner(video, settings, length, monitor, model.process_latent_in)
        job, uncached, removed = None, "", ""
        if self.resume and self.plan.resumable:
            try:
                shared = self.shared(sampler, sigmas, stage)
                job = runner.open_job(jobs_folder(), shared, describe_latent(self.latent))
            except ConfigError as problem:
                uncached = f"A restart begins anew: {problem}."
        whole, messages = runner.run(sample_segment, job, on_segment)
        if job is not None:
            removed = tidy_jobs()
        if runner.total > 1:
            progress.finish(model.process_latent_in(whole), runner.total)
        self.report = " ".join(filter(None, (messages, removed, uncached, remark)))
        return whole if layout is None else layout.nested(whole, range(layout.frames))

    def video_task(self, stage: SigmaStage, noise: Latent, seed: int | None) -> VideoTask:
        """The task of the runner: the canvas of `stage`, and its prompts over time."""
        positive = self.original_conds["positive"]
        weights = cond_weights(positive, self.latent)
        prompts = [conds_fingerprint(conds) for conds in by_span(positive)]
        scenes = by_wording(positive, weights)
        return VideoTask(stage.known, stage.mask, noise, seed, prompts, weights, scenes)

    def note_first(self, segment: Segment, latent: Latent) -> None:
        """Keeps the first latent frame of the whole video, which leads later segments."""
        if segment.start == 0:
            self.first = latent[:, :, :1]

    def shared(
        self, sampler: comfy.samplers.Sampler, sigmas: Tensor, stage: SigmaStage
    ) -> list[object]:
        """The inputs that all segments share, for the key of a job."""
        return [
            model_fingerprint(self.model_patcher),
            sampler_fingerprint(sampler),
            sigmas,
            self.guidance,
            conds_fingerprint(self.original_conds["negative"]),
            filler_of(self.latent),
            None if self.pixels is None else (self.pixels.latent, self.pixels.openness),
            None if self.guides is None else (self.guides.latents, self.guides.frames),
            self.plan.windows,
            self.plan.ring,
            self.model_patcher.load_device,
            stage.start,
            self.joins,
            None if self.low is None else (model_fingerprint(self.low.patcher), self.low.boundary),
        ]

    def segment_context(
        self, segment: Segment, weights: Float[Tensor, "p t"], lead: int = 0
    ) -> SegmentContext:
        """The inputs of the model for `segment`, on the device that the model runs on.

        `lead`: how many of its first latent frames are extra ones before the segment.
        `weights`: of each prompt in each latent frame of the whole canvas. Inputs whose names end
        in `_empty` describe a canvas without footage; footage guidance needs them.
        """
        model, latent, mask = self.model_patcher.model, segment.known, segment.mask
        placed, looped = bool((mask < 1).any()), self.plan.ring
        model_mask = self.support.model_mask(mask)
        guiding = model_mask is None and self.has_guiding_frame(mask)
        if guiding:
            model_mask = torch.ones_like(mask)
            model_mask[:, :, :1] = 0
        pixels = self.pixels
        if pixels is not None:
            placed_mask = self.placed_mask[:, :, segment.frames].clone()
            placed_mask[:, :, :lead] = 1
            pixels = pixels.of_segment(segment.frames, latent, mask, placed_mask)
        footage = footage_inputs(
            model, self.support, self.latent, segment, model_mask, pixels, looped
        )
        context = SegmentContext(
            known=model.process_latent_in(latent),
            mask=mask,
            model_mask=model_mask if placed else None,
            concat=footage.concat,
            concat_empty=footage.concat_empty,
            guiding=guiding,
            vace=footage.vace,
            vace_empty=footage.vace_empty,
            prompts=weights,
            start=segment.start,
            reference=segment.reference and segment.reference.transformed(model.process_latent_in),
            guides=self.guides,
            layout=self.layout,
        )
        own = model.easing if isinstance(model, HostModel) else 0
        share = ease_guidance(mask, self.joins.easing or own, looped)
        return replace(to_device(context, self.model_patcher.load_device), share=share)

    def has_guiding_frame(self, mask: SamplingMask) -> bool:
        """Whether the conditioning marks the first frame as clean and it is known on the canvas."""
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
        context, sigma, layout = self.context, timestep.max().item(), self.layout
        frames = range(context.start, context.start + context.known.shape[2])
        if layout is not None:
            x = layout.unpacked(x, frames)
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
        denoise = self.plan.denoiser(call.predict, context.start)
        denoise = hand_over(denoise, context.known, context.mask, self.joins, self.plan.ring)
        denoise = self.task.denoiser(denoise, context.known, context.mask, context.reference)
        clean = denoise(x / (1 + far), sigma / (1 + far))
        return clean if layout is None else layout.packed(clean, frames)[0]


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
    frame_levels: bool = False,
    joins: JoinSettings = NO_HELP,
) -> Guider:
    """A GUIDER of `model`, which samples the canvas of `latent` where there is one."""
    if latent is None:
        if any(SPAN_KEY in options for _, options in positive):
            raise ConfigError("prompts over spans of time: connect `latent` of Sora Guider too")
        if footage_scale != 1:
            raise ConfigError("footage_scale needs footage: connect `latent` of Sora Guider too")
    result = Guider(model) if latent is None else CanvasGuider(model)
    result.set_conds(positive, negative)
    result.set_guidance(GuidanceScale(scale, rescale=rescale, interval=interval))
    if low is not None:
        result.set_low_noise_expert(low)
    if isinstance(result, CanvasGuider) and latent is not None:
        result.joins = joins
        result.set_canvas(latent, footage_scale, window, resume, frame_levels)
    return result
