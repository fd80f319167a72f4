import pytest
import torch

from sora_core.models.text_encoder import TextConfig, TextEncoder
from sora_core.training.thinning import thin_out

WIDTH, WORDS, LENGTH = 24, 60, 7


def encoder(words: tuple[tuple[int, int], ...], rank: int, seed: int = 0) -> TextEncoder:
    torch.manual_seed(seed)
    config = TextConfig(
        words=words,
        positions=LENGTH,
        width=WIDTH,
        hidden=32,
        depth=2,
        heads=2,
        qkv_rank=rank,
        out_rank=rank,
        up_rank=rank,
        down_rank=rank,
    )
    return TextEncoder(config)


def student(rank: int) -> TextEncoder:
    return encoder(((40, rank), (20, rank)), rank)


@pytest.fixture(scope="module")
def teacher():
    return encoder(((WORDS, WIDTH),), WIDTH, seed=1)


@pytest.fixture(scope="module")
def texts():
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(WORDS, (40, LENGTH), generator=generator) for _ in range(8)]


def error(student, teacher, ids):
    with torch.no_grad():
        return float((student(ids) - teacher(ids)).square().mean())


def test_a_student_of_whole_rank_is_the_teacher(teacher, texts):
    thinned = student(WIDTH)
    thin_out(thinned, teacher, texts)
    fresh = torch.randint(WORDS, (40, LENGTH), generator=torch.Generator().manual_seed(3))
    assert error(thinned, teacher, fresh) < 1e-4


def test_a_thinner_student_errs_more_and_less_than_by_chance(teacher, texts):
    fresh = torch.randint(WORDS, (40, LENGTH), generator=torch.Generator().manual_seed(3))
    errors = []
    for rank in (20, 12, 4):
        thinned = student(rank)
        chance = error(thinned, teacher, fresh)
        thin_out(thinned, teacher, texts)
        errors.append(error(thinned, teacher, fresh))
        assert errors[-1] < 0.7 * chance
    assert errors == sorted(errors)
