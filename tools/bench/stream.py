"""Generation as fast as playback: clips made and decoded on one core in four steps.

- `speed_64`: seconds of video at 24 fps a second of the processor, by the released model at 64
  pixels with its own guidance.
- `speed_native`: the same at 8 fps and 96 pixels, by the transformer of the recipe `wide`. Its
  weights are random: they do not change the time.

Every clip lasts `SECONDS`; longer than one model call, it is generated in segments. Beside each, in
bfloat16 (`/bf16`) and without the second pass of guidance (`/unguided`), as after distillation;
`/wall` is by the clock on the wall, which other work on the machine slows down.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median

import torch

from sora_core.canvas.canvas import Canvas
from sora_core.measure.report import Figure
from sora_core.models.dit import DiT
from sora_core.models.precision import FAST_PRECISION, PRODUCT_PRECISIONS, sample_in_bfloat16
from sora_core.pipeline.decode import decode_frames
from sora_core.pipeline.generate import Pipeline, generate, load
from sora_core.training.town_recipes import wide

from .peers import stirred

STEPS = 4
SECONDS = 4.0
PROMPT = "a red ball rolls to the left on grass"
UNGUIDED = 1.0


@dataclass(frozen=True, slots=True)
class Variant:
    """Arithmetic and guidance; None is the model's own scale."""

    suffix: str
    precision: str
    guidance: float | None


VARIANTS = (
    Variant("", PRODUCT_PRECISIONS[0], None),
    Variant("/bf16", FAST_PRECISION, None),
    Variant("/unguided", PRODUCT_PRECISIONS[0], UNGUIDED),
    Variant("/bf16_unguided", FAST_PRECISION, UNGUIDED),
)


def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    """Seconds of video for each second of CPU, and of wall time; medians over `rounds` laps."""
    seconds = 0.5 if smoke else SECONDS
    for name, side, fps, native in (("64", 64, 24.0, False), ("native", 96, 8.0, True)):
        canvas = Canvas(width=side, height=side, seconds=seconds, fps=fps)
        models = {precision: model(precision, native) for precision in PRODUCT_PRECISIONS}
        laps: dict[str, list[tuple[float, float]]] = {each.suffix: [] for each in VARIANTS}
        for _ in range(rounds + 1):  # the first pays for memory and kernels
            for each in VARIANTS:
                laps[each.suffix].append(spent(models[each.precision], canvas, each.guidance))
        for suffix, found in laps.items():
            cpu, wall = (median(lap[i] for lap in found[1:]) for i in (0, 1))
            played = canvas.size.frames / fps
            yield Figure(f"stream/speed_{name}{suffix}", played / cpu, "x")
            yield Figure(f"stream/speed_{name}{suffix}/wall", played / wall, "x")


def model(precision: str, native: bool) -> Pipeline:
    """The released model, or one with the transformer of the recipe `wide`, in `precision`."""
    pipeline = load(precision=precision)
    if not native:
        return pipeline
    torch.manual_seed(0)
    recipe = wide()
    transformer = stirred(DiT(recipe.transformer)).requires_grad_(False)
    if precision == FAST_PRECISION:
        sample_in_bfloat16(transformer)
    sampling = replace(pipeline.config.sampling, window=recipe.window)
    config = replace(pipeline.config, transformer=recipe.transformer, sampling=sampling)
    return replace(pipeline, config=config, transformer=transformer)


def spent(pipeline: Pipeline, canvas: Canvas, guidance: float | None) -> tuple[float, float]:
    """Seconds of the processor and of the wall for one clip, from the prompt to its frames."""
    cpu, wall = time.process_time(), time.perf_counter()
    latent = generate(pipeline, PROMPT, canvas, steps=STEPS, guidance=guidance)
    for _ in decode_frames(pipeline, latent, canvas):
        pass
    return time.process_time() - cpu, time.perf_counter() - wall
