"""Quality of the text encoder against its teacher, all-MiniLM-L6-v2: cosines and linear probes.

Axes: n tokens, b texts, d width.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cosine_similarity, one_hot

from ..models.text_encoder import TextConfig, TextEncoder, encode
from ..models.tokenizer import Tokenizer
from ..training.sentences import Sentences, labelled_captions, shuffled
from ..training.text import Texts, calibration_texts
from ..training.thinning import thin_out
from .report import Figure

PROBED = 4_500_000_000  # first seed of scenes that no recipe trains on
PROBES = 3000  # captions
LEARNED = 2  # of three captions: these fit the probes, and the third tests them
PROBE_RIDGE = 1.0
BATCH = 100
RANK_FACTORS = (0.5, 1.0, 2.0, 3.0)  # factors of the shipped encoder's ranks
CALIBRATION_TOKENS = 24_000  # tokens


def text_figures(
    student: TextEncoder,
    teacher: TextEncoder,
    tokenizer: Tokenizer,
    held_out: Sentences,
    count: int,
) -> list[Figure]:
    """Mean cosines over held-out texts, at most `count` of each source, and the gap of the probes.

    The cosines are means over all tokens, [CLS] and [SEP] included, for captions, for prompts of
    the wide grammar, and for plain English. `probe_gap` is the largest loss of accuracy of a fact's
    linear probe on mean states, against the same probe on the teacher's states.
    """
    figures = [
        Figure(f"{name}_cosine", token_cosine(student, teacher, tokenizer, texts[:count]))
        for name, texts in (
            ("captions", held_out.captions),
            ("prompts", held_out.prompts),
            ("plain", shuffled(held_out.plain, 0)),
        )
        if texts
    ]
    texts, labels = zip(*labelled_captions(PROBES, PROBED), strict=True)
    ours = probe_accuracies(pooled(student, tokenizer, texts), labels)
    theirs = probe_accuracies(pooled(teacher, tokenizer, texts), labels)
    gaps = {name: theirs[name] - ours[name] for name in theirs}
    figures.append(Figure("probe_gap", max(0.0, *gaps.values())))
    for name in theirs:
        figures += [
            Figure(f"probe/{name}", ours[name]),
            Figure(f"probe/{name}_teacher", theirs[name]),
        ]
    return figures


def size_figures(
    teacher: TextEncoder, tokenizer: Tokenizer, learned: Sentences, held_out: Sentences, count: int
) -> list[Figure]:
    """The cosines on captions and plain English for students of several sizes, in megabytes at
    half precision.

    The students are fitted to the teacher by `thin_out` and not trained further.
    """
    parts = [
        Texts.of(texts, tokenizer, 0)
        for texts in (learned.plain, learned.captions + learned.prompts)
    ]
    calibration = calibration_texts(parts, CALIBRATION_TOKENS, 0)
    tested = {"captions": held_out.captions[:count], "plain": shuffled(held_out.plain, 0)[:count]}
    figures = []
    for factor in RANK_FACTORS:
        student = TextEncoder(resized(TextConfig(), factor)).eval().requires_grad_(False)
        thin_out(student, teacher, calibration)
        size = 2 * sum(tensor.numel() for tensor in student.parameters()) / 1e6
        for name, texts in tested.items():
            cosine = token_cosine(student, teacher, tokenizer, texts)
            figures.append(Figure(f"{name}_by_size/{size:.1f}MB_fitted", cosine))
    return figures


def resized(config: TextConfig, factor: float) -> TextConfig:
    """`config` with all ranks multiplied by `factor`, at most its width."""

    def rank(value: int) -> int:
        return min(config.width, round(factor * value))

    return replace(
        config,
        words=tuple((rows, rank(value)) for rows, value in config.words),
        qkv_rank=rank(config.qkv_rank),
        out_rank=rank(config.out_rank),
        up_rank=rank(config.up_rank),
        down_rank=rank(config.down_rank),
    )


def token_cosine(
    student: TextEncoder, teacher: TextEncoder, tokenizer: Tokenizer, texts: Sequence[str]
) -> float:
    """The cosine between both encoders' states, averaged over all tokens of `texts`."""
    cosines = []
    for start in range(0, len(texts), BATCH):
        part = texts[start : start + BATCH]
        ours, theirs = encode(student, tokenizer, part), encode(teacher, tokenizer, part)
        cosines.append(cosine_similarity(ours.states, theirs.states, dim=-1)[ours.mask])
    return float(torch.cat(cosines).mean())


def pooled(
    encoder: TextEncoder, tokenizer: Tokenizer, texts: Sequence[str]
) -> Float[Tensor, "b d"]:
    """The mean state of the tokens of each text."""
    means = []
    for start in range(0, len(texts), BATCH):
        found = encode(encoder, tokenizer, texts[start : start + BATCH])
        means.append(found.states.sum(dim=1) / found.mask.sum(dim=1, keepdim=True))
    return torch.cat(means)


def probe_accuracies(
    states: Float[Tensor, "b d"], labels: Sequence[dict[str, str]]
) -> dict[str, float]:
    """By fact, the accuracy on one text of three of a linear probe fitted to the other two."""
    tested = torch.arange(len(states)) % (LEARNED + 1) == LEARNED
    found = {}
    for name in sorted(set.intersection(*(set(row) for row in labels))):
        values = sorted({row[name] for row in labels})
        if len(values) > 1:
            answers = torch.tensor([values.index(row[name]) for row in labels])
            scores = _probe(states[~tested], answers[~tested], len(values), states[tested])
            found[name] = float((scores == answers[tested]).double().mean())
    return found


def _probe(
    states: Float[Tensor, "b d"],
    answers: Int[Tensor, " b"],
    values: int,
    asked: Float[Tensor, "n d"],
) -> Int[Tensor, " n"]:
    """The answers for the states `asked` of a ridge classifier fitted to `states`."""
    mean, spread = states.mean(0), states.std(0) + 1e-6
    x = torch.nn.functional.pad((states - mean) / spread, (0, 1), value=1.0).double()
    y = torch.nn.functional.pad((asked - mean) / spread, (0, 1), value=1.0).double()
    square = x.T @ x + PROBE_RIDGE * torch.eye(x.shape[1], dtype=x.dtype)
    weights = torch.linalg.solve(square, x.T @ one_hot(answers, values).double())
    return (y @ weights).argmax(dim=1)
