"""Fingerprints of model, sampler and conditioning that survive a restart; they key the cache."""

from typing import Any

import comfy.model_patcher
import comfy.samplers
import comfy.weight_adapter
import torch
from torch import Tensor

from ....sora_core.resume.fingerprint import tensor_sample
from ....sora_core.sampling.prompt_spans import SPAN_KEY
from ..conditioning import Conds

PATCHED = (
    "object_patches",
    "model_options",
    "wrappers",
    "callbacks",
    "injections",
    "additional_models",
    "hook_patches",
    "weight_wrapper_patches",
)
"""Attributes of the host's model patcher with changes by nodes other than weight patches."""

FLEETING = ("uuid", SPAN_KEY)  # one is random, the weights of the prompts cover the other


def model_fingerprint(patcher: comfy.model_patcher.ModelPatcher) -> list[object]:
    """The identity of a MODEL: a sample of each weight, and all patches by nodes.

    The host's own identifier of its patches is random, and not used.
    """
    model = patcher.model
    weights = {
        name: [_weight(weight[0]), *map(_weight, patches)]  # each weight comes with its conversion
        for name, (weight, *patches) in patcher.get_key_patches().items()
    }
    patched = {name: getattr(patcher, name, None) for name in PATCHED}
    sampling = patcher.get_model_object("model_sampling")
    return [type(model), type(model.latent_format), sampling, weights, patched, torch.__version__]


def sampler_fingerprint(sampler: comfy.samplers.Sampler) -> list[object]:
    return [type(sampler), vars(sampler)]


def conds_fingerprint(conds: Conds) -> list[dict[str, Any]]:
    return [{key: one for key, one in cond.items() if key not in FLEETING} for cond in conds]


def _weight(value: object) -> object:
    """`value` of a patch, with a sample in place of each tensor."""
    if isinstance(value, Tensor):
        return tensor_sample(value)
    if isinstance(value, comfy.weight_adapter.WeightAdapterBase):
        return [type(value), _weight(list(value.weights))]
    return [_weight(one) for one in value] if isinstance(value, list | tuple) else value
