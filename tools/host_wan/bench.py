"""Edits of held-out clips through the pack's nodes on the trained Wan, measured as our model's are.

Axes: b batch, c channels, t frames, y rows, x columns.

The pack is loaded as ComfyUI loads it, under its own name, so that the core's classes are those
that the nodes use; `PackCore` holds the modules of that copy.
"""

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sora_core.pipeline.generate import SHIPPED
from tools.golden import load_nodes

from .network import import_host, read_wan, text_conditioning

WINDOW = 17 / 8  # seconds that the network was trained for
GUIDANCE = 3.0
STEPS = 20


def pack_core(name: str) -> Any:  # noqa: ANN401
    return importlib.import_module(f"sora_nodes.sora_core.{name}")


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchSettings:
    """How the edits are sampled; `shift` 0 takes that of the training."""

    steps: int = STEPS
    guidance: float = GUIDANCE
    sampler: str = "euler"
    shift: float = 0.0
    hand_over: float = 0.0
    easing: int = 0
    window: float = WINDOW


class HostWanBench:
    """Runs edits on the network in a file, through nodes; a peer of `EditRunner`."""

    def __init__(
        self,
        path: Path,
        clips: Sequence[Any],
        settings: BenchSettings,
        log: Callable[[str], None],
    ) -> None:
        import_host("comfy.sd")
        self.node = load_nodes()
        self.model = import_host("comfy.sd").load_diffusion_model(str(path))
        _, facts = read_wan(path)
        _, _, self.vae = self.node("SoraLoadModel").execute(SHIPPED).args
        self.pipeline = pack_core("pipeline.generate").load()
        self.reader = pack_core("measure.classifier").load_classifier()
        self.settings = replace(settings, shift=settings.shift or facts["shift"])
        self.clips, self.log = clips, log

    def words(self, prompt: str) -> list[Any]:
        """Positive and negative conditioning."""
        encoder, tokenizer = self.pipeline.encoder, self.pipeline.tokenizer
        return [text_conditioning(encoder, tokenizer, text) for text in (prompt, "")]

    @torch.inference_mode()
    def sampled(self, prompt: str, canvas: Any, seed: int) -> tuple[Any, Any, Any]:  # noqa: ANN401
        """The encoded canvas, the sampled latent and its frames in bytes."""
        encode = importlib.import_module("sora_nodes.nodes.host.vae.encode")
        latents = importlib.import_module("sora_nodes.nodes.host.latents")
        latent = self.node("SoraEncodeCanvas").execute(canvas, self.vae).args[0]
        encoded = latents.canvas_latent_of(latent)
        filler = encode.grey_latent(self.vae, canvas.grid())
        encoded = replace(encoded, filler=filler)
        latent[latents.CANVAS_LATENT_KEY] = encoded
        use = self.settings
        guider = self.node("SoraGuider").execute(
            self.model,
            *self.words(prompt),
            use.guidance,
            rescale=0.0,
            from_sigma=1.0,
            to_sigma=0.0,
            latent=latent,
            window=use.window,
            resume=False,
            hand_over=use.hand_over,
            ease_guidance=use.easing,
        )
        sigmas = self.node("SoraSchedule").execute(latent, use.steps, use.shift, 1.0, self.model)
        noise = self.node("SoraNoise").execute(seed)
        done = self.node("SoraSample").execute(
            noise.args[0], guider.args[0], sigmas.args[0], latent, use.sampler
        )
        images = self.node("SoraDecodeFrames").execute(done.args[0], self.vae).args[0]
        frames = pack_core("video.frames").frames_from_images(images)
        return encoded, done.args[0]["samples"], frames

    def edits(self, name: str) -> list[Any]:
        """The edit called `name` of every clip; the second clip of an edit is the next one."""
        cases = pack_core("measure.edit_cases")
        pairs = zip(self.clips, (*self.clips[1:], self.clips[0]), strict=True)
        jobs = [cases.OPERATIONS[name](*pair) for pair in pairs]
        return self.each(name, self.edit, jobs)

    def edit(self, job: Any) -> Any:  # noqa: ANN401 - an EditJob, an Edit
        """The edit of `job`, measured."""
        encoded, latent, frames = self.sampled(job.prompt, job.canvas, job.clip.seed)
        measure = pack_core("measure.edit_cases").measured_edit
        return measure(self.pipeline.autoencoder, job, encoded, latent, frames)

    def chains(self) -> list[Any]:
        """For each clip, the frames of the clip and of its ten extensions."""
        return self.each("chain", self.chain, self.clips)

    def chain(self, clip: Any) -> list[Any]:  # noqa: ANN401
        cases = pack_core("measure.edit_cases")
        canvas, lengths = cases.chain_canvas(clip)
        _, _, frames = self.sampled(clip.caption, canvas, clip.seed)
        return list(frames.split(lengths))

    def each(self, what: str, make: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """The results of `make` for all items in order."""
        results = []
        for item in items:
            results.append(make(item))
            self.log(f"{what}: {len(results)} clips")
        return results
