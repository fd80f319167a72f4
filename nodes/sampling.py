"""Nodes that take a model from noise to a finished latent."""

import torch
from comfy_api.latest import io

from ..sora_core.errors import ConfigError
from ..sora_core.pipeline.generate import SAMPLERS
from ..sora_core.sampling.guidance import GuidanceScale
from ..sora_core.sampling.noise import MAX_SEED
from ..sora_core.sampling.schedules import (
    MAX_SHIFT,
    MAX_STEPS,
    clip_shift,
    shifted_sigmas,
    truncate_sigmas,
)
from ..sora_core.seams.settings import MAX_EASING, JoinSettings
from ..sora_core.shapes import Grid
from .host import sampling as host
from .host.guidance.low_noise_expert import LowNoiseExpert
from .host.guidance.make_guider import make_guider
from .host.guidance.model_schedule import model_sigmas
from .host.sockets.checked import checked_inputs
from .host.validation import checked_choice


@checked_inputs
class SoraNoise(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraNoise",
            display_name="Sora Noise",
            category="Sora/sampling",
            description="Noise that is the same on every device, and whose composition stays when "
            "the size is doubled: a draft and its final agree.",
            inputs=[
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=MAX_SEED,
                    control_after_generate=True,
                    tooltip="The same number gives the same video.",
                ),
            ],
            outputs=[io.Noise.Output(tooltip="For Sora Sample or SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(cls, seed) -> io.NodeOutput:
        return io.NodeOutput(host.Noise(seed))


@checked_inputs
class SoraSchedule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraSchedule",
            display_name="Sora Schedule",
            category="Sora/sampling",
            description="The noise levels of a sampler. Larger and longer videos need more steps "
            "at high noise.",
            inputs=[
                io.Latent.Input(
                    "latent", tooltip="The latent to be sampled; only its size matters."
                ),
                io.Int.Input(
                    "steps",
                    default=20,
                    min=1,
                    max=MAX_STEPS,
                    tooltip="More is slower and cleaner.",
                ),
                io.Float.Input(
                    "shift",
                    default=0.0,
                    min=0.0,
                    max=MAX_SHIFT,
                    step=0.1,
                    tooltip="Share of steps at high noise. 1 is evenly spaced; 0 chooses by the "
                    "size of the latent.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="1 starts from pure noise; less starts from the latent, noised to "
                    "that level.",
                ),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="The model that samples: sets the range of noise levels and, at shift "
                    "0, the shift. Without it the levels suit sora-mini.",
                ),
            ],
            outputs=[io.Sigmas.Output(tooltip="For Sora Sample or SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(cls, latent, steps, shift, strength, model=None) -> io.NodeOutput:
        *_, rows, columns = sides = latent["samples"].shape
        grid = Grid(sides[2] if len(sides) == 5 else 1, rows, columns)
        if model is not None:
            return io.NodeOutput(model_sigmas(model, grid, steps, shift, strength))
        sigmas = shifted_sigmas(steps, shift or clip_shift(grid))
        return io.NodeOutput(torch.tensor(truncate_sigmas(sigmas, strength)))


@checked_inputs
class SoraGuider(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraGuider",
            display_name="Sora Guider",
            category="Sora/sampling",
            description="Guides a model towards a prompt and away from another. Outside the "
            "interval, and at scale 1, only the positive prompt is computed: twice as fast.",
            inputs=[
                io.Model.Input("model", tooltip="Any model that samples latents."),
                io.Conditioning.Input("positive", tooltip="The prompt to follow."),
                io.Conditioning.Input("negative", tooltip="The prompt to avoid."),
                io.Float.Input(
                    "scale",
                    default=4.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="How strictly to follow the prompt; 1 is the model's own prediction.",
                ),
                io.Float.Input(
                    "rescale",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Reduces the contrast that a high scale adds: 0 not at all, 1 fully.",
                ),
                io.Float.Input(
                    "from_sigma",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Guidance begins once the noise level is this or lower.",
                ),
                io.Float.Input(
                    "to_sigma",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Guidance ends once the noise level is below this. Without footage 0.5 "
                    "is enough for sora-mini: steps below take half the time.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="The latent to be sampled, from Sora Encode Canvas: conditions the "
                    "model on the footage by an input that it supports, closes loops, and times "
                    "prompts.",
                ),
                io.Float.Input(
                    "footage_scale",
                    default=1.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    optional=True,
                    tooltip="How strictly to follow the footage; 1 is the model's own prediction, "
                    "any other value needs one more model call a step.",
                ),
                io.Float.Input(
                    "window",
                    default=0.0,
                    min=0.0,
                    max=3600.0,
                    step=0.1,
                    optional=True,
                    tooltip="Seconds of a long video that are sampled at a time. 0 is the length "
                    "that the model was trained for, such as 81 frames for Wan and 129 for "
                    "Hunyuan; for a model of unknown length what memory allows.",
                ),
                io.Boolean.Input(
                    "resume",
                    default=True,
                    optional=True,
                    tooltip="Caches each finished segment of a long video or a loop in the output "
                    "folder, and each prediction for the next: after a cancel, a crash or a "
                    "change the workflow continues from there. Sora Jobs lists and removes them.",
                ),
                io.Model.Input(
                    "model_low",
                    optional=True,
                    tooltip="The low-noise model of a pair, such as Wan 2.2 A14B: it replaces "
                    "`model` below `boundary`. Two KSampler (Advanced) in a row lose footage, "
                    "since the first one ends on noise.",
                ),
                io.Float.Input(
                    "boundary",
                    default=0.875,
                    min=0.0,
                    max=1.0,
                    step=0.005,
                    optional=True,
                    tooltip="Noise level below which `model_low` is used: 0.875 for Wan 2.2 text "
                    "to video, 0.9 for Wan 2.2 image to video.",
                ),
                io.Boolean.Input(
                    "frame_levels",
                    default=False,
                    optional=True,
                    tooltip="For Wan text to video with weights that were trained with a noise "
                    "level for each frame, such as Pusa or SkyReels-V2 DF: footage has no noise.",
                ),
                io.Float.Input(
                    "hand_over",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="Takes the model's error on known frames from the frames beside them: "
                    "better joins on models that take one noise level, such as Wan text to video. "
                    "They then generate long videos in segments, each after the last. 0 is off.",
                ),
                io.Int.Input(
                    "ease_guidance",
                    default=0,
                    min=0,
                    max=MAX_EASING,
                    optional=True,
                    tooltip="Latent frames over which text guidance rises beside footage, where "
                    "the footage determines the content and guidance makes the join visible. 1 "
                    "helps models that take one noise level. 0 is the model's own: 2 for "
                    "sora-mini, none for others.",
                ),
            ],
            outputs=[io.Guider.Output(tooltip="For Sora Sample or SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(
        cls,
        model,
        positive,
        negative,
        scale,
        rescale,
        from_sigma,
        to_sigma,
        latent=None,
        footage_scale=1.0,
        window=0.0,
        resume=True,
        model_low=None,
        boundary=0.875,
        frame_levels=False,
        hand_over=0.0,
        ease_guidance=0,
    ) -> io.NodeOutput:
        if to_sigma > from_sigma:
            raise ConfigError(
                f"to_sigma {to_sigma:g} is above from_sigma {from_sigma:g}: noise levels fall, so "
                "exchange the two"
            )
        result = make_guider(
            model,
            positive,
            negative,
            GuidanceScale(scale, footage_scale, rescale, (to_sigma, from_sigma)),
            latent,
            window=window,
            resume=resume,
            frame_levels=frame_levels,
            low=None if model_low is None else LowNoiseExpert(model_low, boundary),
            joins=JoinSettings(hand_over=hand_over, easing=ease_guidance),
        )
        return io.NodeOutput(result, ui={"text": (result.summary,)} if result.summary else {})


@checked_inputs
class SoraSample(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraSample",
            display_name="Sora Sample",
            category="Sora/sampling",
            description="Samples a latent: from noise, along a schedule, with a guider.",
            inputs=[
                io.Noise.Input("noise", tooltip="From Sora Noise or any other noise node."),
                io.Guider.Input("guider", tooltip="From Sora Guider or any other guider node."),
                io.Sigmas.Input("sigmas", tooltip="From Sora Schedule or any other scheduler."),
                io.Latent.Input(
                    "latent", tooltip="The latent to start from. A noise mask of 0 preserves it."
                ),
                io.Combo.Input(
                    "sampler",
                    options=list(SAMPLERS),
                    default=SAMPLERS[0],
                    tooltip="euler: one model call a step. heun: two, more exact. dpmpp_2m: one, "
                    "exact with few steps. sde: adds fresh noise at each step.",
                ),
            ],
            outputs=[io.Latent.Output(tooltip="The finished latent, to be decoded.")],
        )

    @classmethod
    def execute(cls, noise, guider, sigmas, latent, sampler) -> io.NodeOutput:
        name = checked_choice("sampler", sampler, SAMPLERS)
        sampled = host.sample(noise, guider, sigmas, latent, name)
        report = getattr(guider, "report", "")  # only our guider has one
        return io.NodeOutput(sampled, ui={"text": (report,)} if report else {})
