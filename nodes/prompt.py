"""Nodes that turn words into what a model reads."""

from comfy_api.latest import io

from ..sora_core.prompts.sanitize import clean_prompt


class SoraEncodePrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraEncodePrompt",
            display_name="Sora Encode Prompt",
            category="Sora/prompt",
            description="Encodes a prompt after removing invisible characters. Plain text gives "
            "what CLIP Text Encode gives.",
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of the model that will paint."),
                io.String.Input(
                    "text",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="What happens, to what, where, and how the camera moves. (word:1.3) "
                    "counts 1.3 times; \\( and \\) are plain brackets.",
                ),
            ],
            outputs=[io.Conditioning.Output(tooltip="The prompt, for a guider or a sampler.")],
        )

    @classmethod
    def execute(cls, clip, text) -> io.NodeOutput:
        return io.NodeOutput(clip.encode_from_tokens_scheduled(clip.tokenize(clean_prompt(text))))
