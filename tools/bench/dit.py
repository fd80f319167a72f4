"""The forward pass and the training step of a transformer: ours and Wan's, on the same weights."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sora_core.measure.report import Figure

from .peers import DEPTH, TEXT_TOKENS, TEXT_WIDTH, wan_transformer
from .race import GEMM, Candidate, flops, gemm, race, same
from .wan_dit import WanDiT


def run(rounds: int, smoke: bool) -> Iterator[Figure]:
    """The errors of output and gradient against Wan's, and the races of forward and training."""
    depth, side = (2, 10) if smoke else (DEPTH, 32)  # 125 and 1280 tokens
    peer = wan_transformer(depth)
    ours = WanDiT(peer.state_dict()).eval()
    latent, text = torch.randn(1, 16, 5, side, side), torch.randn(1, TEXT_TOKENS, TEXT_WIDTH)
    timestep = torch.tensor([500.0])

    def run_peer() -> Tensor:
        return peer(latent, timestep, text, return_dict=False)[0]

    def run_ours() -> Tensor:
        return ours(latent, timestep, text)

    def train_peer() -> None:
        peer.zero_grad()
        run_peer().square().mean().backward()

    def train_ours() -> None:
        ours.zero_grad()
        run_ours().square().mean().backward()

    with torch.inference_mode():
        yield same("dit/forward", run_ours(), run_peer())
        work = flops(run_peer)
        forward = {"wan": Candidate(run_peer, work), "ours": Candidate(run_ours, work)}
        done = race("dit/forward", forward | {GEMM: gemm()}, rounds)
    yield from done.figures()
    yield from done.verdict("dit/forward_vs_wan", "ours")

    done = race("dit/train", {"wan": Candidate(train_peer), "ours": Candidate(train_ours)}, rounds)
    yield same("dit/train", ours.proj_out.weight.grad, peer.proj_out.weight.grad)
    yield from done.figures()
    yield from done.verdict("dit/train_vs_wan", "ours")
