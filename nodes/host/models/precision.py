"""The user's choice of arithmetic for our networks on the host's device."""

import logging
from dataclasses import dataclass

import torch

from ....sora_core.models.precision import has_bfloat16

WEIGHT_DTYPES = ("default", "fp32", "bf16")
"""Names as in the host's own nodes; default is what the host chooses."""


@dataclass(frozen=True, slots=True)
class ChosenDtype:
    """The dtype of a whole network, None for the host's choice; or bfloat16 in products alone."""

    whole: torch.dtype | None = None
    products: bool = False


def chosen_dtype(weight_dtype: str, device: torch.device) -> ChosenDtype:
    """What `weight_dtype` means on `device`.

    On a CPU bf16 is for products alone, and footage stays exact; on a GPU it is for the whole
    network, as by the host's own choice. A device without bfloat16 takes float32, with a warning in
    the log: a shared workflow runs everywhere.
    """
    if weight_dtype == "default":
        return ChosenDtype()
    if weight_dtype == "bf16":
        if not has_bfloat16(device):
            logging.warning("weight_dtype bf16: %s has no bfloat16, so float32 is used", device)
            return ChosenDtype(torch.float32)
        if device.type != "cpu":
            return ChosenDtype(torch.bfloat16)
        return ChosenDtype(torch.float32, products=True)
    return ChosenDtype(torch.float32)
