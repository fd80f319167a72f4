"""Nodes that expand and encode prompts."""

from functools import partial

from comfy_api.latest import io

from ..sora_core.canvas import edits
from ..sora_core.prompts.expansion import EXPANSION_LEVELS, EXPANSION_STYLES, expand, read_language
from ..sora_core.prompts.rewrite import TOKENS, rewrite
from ..sora_core.prompts.sanitize import clean_prompt
from ..sora_core.prompts.storyboard import expanded, read_storyboard, script
from ..sora_core.prompts.unknown import unknown_note
from ..sora_core.prompts.vocabulary import read_world
from ..sora_core.sampling.prompt_spans import SPAN_KEY
from .host.models.clip import CLIP_NAME
from .host.sampling import progress
from .host.sockets.checked import checked_inputs
from .host.text_generation import generate_text
from .host.validation import checked_choice
from .schema_inputs import canvas_input, canvas_output, canvas_result

SHOTS = """\
0-1s: a red ball rolls to the left on grass
1-2s: it bounces"""


@checked_inputs
class SoraEncodePrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraEncodePrompt",
            display_name="Sora Encode Prompt",
            category="Sora/prompt",
            description="Encodes a prompt after removing invisible characters. For plain text the "
            "result equals that of CLIP Text Encode.",
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of the model that samples."),
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
        text = clean_prompt(text)
        tokens = clip.tokenize(text)
        note = unknown_note(text, read_world()) if CLIP_NAME in tokens else ""
        encoded = clip.encode_from_tokens_scheduled(tokens)
        return io.NodeOutput(encoded, ui={"text": (note,)} if note else {})


def seed_input() -> io.Input:
    """The integer input `seed`, from 0 to 2**64 - 1, which the page can change after each run."""
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=2**64 - 1,
        control_after_generate=True,
        tooltip="Another seed adds other details.",
    )


@checked_inputs
class SoraExpandPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraExpandPrompt",
            display_name="Sora Expand Prompt",
            category="Sora/prompt",
            description="Expands a short prompt in the style of the captions that a model was "
            "trained on. Your words stay true; only open details are added. Offline, by seed.",
            inputs=[
                io.String.Input(
                    "text",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="A prompt of any length. Text that is not English stays unchanged.",
                ),
                io.Combo.Input(
                    "style",
                    options=[*EXPANSION_STYLES],
                    default=EXPANSION_STYLES[0],
                    tooltip="The model that the prompt is for; general suits most others.",
                ),
                io.Combo.Input(
                    "level",
                    options=[*EXPANSION_LEVELS],
                    default=EXPANSION_LEVELS[0],
                    tooltip="full adds all details, light only the most important, off none.",
                ),
                seed_input(),
                io.Clip.Input(
                    "clip",
                    optional=True,
                    tooltip="A language model that generates text, such as Qwen or Gemma, expands "
                    "instead. Rewrites that drop or contradict your words are discarded.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="text", tooltip="For Sora Encode Prompt."),
                io.String.Output(
                    display_name="changes",
                    tooltip="Preserved (=) and added (+) details, and what added them.",
                ),
            ],
        )

    @classmethod
    def execute(cls, text, style, level, seed, clip=None) -> io.NodeOutput:
        style, level = (
            checked_choice("style", style, EXPANSION_STYLES),
            checked_choice("level", level, EXPANSION_LEVELS),
        )
        language = read_language()
        if clip is None:
            expansion = expand(text, language, style=style, level=level, seed=seed)
        else:
            write = partial(generate_text, clip, max_tokens=TOKENS, seed=seed)
            expansion = rewrite(text, language, write, style=style, level=level, seed=seed)
        note = unknown_note(text, read_world()) if style == EXPANSION_STYLES[0] else ""
        return io.NodeOutput(expansion.text, expansion.diff(), ui={"text": (note,)} if note else {})


@checked_inputs
class SoraStoryboard(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraStoryboard",
            display_name="Sora Storyboard",
            category="Sora/prompt",
            description="A sequence of shots, each with its prompt, with soft transitions. A thing "
            "that one shot describes keeps its attributes in later shots.",
            inputs=[
                canvas_input(),
                io.Clip.Input("clip", tooltip="The text encoder of the model that samples."),
                io.String.Input(
                    "text",
                    multiline=True,
                    dynamic_prompts=True,
                    default=SHOTS,
                    tooltip="A line for each shot, after its seconds, such as 0-2s: or 0:00-0:02. "
                    "Without seconds all shots have the same length. Sentences on one line work "
                    "too. The last shot ends with the canvas.",
                ),
                io.Combo.Input(
                    "style",
                    options=[*EXPANSION_STYLES],
                    default=EXPANSION_STYLES[0],
                    tooltip="The model that the prompts are for, if shots are expanded.",
                ),
                io.Combo.Input(
                    "level",
                    options=[*EXPANSION_LEVELS],
                    default="off",
                    tooltip="How much to add to each shot: off adds nothing. Details that a shot "
                    "leaves open are those of the shots before it.",
                ),
                seed_input(),
            ],
            outputs=[
                canvas_output(),
                io.Conditioning.Output(
                    display_name="prompts",
                    tooltip="All prompts with their seconds, for Sora Guider with its latent "
                    "connected. Other guiders mix them.",
                ),
                io.String.Output(
                    display_name="script",
                    tooltip="The shots with their final prompts, line by line.",
                ),
            ],
        )

    @classmethod
    def execute(cls, canvas, clip, text, style, level, seed) -> io.NodeOutput:
        style, level = (
            checked_choice("style", style, EXPANSION_STYLES),
            checked_choice("level", level, EXPANSION_LEVELS),
        )
        shots = expanded(
            read_storyboard(text, canvas.seconds),
            read_language(),
            style=style,
            level=level,
            seed=seed,
        )
        prompted = edits.place_storyboard(canvas, [(shot.start, shot.text) for shot in shots])
        prompts, show = [], progress(len(shots))
        for i, shot in enumerate(shots):
            tokens = clip.tokenize(clean_prompt(shot.text))
            span = {SPAN_KEY: (shot.start, shot.end)}
            prompts += clip.encode_from_tokens_scheduled(tokens, add_dict=span)
            show(i + 1)
        return io.NodeOutput(prompted, prompts, script(shots), ui=canvas_result(prompted).ui)
