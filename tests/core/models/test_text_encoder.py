from time import process_time

import pytest
import torch

from sora_core.checkpoints.text_file import load_text
from sora_core.errors import ConfigError, PromptError
from sora_core.models.prompt_weights import WeightedText, spans
from sora_core.models.text_encoder import TextConfig, TextEncoder, encode, encode_tokens
from sora_core.models.tokenizer import MAX_TOKENS, Tokenizer

SENTENCE = "a red ball rolls to the left on grass"


@pytest.fixture(scope="module")
def shipped():
    return load_text()


@pytest.fixture(scope="module")
def encoder(shipped):
    return shipped[0]


@pytest.fixture(scope="module")
def tokenizer(shipped):
    return shipped[1]


@pytest.fixture
def states(encoder, tokenizer):
    return lambda *texts, **options: encode(encoder, tokenizer, texts, **options)


def test_word_pieces_are_those_of_the_published_vocabulary(tokenizer):
    assert tokenizer.tokenize("A Red café").ids == (101, 1037, 2417, 7668, 102)


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_a_text_has_the_same_states_alone_and_among_others(states, batch):
    texts = [SENTENCE, "", "a blue cube", "the camera pans right over snow"]
    together = states(*texts, batch=batch)
    for i, text in enumerate(texts):
        alone = states(text).states[0]
        torch.testing.assert_close(together.states[i, : len(alone)], alone, rtol=0, atol=1e-5)


def test_states_are_zero_exactly_where_the_mask_says_so(states):
    found = states(SENTENCE, "a (blue:1.4) cube", "")
    assert torch.equal(found.states.abs().sum(dim=-1) > 0, found.mask)
    assert found.mask.sum(dim=1).tolist() == [11, 5, 2]


def test_no_texts_give_no_states(states):
    assert states().states.shape == (0, 0, 384)


def test_bfloat16_is_near_float32(states):
    exact, fast = states(SENTENCE).states, states(SENTENCE, dtype=torch.bfloat16).states
    assert fast.dtype == torch.float32
    assert 0 < (exact - fast).norm() < 0.02 * exact.norm()


def test_a_weight_moves_its_own_tokens_along_the_line_from_the_empty_prompt(states):
    plain, heavy, none = states("a red ball", "a (red:1.5) ball", "a (red:0) ball").states
    empty = states("").states[0].mean(dim=0)
    torch.testing.assert_close(heavy[2] - empty, 1.5 * (plain[2] - empty), rtol=0, atol=1e-5)
    torch.testing.assert_close(none[2], empty, rtol=0, atol=1e-5)
    others = [0, 1, 3, 4]
    torch.testing.assert_close(heavy[others], plain[others], rtol=0, atol=1e-5)


def test_one_weighted_text_leaves_the_others_as_they_are(states):
    alone, beside = states("a blue cube"), states("a blue cube", "a (red:2) ball")
    torch.testing.assert_close(beside.states[0], alone.states[0], rtol=0, atol=1e-5)


def test_a_long_text_is_cut_and_says_so(tokenizer, encoder):
    words = ["ball"] * (MAX_TOKENS - 2)
    whole, cut = tokenizer.tokenize(" ".join(words)), tokenizer.tokenize(" ".join([*words, "red"]))
    assert whole.ids == cut.ids
    assert (whole.truncated, cut.truncated) == (False, True)
    assert len(cut.ids) == len(cut.weights) == MAX_TOKENS
    assert encode_tokens(encoder, [cut]).states.shape == (1, MAX_TOKENS, 384)


@pytest.mark.parametrize("token", ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"])
def test_special_tokens_in_a_text_are_plain_text(tokenizer, token):
    ids = tokenizer.tokenize(f"a {token} ball").ids
    assert not set(ids[1:-1]) & {0, 100, 101, 102, 103}


@pytest.mark.parametrize("half", ["\ud83d", "\udc4d", "\ud83d\ud83d", "\udfff\ud800"])
def test_half_of_a_surrogate_pair_is_dropped(tokenizer, half):
    assert tokenizer.tokenize(f"a red {half} ball") == tokenizer.tokenize("a red ball")


@pytest.mark.parametrize("change", ["twice", "moved"])
def test_a_vocabulary_that_is_not_of_bert_is_refused(tokenizer, change):
    pieces = list(tokenizer.vocabulary)
    pieces[2000 if change == "twice" else 101] = pieces[2001]
    with pytest.raises(ConfigError, match="vocabulary"):
        Tokenizer(pieces)


def test_a_text_without_end_is_refused(tokenizer):
    with pytest.raises(PromptError, match="100001 characters"):
        tokenizer.tokenize("a" * 100_001)


def test_the_modules_may_come_from_elsewhere():
    result = []

    class Layers:
        Embedding = staticmethod(lambda *a, **k: result.append(k) or torch.nn.Embedding(*a, **k))
        Linear = staticmethod(lambda *a, **k: result.append(k) or torch.nn.Linear(*a, **k))
        LayerNorm = staticmethod(lambda *a, **k: result.append(k) or torch.nn.LayerNorm(*a, **k))

    meta = torch.device("meta")
    config = TextConfig(words=((50, 384), (50, 8)), depth=2, out_rank=384)
    encoder = TextEncoder(config, layers=Layers, dtype=torch.bfloat16, device=meta)
    plain = TextEncoder(config, device=meta)
    assert {(result_with["dtype"], result_with["device"]) for result_with in result} == {
        (torch.bfloat16, meta)
    }
    modules = [m for m in encoder.modules() if next(m.parameters(recurse=False), None) is not None]
    assert len(result) == len(modules)
    assert encoder.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", []),
        ("a ball", [("a ball", 1)]),
        ("a (red) ball", [("a ", 1), ("red", 1.1), (" ball", 1)]),
        ("a ((red)) ball", [("a ", 1), ("red", 1.1 * 1.1), (" ball", 1)]),
        ("(red:1.3) ball", [("red", 1.3), (" ball", 1)]),
        ("(a (red:0.5) ball:2)", [("a ", 2), ("red", 0.5), (" ball", 2)]),
        ("(a (red) ball: 2 )", [("a ", 2), ("red", 2 * 1.1), (" ball", 2)]),
        ("(at noon:now)", [("at noon:now", 1.1)]),
        (r"a \(red\) ball", [("a (red) ball", 1)]),
        (r"(\(red\):1.2)", [("(red)", 1.2)]),
        ("a ball :) or (", [("a ball :) or (", 1)]),
        ("((a)", [("(", 1), ("a", 1.1)]),
        ("(a:nan)", [("a:nan", 1.1)]),
        ("()", []),
    ],
)
def test_weights_are_read_as_comfyui_reads_them(prompt, expected):
    found = [(span.text, pytest.approx(span.weight)) for span in spans(prompt)]
    assert found == expected


@pytest.mark.parametrize(
    "prompt", ["(a:9)", "(a:-1)", "(" * 30 + "a" + ")" * 30, f"(a:{'9' * 400})"]
)
def test_a_weight_out_of_range_names_itself_and_the_remedy(prompt):
    with pytest.raises(
        PromptError, match=r"prompt weight .* of 'a': choose from 0 to 8"
    ) as refused:
        spans(prompt)
    assert len(str(refused.value)) <= 200


def reading_seconds(prompt):
    """The least of five, for a machine that is busy with something else now and then."""

    def once():
        start = process_time()
        spans(prompt)
        return process_time() - start

    return min(once() for _ in range(5))


@pytest.mark.slow
@pytest.mark.parametrize("text", ["(", "(:", "1", "\\(", "(:1", ": ", "()"])
def test_reading_a_prompt_takes_time_in_proportion_to_its_length(text):
    short, long = (("(" + text * length)[:length] for length in (10_000, 80_000))
    assert reading_seconds(long) < 24 * reading_seconds(short)  # 8 in proportion, 64 if squared
    read = "".join(span.text for span in spans(long))
    assert len(read) >= len(long.replace("\\", "").replace("()", ""))


def test_neighbours_of_one_weight_are_one_span():
    assert spans(r"a\(b\)c") == [WeightedText("a(b)c")]
