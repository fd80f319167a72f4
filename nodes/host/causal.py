"""VAEs of the host that remember what went before: a latent frame at a time, both ways.

Those of the Wan kind keep the last features of each causal convolution in a list, which their own
`encode` and `decode` fill while they go through a whole video. Axes: b batch, c channels, t frames,
y rows, x columns.
"""

from collections.abc import Iterable, Iterator
from inspect import signature
from math import prod
from typing import Any

import comfy.ldm.wan.vae
import comfy.ldm.wan.vae2_2
import comfy.model_management as devices
import torch
from einops import rearrange
from torch import Tensor, nn

from ...sora_core.models.streaming import whole_groups
from ...sora_core.shapes import Latent, Video
from .direct import Direct
from .tiles import encoded_at_once
from .video import VAE, compression, each

TRIAL = (3, 4, 4)  # frames, rows and columns of the latent that shows whether decoding is the same
SHOWN = (9, 16, 16)  # frames, rows and columns of the video that shows it for encoding
SAME = 1e-3  # of pixels in [-1, 1], an eighth of a level of a byte; of latents of about unit size
COLOURS = 3


def streams(vae: VAE) -> bool:
    """Whether `vae` decodes a little noise frame by frame to what it decodes at once."""
    network: Any = vae.first_stage_model
    if not remembers(network):
        return False
    devices.load_models_gpu([vae.patcher])
    noise = torch.randn(1, vae.latent_channels, *TRIAL, generator=torch.Generator().manual_seed(0))
    noise = noise.to(vae.device, vae.vae_dtype)
    whole = network.decode(noise)
    parts = torch.cat(list(in_turn(network, noise)), dim=2)
    return agree(vae, parts, whole)


def agree(vae: VAE, parts: Tensor, whole: Tensor) -> bool:
    """Whether `parts` are `whole`, as far as the precision of `vae` lets them."""
    error = max(SAME, 8 * torch.finfo(vae.vae_dtype).eps)
    return parts.shape == whole.shape and (parts - whole).abs().max().item() <= error


def remembers(network: nn.Module) -> bool:
    """Whether `network` has the parts that `in_turn` drives."""
    decoder, enter = (getattr(network, name, None) for name in ("decoder", "conv2"))
    if not isinstance(decoder, nn.Module) or not isinstance(enter, nn.Module):
        return False
    return {"feat_cache", "feat_idx"} <= signature(decoder.forward).parameters.keys()


def in_turn(network: nn.Module, latent: Latent) -> Iterator[Video]:
    """The frames of each latent frame, in the network's own precision and on its device."""
    enter, decoder = network.get_submodule("conv2"), network.get_submodule("decoder")
    begins = "first_chunk" in signature(decoder.forward).parameters
    memory: list[Tensor | None] = [None] * len(list(decoder.modules()))  # more than are used
    for index, part in enumerate(latent.split(1, dim=2)):
        told = {"first_chunk": index == 0} if begins else {}
        with Direct():
            made = decoder(enter(part), feat_cache=memory, feat_idx=[0], **told)
        made = torch.cat(made, dim=2) if isinstance(made, list) else made
        if made.shape[1] > COLOURS:  # 2x2 pixels lie in the channels, columns before rows
            made = rearrange(made, "b (c j i) t y x -> b c t (y i) (x j)", i=2, j=2)
        yield made


def decoded_in_turn(vae: VAE, latent: Latent) -> Iterator[Video]:
    """The video of `latent` in [-1, 1], a latent frame at a time, of a `vae` that `streams`."""
    needed = vae.memory_used_decode(latent[:, :, :2].shape, vae.vae_dtype)
    devices.load_models_gpu([vae.patcher], memory_required=needed)
    network: Any = vae.first_stage_model
    for part in in_turn(network, latent.to(vae.device, vae.vae_dtype)):
        images = vae.process_output(part.to(vae.output_device).float())
        yield images.mul(2).sub(1)


def continues(vae: VAE) -> bool:
    """Whether `vae` is one of Wan's, and its chunks are shown to be its whole, on a small video."""
    network = vae.first_stage_model
    if not isinstance(network, comfy.ldm.wan.vae.WanVAE | comfy.ldm.wan.vae2_2.WanVAE):
        return False
    video = torch.linspace(-1, 1, 3 * prod(SHOWN)).reshape(1, 3, *SHOWN)
    whole = encoded_at_once(vae, video)
    try:
        parts = torch.cat(list(encoded_in_turn(vae, [video])), dim=2)
    except TypeError:  # another version of the host gives its network other arguments
        return False
    return agree(vae, parts, whole)


def encoded_in_turn(vae: VAE, chunks: Iterable[Video]) -> Iterator[Latent]:
    """The latent of Wan's VAEs, whose layers remember the frames before when they are asked to."""
    network: Any = vae.first_stage_model
    step = compression(vae).time
    past = [None] * sum(1 for _ in network.encoder.modules())
    for groups in whole_groups(chunks, step):
        for group in each(iter(groups.split(step, dim=2))):
            used = vae.memory_used_encode(group.shape, vae.vae_dtype)
            devices.load_models_gpu([vae.patcher], memory_required=used)
            pixels = vae.process_input(group.add(1).div(2)).to(vae.device, vae.vae_dtype)
            with Direct():
                cells = network.encoder(folded(network, pixels), feat_cache=past, feat_idx=[0])
            mean, _ = network.conv1(cells).chunk(2, dim=1)
            yield mean.float().to(vae.output_device)


def folded(network: nn.Module, pixels: Tensor) -> Tensor:
    """`pixels` as the network begins with them: Wan 2.2 folds 2x2 of them into channels."""
    if isinstance(network, comfy.ldm.wan.vae2_2.WanVAE):
        return comfy.ldm.wan.vae2_2.patchify(pixels, patch_size=2)
    return pixels
