"""Sampling a canvas with any video model of the host, by the engine of the core's pipeline.

Axes: b batch, c channels, t latent frames, y rows, x columns.

Some of the host's models have sigmas from 0 to far above 1: `x = clean + sigma * noise`. Their
latents are converted to rectified flow before the engine and back after it.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import comfy.samplers
from torch import Tensor

from ....sora_core.errors import ConfigError, SizeError
from ....sora_core.pipeline.generate import SEGMENT_SETTINGS
from ....sora_core.pipeline.segment_runner import SegmentRunner, SegmentTask, VideoTask
from ....sora_core.sampling.segments import Segment
from ....sora_core.seams.covariance import follows_reference
from ....sora_core.seams.hand_over import hand_over
from ....sora_core.seams.settings import JoinSettings
from ....sora_core.shapes import Latent
from ..conditioning import by_span, by_wording, cond_weights
from ..flow_sigma import flow_scale
from ..latents import (
    LatentDict,
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
from ..sampling import Callback
from .canvas_checks import (
    check_area,
    check_control,
    check_expert,
    check_footage,
    check_latent,
    check_patches,
    check_step_cache,
    check_timed,
    check_windows,
)
from .conditioning_support import BaseModel, conditioning_support, with_frame_levels
from .guide_frames import GuideFrames, guide_frames, takes_guides
from .guider import Guider
from .lead_frame import LeadFrame, segment_length, segment_settings
from .model_schedule import schedule_remark
from .noise_scale import check_sampler, emptied
from .open_space import open_pixel, with_filler_of
from .pixel_footage import PixelFootage, opened_mask, pixel_footage
from .predict import GuidedCall, ModelOptions
from .reference_frame import (
    ReferenceFrame,
    reference_frame,
    takes_reference,
    without_images,
)
from .segment_context import CanvasInputs, SegmentContext
from .sound_conditioning import with_fitting_sound
from .sound_latent import SoundLayout, frames_per_latent_frame, sound_layout
from .stage import SigmaStage, joint_stage, stage_of
from .temporal_plan import plan_for_latent, window_sigmas
from .trained_length import takes_frame_rate

SEGMENT_REACH = 16  # latent frames: a hand-over reaches most of a segment, or texture fades
BYTES_PER_VALUE = 4  # bytes of a value, as the host samples


class CanvasGuider(Guider):
    """A GUIDER that keeps footage, closes loops and follows prompts over time, on any model.

    A video longer than one call of the model is sampled in segments if the model accepts footage,
    or with a hand-over. Otherwise, and for loops, it is sampled in windows.
    """

    task: SegmentTask
    context: SegmentContext
    guides: GuideFrames | None = None  # for a model that accepts single frames beside the latent
    pixels: PixelFootage | None = None  # for a model that accepts footage frame by frame
    reference: ReferenceFrame | None = None  # for a model whose latent begins with a picture
    joins: JoinSettings

    def set_canvas(
        self,
        latent: LatentDict,
        window: float,
        resume: bool,
        frame_levels: bool,
        joins: JoinSettings,
    ) -> None:
        """Sets the canvas to sample and plans its segments; call it after the conds and the scales.

        `window` is in seconds, 0 for the length that the model was trained for; `resume` caches
        finished work for a restart; `frame_levels` is for Wan weights that were trained with a
        noise level for each latent frame. ConfigError for settings or conditioning that this model
        or canvas does not support; SizeError for a latent without a time axis, or of a size that
        the model does not take.
        """
        model = self.model_patcher.model
        if model.latent_format.latent_dimensions == 3 and isinstance(latent["samples"], Tensor):
            latent = latent | {"samples": with_time(latent["samples"])}
        self.latent, self.resume, self.joins = latent, resume, joins
        self.support = conditioning_support(model)
        check_expert(self.support, self.low)
        if frame_levels:
            self.support = with_frame_levels(self.support, model)
        check_latent(model, latent)
        placed = "noise_mask" in latent
        self.take_conditioning(model, latent, placed)
        check_footage(model, self.support, self.original_conds, latent, self.guidance.footage)
        if placed and (self.support.context or self.support.by_frame):
            self.pixels = pixel_footage(latent, open_pixel(model))
        if placed and takes_guides(model):
            self.guides = guide_frames(model, latent)
        self.plan = plan_for_latent(self.model_patcher, self.support, latent, window, joins)
        if self.plan.segmented and not isinstance(model, HostModel):
            self.joins = replace(joins, reach=SEGMENT_REACH)
        if self.support.images and (placed or self.plan.segmented):
            self.latent = with_filler_of(model, latent)
        check_control(self.original_conds, self.plan)
        check_timed(model, self.original_conds, self.plan)
        patchers = (
            [self.model_patcher] if self.low is None else [self.model_patcher, self.low.patcher]
        )
        for patcher in patchers:
            check_patches(patcher, self.plan)
            check_windows(patcher, self.guides, self.reference)
            check_step_cache(patcher, self.plan, self.guidance.footage)
        check_area(self.support, self.original_conds, self.plan)

    def take_conditioning(self, model: BaseModel, latent: LatentDict, placed: bool) -> None:
        """Fits the conditioning to the canvas of `latent`, and takes the reference frame out of it.

        `placed` is whether the canvas has footage. ConfigError for conditioning of another size,
        SizeError for a canvas whose size the model's sound does not fit.
        """
        conds = with_fitting_sound(model, self.original_conds, latent["samples"])
        if takes_reference(model):
            self.reference = reference_frame(model, conds, latent["samples"], placed)
            conds = without_images(conds)
        canvas = canvas_of(latent)
        metric = isinstance(model, HostModel) and model.metric
        if canvas is not None and (metric or takes_frame_rate(model)):
            conds = {
                name: [{FRAME_RATE: canvas.fps, **cond} for cond in entries]
                for name, entries in conds.items()
            }
        self.original_conds = conds

    @property
    def summary(self) -> str:
        """What this model honours of the canvas, for the user."""
        parts = [self.support.summary] if "noise_mask" in self.latent else []
        parts += self.plan.summary
        if self.resume and self.plan.resumable and not self.plan.segmented:
            size = prod(self.latent["samples"].shape) * BYTES_PER_VALUE / 1e6
            parts.append(f"Each prediction, {size:.1f} MB, is cached for a restart until then.")
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
        model, ours = self.model_patcher.model, isinstance(self.model_patcher.model, HostModel)
        check_sampler(model, sampler)
        stage, noise, layout = self.stage(latent_image, denoise_mask, noise, sigmas)
        if layout is not None and callback is not None:
            callback = layout.video_callback(callback)
        remark = schedule_remark(self.model_patcher, sigmas, self.plan.whole)
        sigmas = window_sigmas(self.plan, sigmas)
        video = self.video_task(stage, noise, seed)
        inputs = self.canvas_inputs(stage, layout, video)
        progress = SamplingProgress(callback, len(sigmas) - 1)
        steps = partial(super().sample, sampler=sampler, sigmas=sigmas, disable_pbar=disable_pbar)

        settings, length = SEGMENT_SETTINGS, self.plan.segment_frames
        if self.plan.segmented and not ours:
            settings = segment_settings(self.support, settings, length, self.joins)
            length = segment_length(self.support, settings, length, stage.mask)
        if layout is not None:  # sound lies in the same channels, and has no colours
            settings = replace(settings, anchor=0.0)
        lead = LeadFrame(
            self.support, self.plan.windows.length, stage.first_frame, self.reference is not None
        )

        def sample_segment(task: SegmentTask) -> Latent:
            segment = task.segment
            self.task, self.context = task, inputs.of_segment(task)
            start: Any = stage.start_of(segment.known, segment.mask, segment.frames)
            if stage.start is None:
                start = emptied(model, start, segment.mask)
            own_noise: Any = task.noise
            frames = range(segment.start, segment.start + start.shape[2])
            if layout is not None:
                own_noise, start = layout.nested(own_noise, frames), layout.nested(start, frames)
            on_step = partial(progress.step, segment)
            sampled = steps(own_noise, start, callback=on_step, seed=task.seed)
            if layout is not None:
                sampled = layout.joined(streams_of(sampled), frames)
            return stage.finished(segment.known, segment.mask, sampled)

        matched: list[bool] = []  # for each generated segment

        def on_segment(segment: Segment, latent: Latent, restored: bool) -> None:
            matched.append(follows_footage(segment, latent, model.process_latent_in))
            lead.note(segment, latent)
            progress.finish_segment(segment, latent, restored)

        runner = SegmentRunner(
            video,
            settings,
            length,
            monitor=drift_monitor(model) if layout is None else None,
            to_model=model.process_latent_in,
            add_lead=(lambda segment: segment) if ours else lead.before,
        )
        job, uncached, removed = None, "", ""
        if self.resume and self.plan.resumable:
            try:
                job = runner.open_job(jobs_folder(), self.shared(sampler, sigmas, stage))
            except ConfigError as problem:
                uncached = f"A restart starts from the beginning: {problem}."
        whole, messages = runner.run(sample_segment, job, on_segment)
        if job is not None:
            removed = tidy_jobs()
        if runner.total > 1:
            progress.finish(model.process_latent_in(whole), runner.total)
        self.report = " ".join(filter(None, (messages, removed, uncached, remark)))
        self.matched = settings.covariance and settings.anchor == 1 and all(matched)
        return whole if layout is None else layout.nested(whole, range(layout.frames))

    def stage(
        self,
        latent_image: Latent,
        denoise_mask: Tensor | None,
        noise: Latent,
        sigmas: Tensor,
    ) -> tuple[SigmaStage, Latent, SoundLayout | None]:
        """The stage that a sampler runs and its noise, as joint latents where there is sound.

        Its mask is open in latent frames whose footage the model gets frame by frame instead.
        ConfigError for a part of a schedule where the video is sampled in segments.
        """
        ring, encoded = self.plan.ring, canvas_latent_of(self.latent)
        time = frames_per_latent_frame(self.model_patcher.model, self.latent)
        layout = sound_layout(latent_image, time, ring)
        inputs = (self.latent, latent_image, denoise_mask, noise, sigmas)
        if layout is None:
            stage = stage_of(*inputs)
        else:
            stage, noise = joint_stage(layout, *inputs, time, ring)
        if self.plan.segmented:
            stage.check_segments()
        mask = stage.mask
        if self.pixels is not None and encoded is not None:
            mask = opened_mask(mask, self.pixels, encoded)
        if self.guides is not None:
            mask = self.guides.opened(mask, layout)
        return replace(stage, mask=mask), noise, layout

    def video_task(self, stage: SigmaStage, noise: Latent, seed: int | None) -> VideoTask:
        """The task of the runner: the canvas of `stage`, and its prompts over time."""
        positive = self.original_conds["positive"]
        weights = cond_weights(positive, self.latent)
        prompts = [conds_fingerprint(conds) for conds in by_span(positive)]
        scenes = by_wording(positive, weights)
        description = describe_latent(self.latent)
        return VideoTask(
            stage.known, stage.mask, noise, seed, prompts, weights, scenes, description
        )

    def canvas_inputs(
        self, stage: SigmaStage, layout: SoundLayout | None, video: VideoTask
    ) -> CanvasInputs:
        """The inputs of the model for all segments of `video`."""
        model = self.model_patcher.model
        own_easing = model.easing if isinstance(model, HostModel) else 0
        return CanvasInputs(
            patcher=self.model_patcher,
            support=self.support,
            latent=self.latent,
            mask=stage.mask,
            ring=self.plan.ring,
            positive=self.original_conds["positive"],
            prompts=video.weights,
            pixels=self.pixels,
            guides=self.guides,
            reference_frame=self.reference,
            layout=layout,
            easing=self.joins.easing or own_easing,
        )

    def shared(
        self, sampler: comfy.samplers.Sampler, sigmas: Tensor, stage: SigmaStage
    ) -> list[object]:
        """The inputs that all segments share, for the key of a job."""
        return [
            model_fingerprint(self.model_patcher),
            sampler_fingerprint(sampler),
            sigmas,
            self.guidance,
            self.support,
            conds_fingerprint(self.original_conds["negative"]),
            filler_of(self.latent),
            self.pixels,
            self.guides,
            self.plan.windows,
            self.plan.ring,
            self.model_patcher.load_device,
            stage.start,
            self.joins,
            None if self.low is None else (model_fingerprint(self.low.patcher), self.low.boundary),
            *([] if self.reference is None else [self.reference]),
        ]

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
        context, sigma = self.context, timestep.max().item()
        layout = context.layout
        frames = range(context.start, context.start + context.known.shape[2])
        if layout is not None:
            x = layout.unpacked(x, frames)
        scale = flow_scale(self.inner_model, sigma)
        level = sigma / scale
        model, options = self.expert_at(level, x, model_options or {})
        call = GuidedCall(
            model,
            self.support,
            self.conds,
            self.guidance,
            context,
            timestep,
            options,
            seed,
        )
        denoise = self.plan.denoiser(call.predict, context.start)
        denoise = hand_over(denoise, context.known, context.mask, self.joins, self.plan.ring)
        denoise = self.task.denoiser(denoise, context.known, context.mask, context.reference)
        clean = denoise(x / scale, level)
        return clean if layout is None else layout.packed(clean, frames)[0]


def follows_footage(segment: Segment, latent: Latent, to_model: Callable[[Latent], Latent]) -> bool:
    """Whether the generated frames of a finished `segment`, `latent`, are matched to its reference.

    `to_model` brings latents to the model's scale, in which they are matched.
    """
    if segment.reference is None or not segment.continues_scene:
        return False
    generated = latent[:, :, segment.mask.amax(dim=(0, 1, 3, 4)) > 0]
    return follows_reference(to_model(generated), segment.reference.transformed(to_model))
