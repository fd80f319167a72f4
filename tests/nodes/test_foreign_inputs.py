"""Values of other packs work where they have a meaning; else an error names the reason.

`python -m tests.hostile.sockets` tries all values at all inputs; here it is a sample of them.
"""

import asyncio
import time
from types import SimpleNamespace

import folder_paths
import pytest
import torch
from sora_nodes.nodes import SoraExtension
from sora_nodes.nodes.canvas import SoraCanvas
from sora_nodes.nodes.caption import SoraCaptionVideo
from sora_nodes.nodes.decode import SoraDecodeFrames
from sora_nodes.nodes.encode import SoraEncodeCanvas
from sora_nodes.nodes.host.paths import workflow_notes
from sora_nodes.nodes.host.sockets.tensors import checked_numbers, extremes
from sora_nodes.nodes.place import SoraPlaceImage, SoraPlaceLatent
from sora_nodes.nodes.sampling import SoraGuider, SoraSample
from sora_nodes.sora_core.errors import SoraError
from sora_nodes.sora_core.video.probe import probe
from sora_nodes.sora_core.video.writer import write_video

from tests.hostile.foreign_images import picture
from tests.hostile.foreign_sampling import ForeignNoise
from tests.hostile.foreign_values import foreign_values
from tests.hostile.sockets import PASSED_NAN, RAW, RESULT, SENTENCE, Trial

SHARE, TOGETHER = 0.03, 150


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    before = folder_paths.get_output_directory(), folder_paths.get_temp_directory()
    folders = folder_paths.folder_names_and_paths["diffusion_models"][0]
    known = list(folders)
    with torch.inference_mode():
        yield Trial(tmp_path_factory.mktemp("trial"))
    folders[:] = known
    folder_paths.set_output_directory(before[0])
    folder_paths.set_temp_directory(before[1])


@pytest.fixture(scope="module")
def good(trial):
    return trial.good


def test_every_node_checks_its_inputs():
    for node in asyncio.run(SoraExtension().get_node_list()):
        assert hasattr(node.execute.__func__, "__wrapped__"), node


def test_valid_inputs_of_every_node_give_a_result(trial):
    assert trial.failing() == []


def test_the_catalogue_has_250_values_and_more(trial, tmp_path):
    assert len(foreign_values(trial.good, tmp_path)) >= 250


def test_foreign_values_end_in_a_result_or_a_sentence(trial):
    trial.outcomes.clear()
    trial.everywhere(SHARE)
    trial.together(TOGETHER)
    assert dict(trial.faults) == {}
    assert trial.outcomes[RAW] == trial.outcomes[PASSED_NAN] == 0
    assert trial.outcomes[RESULT] > 25 and trial.outcomes[SENTENCE] > 500


def placed(canvas, image, mask):
    return SoraPlaceImage.execute(
        canvas, image, 0.0, "start", 0.0, 1.0, "crop", 0, 0, 0, 0, mask
    ).args[0]


def encoded(good, canvas):
    return SoraEncodeCanvas.execute(canvas, good["VAE"]).args[0]


@pytest.fixture(scope="module")
def canvas():
    return SoraCanvas.execute("custom", 32, 32, 1.0, 8.0).args[0]


HALF = torch.arange(32).lt(16).float().expand(32, 32)


@pytest.mark.parametrize(
    "mask",
    [HALF, HALF[None, None], HALF[None, ..., None], HALF.bool()[None], HALF.half()[None]],
    ids=["2 axes", "4 axes", "channels last", "bits", "half precision"],
)
def test_a_mask_of_another_form_is_the_same_mask(good, canvas, mask):
    image = picture(1, 32, 32, 3)
    usual = encoded(good, placed(canvas, image, HALF[None]))
    other = encoded(good, placed(canvas, image, mask))
    assert torch.equal(usual["noise_mask"], other["noise_mask"])
    assert torch.equal(usual["samples"], other["samples"])


@pytest.mark.parametrize(
    "change",
    [lambda x: x[0], lambda x: x[None], lambda x: x.double(), lambda x: x.mul(255).byte()],
    ids=["3 axes", "5 axes", "double precision", "bytes"],
)
def test_an_image_of_another_form_is_the_same_image(good, canvas, change):
    image = picture(1, 32, 32, 3).mul(255).round().div(255)
    usual = encoded(good, placed(canvas, image, None))
    assert torch.equal(
        usual["samples"], encoded(good, placed(canvas, change(image), None))["samples"]
    )


def test_a_half_precision_image_is_within_a_level(good, canvas):
    image = picture(1, 32, 32, 3)
    usual, half = (
        placed(canvas, each, None).placements[0].source for each in (image, image.half())
    )
    assert (usual - half).abs().max() < 1 / 255


def test_a_grey_image_has_three_equal_channels(canvas):
    source = placed(canvas, picture(1, 32, 32, 1), None).placements[0].source
    assert source.shape[-1] == 3 and torch.equal(source[..., 0], source[..., 2])


def test_a_latent_of_4_axes_is_one_latent_frame_wherever_a_video_is_taken(good, canvas):
    samples = good["LATENT"]["samples"][:, :, :1]
    flat, deep = {"samples": samples[:, :, 0]}, {"samples": samples}
    for node, more in (
        (SoraDecodeFrames, {"vae": good["VAE"]}),
        (SoraCaptionVideo, {"captioner": "sora", "varied": False, "seed": 0, "vae": good["VAE"]}),
    ):
        name = "video" if node is SoraCaptionVideo else "latent"
        one, other = (node.execute(**{name: each}, **more).args[0] for each in (flat, deep))
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    sources = [
        SoraPlaceLatent.execute(canvas, each, 0.0, 1.0).args[0].placements[0].source
        for each in (flat, deep)
    ]
    assert torch.equal(*sources)


def sampled(good, **changes):
    inputs = {key: good[key.upper()] for key in ("noise", "guider", "sigmas", "latent")} | changes
    return SoraSample.execute(**inputs, sampler="euler").args[0]


def test_a_latent_of_4_axes_is_sampled_as_one_latent_frame(good):
    words, samples = good["CONDITIONING"], good["LATENT"]["samples"][:, :, :1]
    results = []
    for latent in ({"samples": samples[:, :, 0]}, {"samples": samples}):
        guider = SoraGuider.execute(good["MODEL"], words, words, 2.0, 0.0, 1.0, 0.0, latent).args[0]
        results.append(sampled(good, guider=guider, latent=latent)["samples"])
    assert torch.equal(*results)


@pytest.mark.parametrize("sigmas", [torch.tensor([]), torch.tensor([0.5])], ids=["none", "one"])
def test_a_schedule_without_a_step_changes_nothing(good, sigmas):
    assert torch.equal(sampled(good, sigmas=sigmas)["samples"], good["LATENT"]["samples"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e30])
@pytest.mark.parametrize("name", ["latent", "sigmas", "noise"])
def test_nan_infinite_and_huge_numbers_are_refused_by_name(good, name, value):
    spoiled = {
        "latent": lambda: {"samples": torch.full_like(good["LATENT"]["samples"], value)},
        "sigmas": lambda: torch.tensor([1.0, value, 0.0]),
        "noise": lambda: ForeignNoise(lambda x: torch.full_like(x, value)),
    }
    with pytest.raises(SoraError, match=f"^{name}: "):
        sampled(good, **{name: spoiled[name]()})


def test_a_nan_mask_is_refused_by_name(good, canvas):
    with pytest.raises(SoraError, match=r"^mask: .*NaN"):
        placed(canvas, picture(1, 32, 32, 3), torch.full((1, 32, 32), float("nan")))


def test_prompts_for_another_model_are_named(good):
    words = [[torch.zeros(1, 77, 768), {}]]
    guider = SoraGuider.execute(good["MODEL"], words, words, 2.0, 0.0, 1.0, 0.0, None).args[0]
    with pytest.raises(SoraError, match="of width 768: this model needs"):
        sampled(good, guider=guider)


def test_a_valid_tensor_is_the_same_tensor_after_the_check(good):
    image = picture()
    assert checked_numbers("image", image, "an IMAGE") is image


@pytest.mark.parametrize("shape", [(5,), (3, 4, 5), (2, 3, 4, 5)])
def test_extremes_of_views_are_those_of_the_values(shape):
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    for view in (tensor, tensor.flip(0), tensor.transpose(0, -1), tensor[None].expand(4, *shape)):
        low, high = extremes(view)
        assert (low, high) == (float(view.min()), float(view.max()))


def test_the_check_of_a_second_of_hd_video_takes_less_than_two_copies():
    image = torch.rand(25, 720, 1280, 3)
    spent = {}
    for name, work in (("check", lambda: checked_numbers("image", image, "an IMAGE")),
                       ("copy", lambda: image.clone())):  # fmt: skip
        times = []
        for _ in range(5):
            begun = time.process_time()
            work()
            times.append(time.process_time() - begun)
        spent[name] = min(times)
    print(f"\ncheck of {image.nbytes / 1e6:.0f} MB: {spent['check'] * 1e3:.0f} ms of the processor,"
          f" a copy {spent['copy'] * 1e3:.0f} ms")  # fmt: skip
    assert spent["check"] < 2 * spent["copy"]


@pytest.mark.parametrize(
    "notes", [{"\ud800": "\ud800"}, {"a\0b": [1]}, {"\u202e": None}, ["list"], "text", 3, None]
)
def test_notes_that_no_file_can_hold_fail_no_video(tmp_path, notes):
    hidden = SimpleNamespace(prompt={"1": {}}, extra_pnginfo=notes)
    frames = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    write_video(tmp_path / "a.mp4", [frames], 8, metadata=workflow_notes(hidden))
    assert probe(tmp_path / "a.mp4").width == 32
