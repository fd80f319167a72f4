"""The sigma of a host's model, and the level of rectified flow that it stands for.

Models of rectified flow count sigma from 1 to 0. For others it is unbounded, `x = clean + sigma *
noise`, and `x / (1 + sigma)` is rectified flow at level `sigma / (1 + sigma)`.
"""

import comfy.model_base
import comfy.model_sampling


def counts_flow(model_sampling: object) -> bool:
    """Whether sigma is the level of rectified flow, from 1 to 0, by a model's `model_sampling`."""
    return isinstance(model_sampling, comfy.model_sampling.CONST)


def flow_scale(model: comfy.model_base.BaseModel, sigma: float) -> float:
    """The factor by which a latent and its `sigma` are above those of rectified flow, 1 or more."""
    return 1.0 if counts_flow(model.model_sampling) else 1 + sigma
