"""The decoder's data, generated latents, and its loss on steps into latent frames."""

import torch

from sora_core.models.autoencoder import Autoencoder
from sora_core.models.dit import DiT, DiTConfig
from sora_core.training.decoder import decoding_loss, exact_frames
from sora_core.training.decoder_dataset import conditioning_latent, regenerate
from tests.support.tiny import AUTOENCODER


def test_generated_latents_keep_what_was_given_and_nothing_else():
    torch.manual_seed(0)
    transformer = DiT(DiTConfig(width=64, depth=2)).eval()
    transformer.init_weights()
    clean, known = torch.randn(2, 16, 5, 8, 8), torch.randn(2, 16, 5, 8, 8)
    mask = torch.tensor([0.0, 1, 1, 1, 0]).view(1, 1, -1, 1, 1)
    texts = [torch.randn(length, 384) for length in (3, 5, 1)]
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        result = regenerate(transformer, known, clean, mask, texts, generator)
    assert torch.equal(result[:, :, [0, 4]], known[:, :, [0, 4]])
    assert not (result[:, :, 1:4] == clean[:, :, 1:4]).any()


def test_the_end_of_a_clip_is_cut_as_a_canvas_cuts_it():
    torch.manual_seed(0)
    autoencoder = Autoencoder(AUTOENCODER).eval()
    video = torch.rand(1, 3, 17, 64, 64) * 2 - 1
    other = torch.cat([torch.rand(1, 3, 9, 64, 64), video[:, :, 9:]], dim=2)
    with torch.inference_mode():
        clean = autoencoder.encode(video)
        ends = [
            conditioning_latent(autoencoder, clip, clean, (0, 2))[:, :, 3:]
            for clip in (video, other)
        ]
        assert torch.equal(conditioning_latent(autoencoder, video, clean, (1, 0)), clean)
    assert torch.equal(*ends)  # what came before is not known
    assert not torch.allclose(ends[0], clean[:, :, 3:])


def test_a_jump_into_a_latent_frame_costs_more_than_one_within():
    true, objects = torch.zeros(1, 3, 9, 16, 16), torch.zeros(1, 1, 9, 16, 16)
    all_of_it = torch.ones(1, 1, 1, 1, 1)

    def jump(at):
        result = true.clone()
        result[:, :, at:] = 0.1
        return decoding_loss(result, true, objects, all_of_it, 1.0)["motion"].item()

    assert jump(5) > 2 * jump(6) > 0
    assert decoding_loss(true, true, objects, all_of_it, 1.0)["motion"] == 0


def test_of_footage_after_generated_frames_only_steps_are_learned():
    known = torch.tensor([[True, False, True], [True, True, False], [False, False, True]])
    displayed = exact_frames(known)
    assert displayed.tolist() == [[True] * 5 + [False] * 4, [True] * 9, [True] * 5 + [False] * 4]
    true, objects = torch.zeros(1, 3, 9, 16, 16), torch.zeros(1, 1, 9, 16, 16)
    weight = displayed[:1].float()[:, None, :, None, None]
    result = true.clone()
    result[:, :, 1:] = 0.1  # as wrong where footage is given as before it
    parts = decoding_loss(result, true, objects, weight, 1.0)
    result[:, :, 5:] = 0  # right, and with a step
    snapped = decoding_loss(result, true, objects, weight, 1.0)
    assert snapped["motion"] > parts["motion"]
    assert snapped["squared"] == parts["squared"]
