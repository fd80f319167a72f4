"""Streaming through causal VAEs of the host, one or two latent frames at a time, both ways.

VAEs of the Wan kind store the last features of each causal convolution in a list, which their own
`encode` and `decode` fill while they process a whole video. Newer versions of Wan 2.1's store those
of the last call alone: after the first frame it must get two frames at a time, and its encoder
withholds its result until it has two latent frames or its argument `final` is true.

Axes: b batch, c channels, t frames, y rows, x columns.
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

from ....sora_core.models.chunked_codec import whole_groups
from ....sora_core.shapes import Latent, Video
from ..models.vae import VAE, compression, interruptible
from .onednn_conv3d import Direct
from .temporal_tiling import encoded_at_once

TRIAL_LATENT = (5, 4, 4)  # frames, rows and columns of the latent of the trial decoding
TRIAL_VIDEO = (17, 16, 16)  # frames, rows and columns of the video of the trial encoding
CHUNK_TOLERANCE = 1e-3
"""Of pixels in [-1, 1], an eighth of a level of a byte; of latents of about unit size."""

CHANNELS = 3
LATER_FRAMES = 2  # frames of each later call, where the features of the last call alone are stored
OTHER_VERSION = (TypeError, AttributeError, RuntimeError, ValueError, IndexError)
"""What ends a trial on a version of the host that calls its networks in another way."""


def decodes_streaming(vae: VAE) -> bool:
    """Whether `vae` decodes a small noise latent frame by frame to the same video as at once."""
    network: Any = vae.first_stage_model
    if not has_feat_cache(network):
        return False
    devices.load_models_gpu([vae.patcher])
    noise = torch.randn(
        1, vae.latent_channels, *TRIAL_LATENT, generator=torch.Generator().manual_seed(0)
    )
    noise = noise.to(vae.device, vae.vae_dtype)
    whole = network.decode(noise)
    try:
        parts = torch.cat(list(frame_by_frame(network, noise)), dim=2)
    except OTHER_VERSION:
        return False
    return outputs_agree(vae, parts, whole)


def outputs_agree(vae: VAE, parts: Tensor, whole: Tensor) -> bool:
    """Whether `parts` equal `whole` within the precision of `vae`."""
    error = max(CHUNK_TOLERANCE, 8 * torch.finfo(vae.vae_dtype).eps)
    return parts.shape == whole.shape and (parts - whole).abs().max().item() <= error


def has_feat_cache(network: nn.Module) -> bool:
    """Whether `network` has the parts that `frame_by_frame` drives."""
    decoder, enter = (getattr(network, name, None) for name in ("decoder", "conv2"))
    if not isinstance(decoder, nn.Module) or not isinstance(enter, nn.Module):
        return False
    return {"feat_cache", "feat_idx"} <= signature(decoder.forward).parameters.keys()


def frame_by_frame(network: nn.Module, latent: Latent) -> Iterator[Video]:
    """The frames of each latent frame, or of two, in the network's own precision and device."""
    enter, decoder = network.get_submodule("conv2"), network.get_submodule("decoder")
    count = LATER_FRAMES if hasattr(decoder, "run_up") else 1
    begins = "first_chunk" in signature(decoder.forward).parameters
    memory: list[Tensor | None] = [None] * len(list(decoder.modules()))  # more than needed
    for index, part in enumerate(first_alone(latent, count)):
        arguments = {"first_chunk": index == 0} if begins else {}
        with Direct():
            frames = decoder(enter(part), feat_cache=memory, feat_idx=[0], **arguments)
        frames = torch.cat(frames, dim=2) if isinstance(frames, list) else frames
        if frames.shape[1] > CHANNELS:  # 2x2 pixels are in the channels, columns before rows
            frames = rearrange(frames, "b (c j i) t y x -> b c t (y i) (x j)", i=2, j=2)
        yield frames


def first_alone(frames: Tensor, count: int) -> Iterator[Tensor]:
    """The first of `frames` along the third axis, then `count` at a time."""
    yield frames[:, :, :1]
    if frames.shape[2] > 1:
        yield from frames[:, :, 1:].split(count, dim=2)


def decode_streaming(vae: VAE, latent: Latent) -> Iterator[Video]:
    """The video of `latent` in [-1, 1], one or two latent frames at a time.

    For a VAE that `decodes_streaming`.
    """
    needed = vae.memory_used_decode(latent[:, :, :2].shape, vae.vae_dtype)
    devices.load_models_gpu([vae.patcher], memory_required=needed)
    network: Any = vae.first_stage_model
    for part in frame_by_frame(network, latent.to(vae.device, vae.vae_dtype)):
        images = vae.process_output(part.to(vae.output_device).float())
        yield images.mul(2).sub(1)


def encodes_streaming(vae: VAE) -> bool:
    """Whether `vae` is of the Wan kind and encodes a small video in chunks as it does at once."""
    network = vae.first_stage_model
    if not isinstance(network, comfy.ldm.wan.vae.WanVAE | comfy.ldm.wan.vae2_2.WanVAE):
        return False
    video = torch.linspace(-1, 1, 3 * prod(TRIAL_VIDEO)).reshape(1, 3, *TRIAL_VIDEO)
    whole = encoded_at_once(vae, video)
    try:
        parts = torch.cat(list(encode_streaming(vae, [video])), dim=2)
    except OTHER_VERSION:
        return False
    return outputs_agree(vae, parts, whole)


def encode_streaming(vae: VAE, chunks: Iterable[Video]) -> Iterator[Latent]:
    """The latent by a VAE of the Wan kind, whose layers cache the features of earlier frames."""
    network: Any = vae.first_stage_model
    withholds = "final" in signature(network.encoder.forward).parameters
    step = LATER_FRAMES if withholds else compression(vae).time
    past = [None] * sum(1 for _ in network.encoder.modules())
    groups = (group for whole in whole_groups(chunks, compression(vae).time)
              for group in whole.split(step, dim=2))  # fmt: skip
    for group, last in with_last(interruptible(groups)):
        used = vae.memory_used_encode(group.shape, vae.vae_dtype)
        devices.load_models_gpu([vae.patcher], memory_required=used)
        pixels = vae.process_input(group.add(1).div(2)).to(vae.device, vae.vae_dtype)
        ending = {"final": last} if withholds else {}
        with Direct():
            cells = network.encoder(
                patchified(network, pixels), feat_cache=past, feat_idx=[0], **ending
            )
        if cells is not None:
            mean, _ = network.conv1(cells).chunk(2, dim=1)
            yield mean.float().to(vae.output_device)


def with_last(groups: Iterator[Video]) -> Iterator[tuple[Video, bool]]:
    """Each of `groups`, and whether it is the last."""
    waiting = next(groups, None)
    while waiting is not None:
        following = next(groups, None)
        yield waiting, following is None
        waiting = following


def patchified(network: nn.Module, pixels: Tensor) -> Tensor:
    """`pixels` as input of the network: Wan 2.2 folds 2x2 of them into channels."""
    if isinstance(network, comfy.ldm.wan.vae2_2.WanVAE):
        return comfy.ldm.wan.vae2_2.patchify(pixels, patch_size=2)
    return pixels
