"""The autoencoder as a VAE of the host. Axes: b batch, c channels, t frames, y rows, x columns."""

import logging
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import comfy.model_management as devices
import comfy.ops
import comfy.sd
import torch
from torch import Tensor

from ....sora_core.checkpoints.checkpoint import AUTOENCODER_PREFIX, CheckpointConfig
from ....sora_core.checkpoints.safetensors_io import load_into
from ....sora_core.errors import ConfigError
from ....sora_core.models.autoencoder import BLOCK_PLACES, MERGE, PIXEL_PATCH, Autoencoder
from ....sora_core.models.chunked_codec import decode_chunks, encode_chunks
from ....sora_core.models.precision import decode_in_bfloat16
from ....sora_core.shapes import COMPRESSION, Compression, Latent, Video
from .model import patcher
from .precision import chosen_dtype
from .transformer import HostLayers

VAE = comfy.sd.VAE

LATENT_CHUNK = 8  # frames that the autoencoder processes together
VAE_ACTIVATIONS = 14  # activations per position in the blocks at the peak, measured
WAITING_CHUNKS = 4  # the same for positions of the chunk before or after the blocks


class HostAutoencoder(Autoencoder):
    """The autoencoder as the host calls it: in chunks, with a check for interrupts after each."""

    def encode(self, video: Video) -> Latent:
        return torch.cat(
            list(interruptible(encode_chunks(self, video.split(LATENT_CHUNK, dim=2)))), dim=2
        )

    def decode(self, latent: Latent) -> Video:
        return torch.cat(list(interruptible(decode_chunks(self, latent))), dim=2)


def interruptible(chunks: Iterator[Tensor]) -> Iterator[Tensor]:
    """`chunks`; raises the host's interrupt when the user cancels."""
    for chunk in chunks:
        devices.throw_exception_if_processing_interrupted()
        yield chunk


class HostVAE(comfy.sd.VAE):
    """The autoencoder with the attributes and methods that the host's VAE nodes use."""

    def __init__(self, autoencoder: HostAutoencoder, weight_dtype: str = "default") -> None:
        with quiet_log():
            super().__init__(sd={})  # sets what this version of the host expects, and stops
        steps = (COMPRESSION.time, COMPRESSION.rows, COMPRESSION.columns)
        self.latent_channels = autoencoder.config.latent_channels
        self.latent_dim = 3
        self.output_channels = 3
        self.upscale_ratio = (COMPRESSION.pixel_frames, *steps[1:])
        self.downscale_ratio = (COMPRESSION.latent_frames, *steps[1:])
        self.upscale_index_formula = self.downscale_index_formula = steps
        self.working_dtypes = [torch.bfloat16, torch.float32]
        self.process_input = from_image
        self.process_output = to_image_in_place
        config = autoencoder.config
        fine = config.fine_width
        # the two past frames that each block stores, while those of the next chunk are computed
        past = 2 * (
            config.fine_depth * fine + config.coarse_depth * config.coarse_width // MERGE**2
        )

        def memory(pixels: int, held: int, dtype: torch.dtype) -> int:
            chunk, frame = LATENT_CHUNK * pixels // PIXEL_PATCH**2, pixels // PIXEL_PATCH**2
            together = min(chunk, max(BLOCK_PLACES, frame))
            features = fine * (VAE_ACTIVATIONS * together + WAITING_CHUNKS * (chunk - together))
            return (features + past * frame + pixels * held) * devices.dtype_size(dtype)

        self.memory_used_encode = lambda shape, dtype: memory(
            shape[0] * prod(shape[-2:]), 3 * shape[2], dtype
        )
        self.memory_used_decode = lambda shape, dtype: memory(
            shape[0] * prod(shape[-2:]) * prod(steps[1:]),
            9 * COMPRESSION.pixel_frames(shape[2]),  # colours of the parts, the whole, the result
            dtype,
        )
        self.device = devices.vae_device()
        self.output_device = devices.intermediate_device()
        chosen = chosen_dtype(weight_dtype, self.device)
        self.vae_dtype = chosen.whole or devices.vae_dtype(self.device, self.working_dtypes)
        self.first_stage_model = autoencoder.to(self.vae_dtype).eval()
        if chosen.products:
            decode_in_bfloat16(autoencoder)
        self.patcher = patcher(autoencoder, self.device, devices.vae_offload_device())
        self.model_size()


class quiet_log:  # noqa: N801  reads as a phrase
    """Suppresses the host's warning about a VAE without weights, which are loaded afterwards."""

    def __enter__(self) -> None:
        logging.getLogger().addFilter(self.keep)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeFilter(self.keep)

    @staticmethod
    def keep(record: logging.LogRecord) -> bool:
        return "No VAE weights" not in record.getMessage()


def from_image(image: Tensor) -> Tensor:
    return image * 2 - 1


def to_image_in_place(video: Tensor) -> Tensor:
    return video.add_(1).div_(2).clamp_(0, 1)  # some hosts use the result, some the argument


def load_vae(path: Path, bundle: CheckpointConfig, weight_dtype: str = "default") -> HostVAE:
    """A VAE: the autoencoder of the file at `path`. `weight_dtype` is one of `WEIGHT_DTYPES`."""
    meta = torch.device("meta")
    layers = HostLayers.from_operations(comfy.ops.disable_weight_init, torch.float32, meta)
    with meta:
        autoencoder = HostAutoencoder(bundle.autoencoder, layers)
    load_into(autoencoder, path, AUTOENCODER_PREFIX)
    return HostVAE(autoencoder.requires_grad_(False), weight_dtype)


def compression(vae: VAE) -> Compression:
    """The compression of `vae`, of any model."""
    side: Any = vae.spacial_compression_decode()
    return Compression(vae.temporal_compression_decode() or 1, side, side)


def video_compression(vae: VAE) -> Compression:
    """The compression of a causal video VAE; ConfigError for VAEs of images or sound."""
    pressed, ratio = compression(vae), vae.downscale_ratio
    if vae.latent_dim == 3 and not vae.not_video and isinstance(ratio, tuple):
        count = ratio[0]
        if (count(1), count(1 + pressed.time)) == (1, 2):
            return pressed
        counts = ", ".join(f"{count(frames)} for {frames}" for frames in (1, 1 + pressed.time, 81))
        raise ConfigError(
            f"this VAE lays videos out in another grid ({counts} frames, in latent frames): a "
            "canvas needs one whose first latent frame is one frame and whose others have equally "
            "many, such as Wan, HunyuanVideo, LTX or Sora Load Model; use the nodes made for this "
            "model"
        )
    raise ConfigError(
        "this VAE is for images or sound: connect that of a video model, such as Wan, "
        "HunyuanVideo, LTX or Sora Load Model"
    )
