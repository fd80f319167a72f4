"""A pack for ComfyUI with one node: a tiny random Qwen3-VL that reads images and writes text."""

from itertools import cycle

import comfy.sd
import comfy.text_encoders.qwen3vl as qwen3vl
import torch
from comfy.supported_models_base import ClipTarget
from comfy_api.latest import ComfyExtension, io

FAMILY = "qwen3vl_4b"
WORDS = {
    "vocab_size": 151_669,  # those that the tokenizer knows
    "hidden_size": 16,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
}
PLAN = {"hidden_size": 64, "intermediate_size": 64, "depth": 2, "deepstack_visual_indexes": [0]}


class TestWriter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TestWriter",
            category="test",
            inputs=[io.String.Input("reply"), io.Boolean.Input("vision", default=True)],
            outputs=[io.Clip.Output()],
        )

    @classmethod
    def execute(cls, reply: str, vision: bool) -> io.NodeOutput:
        clip = writer()
        if reply:
            recite(clip, reply)
        if not vision:
            clip.tokenizer.tokenize_with_weights = blind(clip.tokenizer.tokenize_with_weights)
        return io.NodeOutput(clip)


def writer() -> comfy.sd.CLIP:
    """The host's model and tokenizer, with the sizes above."""
    whole = qwen3vl.QWEN3VL_VISION[FAMILY]
    qwen3vl.QWEN3VL_VISION[FAMILY] = PLAN
    target = ClipTarget(qwen3vl.tokenizer(FAMILY), qwen3vl.te(model_type=FAMILY))
    try:
        clip = comfy.sd.CLIP(target, model_options={f"{FAMILY}_model_config": WORDS})
    finally:
        qwen3vl.QWEN3VL_VISION[FAMILY] = whole
    generator = torch.Generator().manual_seed(0)
    for weight in clip.cond_stage_model.parameters():
        torch.nn.init.normal_(weight, std=0.2, generator=generator)
    return clip


def recite(clip: comfy.sd.CLIP, text: str) -> None:
    """Has the model draw the tokens of `text`, one after the other, each time it is asked."""
    network = getattr(clip.cond_stage_model, FAMILY).transformer
    (message,) = clip.tokenize(text, skip_template=True)[FAMILY]
    tokens = cycle([token for token, _ in message] + network.model.config.stop_tokens[:1])
    network.sample_token = lambda *_, **__: torch.tensor([[next(tokens)]])


def blind(tokenize):
    """A tokenizer for words alone: it passes images over, as those of the host do."""
    return lambda text, *flags, image=None, **options: tokenize(text, *flags, **options)


class TestExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [TestWriter]


async def comfy_entrypoint() -> TestExtension:
    return TestExtension()
