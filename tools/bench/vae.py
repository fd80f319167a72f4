"""Autoencoders: ours with Wan's own weights against Wan, and ours as it is against the machine."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sora_core.checkpoints.presets import mini_autoencoder
from sora_core.measure.report import Figure
from sora_core.models.autoencoder import Autoencoder
from sora_core.shapes import COMPRESSION, Latent

from .peers import wan_autoencoder
from .race import GEMM, Candidate, flops, gemm, race, same
from .wan_vae import WanVAE

CHANNELS = 16
CLIPS = {  # batch, frames, side; at batch 2 the peer, too, gets the machine's fast convolutions
    "256": (1, 5, 256),
    "128": (1, 17, 128),
    "batch_2": (2, 5, 128),
}
SMOKE_CLIPS = {"64": (1, 5, 64)}
OWN_SIDES = (64, 128)
OWN_FRAMES = 17


@torch.inference_mode()
def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    yield from own(rounds, OWN_SIDES[:1] if smoke else OWN_SIDES)
    for name, clip in (SMOKE_CLIPS if smoke else CLIPS).items():
        yield from against_wan(name, *clip, rounds)


def own(rounds: int, sides: tuple[int, ...]) -> Iterator[Figure]:
    """How much of the machine's peak our own decoder reaches, the least of all sizes."""
    torch.manual_seed(0)
    autoencoder = Autoencoder(mini_autoencoder()).eval()
    shares = []
    for side in sides:
        latent = random_latent(1, OWN_FRAMES, side)

        def decode(latent: Latent = latent) -> Tensor:
            return autoencoder.decode(latent)

        work = Candidate(decode, flops(decode))
        done = race(f"vae/own_{side}", {"decode": work, GEMM: gemm()}, rounds)
        yield from done.figures()
        shares.append(done.speed("decode") / done.speed(GEMM))
    yield Figure("vae/own_decode_of_peak", min(shares))


def against_wan(name: str, batch: int, frames: int, side: int, rounds: int) -> Iterator[Figure]:
    """Encoding and decoding a clip, with the same weights."""
    peer = wan_autoencoder()
    ours = WanVAE(peer.state_dict()).eval()
    video = torch.rand(batch, 3, frames, side, side) * 2 - 1
    latent = random_latent(batch, frames, side)

    def run_peer() -> tuple[Tensor, Tensor]:
        code = peer.encode(video, return_dict=False)[0].parameters
        return code, peer.decode(latent, return_dict=False)[0]

    def run_ours() -> tuple[Tensor, Tensor]:
        return ours.encode(video), ours.decode(latent)

    place = f"vae/wan_{name}"
    for what, result, expected in zip(("encode", "decode"), run_ours(), run_peer(), strict=True):
        yield same(f"{place}/{what}", result, expected)
    work = flops(run_peer)
    candidates = {"wan": Candidate(run_peer, work), "ours": Candidate(run_ours, work)}
    done = race(place, candidates | {GEMM: gemm()}, rounds)
    yield from done.figures()
    yield from done.verdict(f"vae/wan_weights_{name}", "ours")


def random_latent(batch: int, frames: int, side: int) -> Latent:
    cells = side // COMPRESSION.rows
    return torch.randn(batch, CHANNELS, COMPRESSION.latent_frames(frames), cells, cells)
