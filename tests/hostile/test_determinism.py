"""The same run gives the same numbers, and however it is divided it gives the whole (figure 14)."""

import av
import pytest
import torch

from sora_core.canvas.canvas import Canvas
from sora_core.models.chunked_codec import decode_chunks, encode_chunks
from sora_core.models.packing import PackedClip, denoise_packed
from sora_core.pipeline.decode import decode_frames
from sora_core.pipeline.generate import SAMPLERS, Pipeline, generate, load
from sora_core.sampling.noise import seeded_noise
from sora_core.sampling.samplers import euler
from sora_core.sampling.schedules import shifted_sigmas
from sora_core.video.writer import write_video
from tests.support.tiny import tiny_autoencoder, tiny_transformer, write_tiny

CANVAS = Canvas(width=50, height=34, seconds=1.4)
RUNS = 5
LIMIT = 1e-5
SEAM = 0.5  # deviations of the picture: a tile has no context beyond its edge


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Pipeline:
    return load(write_tiny(tmp_path_factory.mktemp("models")))


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.inference_mode():
        yield


def gaussian(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def largest(a, b):
    """The largest difference between two tensors of one shape."""
    assert a.shape == b.shape
    return (a - b).abs().max().item()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_run_gives_the_same_bits(pipeline, tmp_path, sampler):
    runs = set()
    for i in range(RUNS):
        torch.manual_seed(i)  # must not count
        latent = generate(pipeline, "a red ball", CANVAS, 7, steps=4, sampler=sampler)
        path = tmp_path / f"{i}.mkv"
        write_video(path, decode_frames(pipeline, latent, CANVAS), 8, codec="ffv1")
        with av.open(str(path)) as video:
            frames = [frame.to_ndarray(format="rgb24").tobytes() for frame in video.decode(video=0)]
        runs.add((latent.numpy().tobytes(), b"".join(frames)))
    other = generate(pipeline, "a red ball", CANVAS, 8, steps=4, sampler=sampler)
    assert len(runs) == 1
    assert other.numpy().tobytes() not in {latent for latent, _ in runs}
    print(f"\ndeterminism {sampler}: {RUNS} runs, 1 latent and 1 video")


def test_a_batch_of_four_is_four_singles(pipeline):
    """The noise of a batch, its path through the sampler, and its decoded frames."""
    model, words = pipeline.transformer, gaussian(1, 5, 384)
    sigmas, shape = shifted_sigmas(4, 3.0), (16, 4, 6, 8)

    def generated(noise):
        text = words.expand(len(noise), -1, -1)
        return euler(
            lambda x, sigma: model(x, x.new_full((1, 1, 1, 1, 1), sigma), text), noise, sigmas
        )

    noise = seeded_noise(3, (4, *shape))
    assert torch.equal(noise[:1], seeded_noise(3, (1, *shape)))
    latent = generated(noise)
    sampling = largest(latent, torch.cat([generated(one) for one in noise.split(1)]))
    decode = pipeline.autoencoder.decode
    decoding = largest(decode(latent), torch.cat([decode(one) for one in latent.split(1)]))
    assert max(sampling, decoding) <= LIMIT
    assert largest(latent[:1], latent[1:2]) > 0.1
    print(f"\ndeterminism batch of 4 against singles: latent {sampling:.1e}, video {decoding:.1e}")


def test_packed_is_unpacked():
    model, differences = tiny_transformer(), []
    for row in range(5):
        sides = torch.Generator().manual_seed(row)
        grids = [torch.randint(1, 5, (3,), generator=sides).tolist() for _ in range(4)]
        clips = [
            PackedClip(
                gaussian(1, 16, t, 2 * y, 2 * x, seed=10 * row + i),
                torch.full((1, 1, 1, 1, 1), (i + 0.5) / 4),
                gaussian(1, 2 + i, 384, seed=10 * row + i),
                start=float(i),
            )
            for i, (t, y, x) in enumerate(grids)
        ]
        for packed, clip in zip(denoise_packed(model, clips), clips, strict=True):
            alone = model(clip.latent, clip.sigma, clip.text, start=clip.start)
            differences.append(largest(packed, alone))
    assert max(differences) <= LIMIT
    print(f"\ndeterminism packed against unpacked: {max(differences):.1e}")


def test_chunked_is_whole():
    autoencoder, latent = tiny_autoencoder(), gaussian(1, 16, 9, 4, 6)
    video = autoencoder.decode(latent)
    decoded = max(
        largest(torch.cat(list(decode_chunks(autoencoder, latent, length=length)), dim=2), video)
        for length in range(1, 10)
    )
    known = autoencoder.encode(video)
    encoded = max(
        largest(torch.cat(list(encode_chunks(autoencoder, video.split(length, 2))), dim=2), known)
        for length in range(1, 34)
    )
    assert max(decoded, encoded) <= LIMIT
    print(f"\ndeterminism chunked against whole: decoded {decoded:.1e}, encoded {encoded:.1e}")


@pytest.fixture
def vae(tmp_path):
    import tests.nodes.conftest  # noqa: F401  loads the pack as ComfyUI does

    # isort: split
    from sora_nodes.nodes.host.models.vae import load_vae
    from sora_nodes.sora_core.checkpoints.checkpoint import read_config

    path = write_tiny(tmp_path)
    vae = load_vae(path, read_config(path))
    vae.first_stage_model.generated_decoder.proj_out.weight.div_(
        64
    )  # no pixel is cut off at black or white
    return vae


@pytest.mark.slow
def test_tiled_is_whole_but_for_the_seams(vae):
    """ComfyUI's VAEDecodeTiled: pixels that lie in one tile alone are those of the whole."""
    import nodes as stock

    latent = {"samples": gaussian(1, 16, 3, 12, 8)}  # 96 pixels high: two tiles, 32 in common
    whole = stock.VAEDecode().decode(vae, latent)[0]
    tiled = stock.VAEDecodeTiled().decode(vae, latent, tile_size=64, overlap=32)[0]
    alone = max(largest(tiled[:, :32], whole[:, :32]), largest(tiled[:, 64:], whole[:, 64:]))
    seam = (tiled - whole)[:, 32:64].abs().max().item() / whole.std().item()
    assert 0 < whole.min() < whole.max() < 1
    assert alone <= LIMIT
    assert LIMIT < seam <= SEAM
    print(f"\ndeterminism tiled against whole: {alone:.1e}, seams {seam:.2f} deviations")
