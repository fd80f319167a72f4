"""The frames of a latent, through any VAE of the host. Axes: c channels, t frames, y x pixels."""

from collections.abc import Iterator

import comfy.model_management as devices
import torch
from einops import rearrange

from ...sora_core.models.streaming import decode_chunks, decode_ring
from ...sora_core.shapes import Latent, Video
from .video import VAE, HostVAE, compression, each

WRAP, WRAP_AFTER = 12, 1  # latent frames that another VAE sees beyond both ends of a ring


def decoded(vae: VAE, latent: Latent, *, ring: bool = False) -> Iterator[Video]:
    """The video of `latent` in [-1, 1]: in chunks from our VAE, at once from any other.

    On a `ring` every latent frame stands for as many frames, and the last leads to the first: exact
    in our VAE. Others get `WRAP` latent frames of the ring's end before it, and its start after it.
    One that looks further back, as Wan's 33 frames, decodes the start a little as if the video
    began there: by 0.06 root mean square in a random network, where nothing fades with distance.
    """
    if not isinstance(vae, HostVAE):
        yield from decoded_at_once(vae, latent, ring)
        return
    needed = vae.memory_used_decode(latent[:, :, :2].shape, vae.vae_dtype)
    devices.load_models_gpu([vae.patcher], memory_required=needed)
    latent = latent.to(vae.device, vae.vae_dtype)
    decode = decode_ring if ring else decode_chunks
    for video in each(decode(vae.first_stage_model, latent)):
        yield video.float().to(vae.output_device)


def decoded_at_once(vae: VAE, latent: Latent, ring: bool) -> Iterator[Video]:
    frames, pressed = latent.shape[2] if latent.ndim == 5 else 1, compression(vae)
    if ring:
        around = torch.arange(-WRAP, frames + WRAP_AFTER) % frames
        latent = latent[:, :, around]
    video = rearrange(vae.decode(latent), "... y x c -> 1 c (...) y x").mul(2).sub(1)
    if ring:
        before = pressed.pixel_frames(WRAP)
        video = video[:, :, before : before + frames * pressed.time]
    yield video
