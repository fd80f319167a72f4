"""Products in bfloat16, where the processor has them, and all else in float32.

A converted layer holds its weights in bfloat16 and rounds its input; sums within a product are
float32. Residual sums, noise levels and the arithmetic of norms and softmax are float32; queries
and keys are rotated in bfloat16. Only what is generated passes through such layers: footage is
encoded, held and decoded in float32, to the same bits.
"""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..errors import check_choice
from .autoencoder import Autoencoder
from .dit import DiT
from .half_layers import GeluBySigmoid

DEFAULT_PRECISION, FAST_PRECISION = "float32", "bfloat16"
PRODUCT_PRECISIONS = (DEFAULT_PRECISION, FAST_PRECISION)
CPU_FEATURES = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
"""The questions of `torch.cpu` about bfloat16, from torch 2.5 on; one that is missing means no."""


def has_bfloat16(device: torch.device | None = None) -> bool:
    """Whether `device`, by default the CPU, multiplies bfloat16 itself.

    A CPU does by AMX tiles or AVX512_BF16; on architectures other than x86, oneDNN reports it.
    Without, torch converts every number and bfloat16 is slower than float32.
    """
    if device is not None and device.type != "cpu":
        return device.type != "cuda" or torch.cuda.is_bf16_supported()
    if any(getattr(torch.cpu, name, bool)() for name in CPU_FEATURES):
        return True
    is_x86 = torch.backends.cpu.get_cpu_capability().startswith("AVX")  # there AVX512 counts too
    return not is_x86 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def checked_precision(precision: str) -> str:
    """`precision`, or float32 on a processor without bfloat16; ConfigError for another word."""
    check_choice("precision", precision, PRODUCT_PRECISIONS)
    return precision if has_bfloat16() else DEFAULT_PRECISION


def sample_in_bfloat16(model: DiT) -> None:
    """Converts the products of the blocks of `model`, in place; attention follows them.

    Modulation and residual sums are float32, and so are the first and the last layers.
    """
    for block in model.blocks:
        convert_products(block)
        modulation = block.get_submodule("modulation")
        modulation.register_forward_hook(_widened)  # what it scales is float32
        block.get_submodule("mlp").add_module("1", GeluBySigmoid())


def decode_in_bfloat16(autoencoder: Autoencoder) -> None:
    """Converts the decoder of generated frames, in place; that of encoded frames stays exact.

    An autoencoder with one decoder gets a second one with the same weights, for generated frames.
    """
    if autoencoder.generated_decoder is None:
        autoencoder.generated_decoder = deepcopy(autoencoder.decoder)
        autoencoder.config = replace(autoencoder.config, decoders=2)
    decoder = autoencoder.generated_decoder
    for part in (decoder.coarse, decoder.split, decoder.fine):
        convert_products(part)
    decoder.split.register_forward_hook(_widened)  # or all later sums would be bfloat16


def convert_products(network: nn.Module) -> None:
    """Converts all linear layers and convolutions of `network`, of torch or of a host."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.to(torch.bfloat16)
            layer.register_forward_pre_hook(_in_bfloat16)


def _widened(layer: nn.Module, inputs: tuple[Tensor, ...], result: Tensor) -> Tensor:
    return result.float()


def _in_bfloat16(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.to(torch.bfloat16) for x in inputs)
