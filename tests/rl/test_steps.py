import pytest
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import WordLevel

from dsmath_pipeline.rl.steps import step_ends, step_texts

WORDS = ["<eos>", "a", ";", "b.", "Ċ", "Ġ", "c", "; d"]


@pytest.fixture(scope="module")
def tokenizer():
    found = Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="a"))
    found.decoder = ByteLevelDecoder()
    found.add_special_tokens(["<eos>"])
    return found


def ids(tokenizer, *words):
    return [tokenizer.token_to_id(word) for word in words]


def test_a_step_ends_with_the_token_that_holds_the_end_of_a_match(tokenizer):
    completion = ids(tokenizer, "a", ";", "a", "b.", "c", "<eos>")
    # steps: a; | ab. | c<eos>
    assert step_ends(tokenizer, completion, r"[;.]") == [1, 3, 5]
    assert step_texts(tokenizer, completion, [1, 3, 5]) == ["a;", "ab.", "c"]


def test_the_end_token_and_white_space_belong_to_the_last_step(tokenizer):
    completion = ids(tokenizer, "a", ";", "c", "b.", "Ġ", "<eos>")
    assert step_ends(tokenizer, completion, r"[;.]") == [1, 5]


def test_blank_steps_are_none(tokenizer):
    # two line ends behind each other, and one at the start
    completion = ids(tokenizer, "Ċ", "a", "Ċ", "Ċ", "c")
    assert step_ends(tokenizer, completion, r"\n") == [2, 4]


def test_a_completion_without_a_match_is_one_step(tokenizer):
    assert step_ends(tokenizer, ids(tokenizer, "a", "c"), r"\n+") == [1]
    assert step_ends(tokenizer, [], r"\n+") == []
