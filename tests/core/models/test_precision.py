"""bfloat16 changes what is generated, by little, and nothing that was there before."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

from sora_core.canvas.canvas import Canvas
from sora_core.canvas.edits import extend_forward
from sora_core.checkpoints.checkpoint import read_config, write_checkpoint
from sora_core.errors import ConfigError
from sora_core.models import precision
from sora_core.models.autoencoder import Autoencoder
from sora_core.models.precision import decode_in_bfloat16, has_bfloat16, sample_in_bfloat16
from sora_core.pipeline.decode import decode_frames
from sora_core.pipeline.generate import encode_footage, generate, load
from tests.support.tiny import AUTOENCODER, tiny_autoencoder, tiny_transformer, write_tiny

LATENT = torch.randn(1, 16, 5, 4, 4, generator=torch.Generator().manual_seed(0))
TEXT = torch.randn(1, 7, 384, generator=torch.Generator().manual_seed(1))
LEVEL = torch.full((1, 1, 1, 1, 1), 0.6)
CANVAS = Canvas(width=32, height=32, seconds=17 / 8)
EXACT, APPROXIMATE = "float32", "bfloat16"


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture
def on_any_processor(monkeypatch):
    """The conversion, also where a test runs on a processor that gains nothing by it."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)


@pytest.fixture(scope="module", params=[1, 2], ids=["one decoder", "two decoders"])
def path(request, tmp_path_factory):
    if request.param == 2:
        return write_tiny(tmp_path_factory.mktemp("models"))
    torch.manual_seed(0)
    autoencoder = Autoencoder(replace(AUTOENCODER, decoders=1)).eval()
    file = tmp_path_factory.mktemp("models") / "one.safetensors"
    write_checkpoint(file, tiny_transformer(), autoencoder, name="one")
    return file


def clip(frames):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (frames, 32, 32, 3), generator=generator).to(torch.uint8)


def apart(result, expected):
    return ((result - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("positions", ["grid", "metric"])
def test_a_prediction_is_float32_and_close(positions):
    exact = tiny_transformer(positions=positions)
    fast = deepcopy(exact)
    sample_in_bfloat16(fast)
    result, expected = (model(LATENT, LEVEL, TEXT) for model in (fast, exact))
    assert result.dtype == torch.float32
    assert 0 < apart(result, expected) < 0.03


def test_words_with_weights_and_a_mask_of_words_reach_bfloat16_attention():
    fast = tiny_transformer()
    sample_in_bfloat16(fast)
    mask = torch.ones(1, 7, dtype=torch.bool)
    mask[:, 5:] = False
    weights = torch.zeros(1, 5, 7).masked_fill(~mask[:, None], -torch.inf)
    alone = fast(LATENT, LEVEL, TEXT[:, :5])
    assert apart(fast(LATENT, LEVEL, TEXT, mask), alone) < 0.02
    assert apart(fast(LATENT, LEVEL, TEXT, weights), alone) < 0.02


def test_norms_and_the_first_and_last_layers_stay_float32():
    model = tiny_transformer()
    sample_in_bfloat16(model)
    linear = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    half = {name for name, part in linear.items() if part.weight.dtype == torch.bfloat16}
    words = {"cross_attn.query", "cross_attn.key_value", "cross_attn.out"}
    assert {name.split(".", 2)[2] for name in half} == {
        *("modulation", "qkv", "out", "mlp.0", "mlp.2"),
        *words,
    }
    parameters = model.named_parameters()
    other = [tensor for name, tensor in parameters if name.rpartition(".")[0] not in half]
    assert all(tensor.dtype == torch.float32 for tensor in other)


def test_a_decoded_video_is_float32_and_close():
    exact = tiny_autoencoder()
    fast = deepcopy(exact)
    decode_in_bfloat16(fast)
    result, expected = fast.decode(LATENT), exact.decode(LATENT)
    assert result.dtype == torch.float32
    assert 0 < apart(result, expected) < 0.02


def test_encoding_and_the_decoder_of_encoded_frames_keep_every_bit():
    exact = tiny_autoencoder()
    fast = deepcopy(exact)
    decode_in_bfloat16(fast)
    video, known = torch.rand(1, 3, 9, 32, 32) * 2 - 1, torch.zeros(1, 1, 5, 1, 1)
    assert torch.equal(fast.encode(video), exact.encode(video))
    assert torch.equal(fast.decode(LATENT, known), exact.decode(LATENT, known))


def test_footage_is_held_and_decoded_as_in_float32(path, on_any_processor):
    canvas = extend_forward(CANVAS, clip(9))
    latents, frames = [], []
    for chosen in (EXACT, APPROXIMATE):
        pipeline = load(path, chosen)
        encoded = encode_footage(pipeline, canvas)
        latents.append(generate(pipeline, "a red ball", encoded, steps=2))
        frames.append(torch.cat(list(decode_frames(pipeline, latents[-1], encoded))))
    known = (encoded.mask == 0).expand_as(latents[0])
    assert known.any()
    assert not known.all()
    assert torch.equal(latents[0][known], latents[1][known])
    assert not torch.equal(latents[0], latents[1])
    assert torch.equal(frames[0][:9], frames[1][:9])
    assert not torch.equal(frames[0][9:], frames[1][9:])


def test_float32_is_the_default_and_loads_no_bfloat16(path, on_any_processor):
    pipeline = load(path)
    for network in (pipeline.transformer, pipeline.autoencoder):
        assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32}
    fast = load(path, APPROXIMATE)
    assert any(x.dtype == torch.bfloat16 for x in fast.transformer.state_dict().values())


def test_a_processor_without_bfloat16_takes_float32(path, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    slow, expected = load(path, APPROXIMATE), load(path)
    for part in ("transformer", "autoencoder"):
        state = getattr(slow, part).state_dict()
        same = getattr(expected, part).state_dict()
        assert state.keys() == same.keys()
        assert all(torch.equal(state[name], same[name]) for name in same)


def test_another_precision_is_refused(path):
    with pytest.raises(ConfigError, match=r"precision 'int4': choose one of float32, bfloat16"):
        load(path, "int4")


def test_a_second_decoder_is_in_the_settings_of_what_is_saved(tmp_path):
    torch.manual_seed(0)
    autoencoder = Autoencoder(replace(AUTOENCODER, decoders=1)).eval()
    decode_in_bfloat16(autoencoder)
    file = tmp_path / "saved.safetensors"
    write_checkpoint(file, tiny_transformer(), autoencoder, name="saved")
    assert read_config(file).autoencoder.decoders == 2
    assert load(file).autoencoder.generated_decoder is not None


@pytest.mark.parametrize("missing", [False, True])
def test_a_processor_has_bfloat16_by_any_of_its_features_and_a_missing_question_is_a_no(
    monkeypatch, missing
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    for name in precision.CPU_FEATURES:
        if missing:
            monkeypatch.delattr(torch.cpu, name, raising=False)
        else:
            monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not has_bfloat16()
    monkeypatch.setattr(torch.cpu, precision.CPU_FEATURES[1], lambda: True, raising=False)
    assert has_bfloat16()
