"""Masks token by token: what the model writes is learned, prompt and program outputs are not."""

from itertools import pairwise

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from dsmath_pipeline.recipe.schema import TokenizerSettings
from dsmath_pipeline.tokens.tokenizer import BOS_ID, EOS_ID, SPECIAL_TOKENS, train_bpe
from dsmath_pipeline.training.sft_masks import encode_example, encode_examples, pieces_of

COT_EN = (
    {"problem": "What is 2+3?", "solution": "2+3=5. The answer is \\boxed{5}.", "method": "cot", "language": "en"},
    [
        ("User: What is 2+3?\nThink step by step; answer in \\boxed{}.\n\nAssistant:", False),
        (" 2+3=5. The answer is \\boxed{5}.", True),
    ],
)
COT_ZH = (
    {"problem": "2加3是多少?", "solution": "2+3=5。答案是\\boxed{5}。", "method": "cot", "language": "zh"},
    [("User: 2加3是多少?\n请逐步解答,写在\\boxed{}里。\n\nAssistant:", False), (" 2+3=5。答案是\\boxed{5}。", True)],
)
POT = (
    {"problem": "What is 2+3?", "solution": "```python\nprint(2+3)\n```", "method": "pot", "language": "en"},
    [
        ("User: What is 2+3?\nWrite a Python program that prints the answer.\n\nAssistant:", False),
        (" ```python\nprint(2+3)\n```", True),
    ],
)
TOOL = (
    {
        "problem": "What is 2+3?",
        "solution": "First:\n```python\nprint(x)\n```\n```output\nNameError: x\n```\nAgain:\n"
        "```python\nprint(2+3)\n```\n```output\n5\n```\nThe answer is \\boxed{5}.",
        "method": "tool",
        "language": "en",
    },
    [
        ("User: What is 2+3?\nThink with Python; answer in \\boxed{}.\n\nAssistant:", False),
        (" First:\n```python\nprint(x)\n```\n```output", True),
        ("\nNameError: x\n```\n", False),
        ("Again:\n```python\nprint(2+3)\n```\n```output", True),
        ("\n5\n```\n", False),
        ("The answer is \\boxed{5}.", True),
    ],
)
KINDS = {"cot en": COT_EN, "cot zh": COT_ZH, "pot": POT, "tool": TOOL}
TEXTS = ["".join(text for text, _ in parts) for _, parts in KINDS.values()]


def bytes_only() -> Tokenizer:
    """Ours without merges: every byte is a token."""
    return train_bpe(["x"], TokenizerSettings(vocab_size=300))


def trained() -> Tokenizer:
    return train_bpe(TEXTS * 20, TokenizerSettings(vocab_size=500))


def merges_everything() -> Tokenizer:
    """BPE that nothing stops from merging over any border, as some published tokenizers merge line breaks and words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.train_from_iterator(
        TEXTS * 20, trainers.BpeTrainer(vocab_size=1000, special_tokens=list(SPECIAL_TOKENS), show_progress=False)
    )
    tokenizer.decoder = decoders.Fuse()
    return with_bos(tokenizer)


def sentence_piece() -> Tokenizer:
    """A tokenizer of Llama's kind, which puts a space in front of whatever it encodes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=["\n", "▁"], show_progress=False
    )
    # SentencePiece knows line breaks as bytes only: they never merge
    tokenizer.train_from_iterator([text.replace("\n", " ") for text in TEXTS] * 20, trainer)
    return with_bos(tokenizer)


def with_bos(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", BOS_ID)])
    return tokenizer


def text_of(tokenizer: Tokenizer, ids) -> str:
    if isinstance(tokenizer.pre_tokenizer, pre_tokenizers.Metaspace):
        return "".join(tokenizer.id_to_token(int(i)) for i in ids).replace("▁", " ")
    return tokenizer.decode([int(i) for i in ids], skip_special_tokens=False)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_are_those_of_the_hand_written_example(kind):
    row, expected = KINDS[kind]
    assert [(piece.text, piece.is_learned) for piece in pieces_of(row)] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_with_one_token_a_byte_the_mask_is_that_of_the_characters(kind):
    row, parts = KINDS[kind]
    example = encode_example(row, bytes_only(), EOS_ID)
    # <bos> is not learned, then every byte as its side says, then <eos>, which is learned
    expected = [False, *(side for text, side in parts for _ in text.encode()), True]
    assert example.learned.tolist() == expected
    assert example.ids[0] == BOS_ID and example.ids[-1] == EOS_ID


@pytest.mark.parametrize("make", [trained, merges_everything, sentence_piece])
@pytest.mark.parametrize("kind", KINDS)
def test_no_token_belongs_to_two_sides_and_the_text_stays_the_same(kind, make):
    tokenizer, (row, parts) = make(), KINDS[kind]
    example = encode_example(row, tokenizer, EOS_ID)
    ids, learned = example.ids[1:-1], example.learned[1:-1]
    borders = [0, *(np.flatnonzero(np.diff(learned)) + 1).tolist(), len(ids)]
    runs = [(text_of(tokenizer, ids[a:b]), bool(learned[a])) for a, b in pairwise(borders)]
    if make is sentence_piece:  # its own space at the very start, and nowhere else
        assert runs[0][0].startswith(" User")
        runs[0] = (runs[0][0][1:], runs[0][1])
    assert runs == parts


@pytest.mark.parametrize("kind", KINDS)
def test_encoded_in_one_go_a_token_would_belong_to_two_sides(kind):
    """The case that pieces encoded apart are there for."""
    tokenizer, (_, parts) = merges_everything(), KINDS[kind]
    ends = np.cumsum([len(text) for text, _ in parts])[:-1]
    offsets = tokenizer.encode("".join(text for text, _ in parts), add_special_tokens=False).offsets
    assert any(start < end < stop for end in ends for start, stop in offsets)


def test_a_solution_that_spells_the_end_token_does_not_end_there():
    row = {"problem": "p <eos>", "solution": "a <eos> b", "method": "cot", "language": "en"}
    tokenizer = trained()
    assert encode_example(row, tokenizer, EOS_ID).ids.tolist().count(EOS_ID) == 1
    assert not tokenizer.encode_special_tokens  # as it was


def test_options_stand_behind_the_problem_as_in_evaluation():
    row = {"problem": "2+2?", "options": ["3", "4"], "solution": "B", "method": "cot", "language": "en"}
    assert pieces_of(row)[0].text.startswith("User: 2+2?\n(A) 3 (B) 4\nThink")


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        ("a\n```output\n```\nb", [(" a\n```output", True), ("\n```\n", False), ("b", True)]),  # nothing was printed
        ("a\n```output\n5\n6\n```", [(" a\n```output", True), ("\n5\n6\n```", False)]),  # nothing behind it
        ("a\n```output\n5", [(" a\n```output", True), ("\n5", False)]),  # not closed: still not the model's
        ("a\n```output\nx ``` y\n```\nb", [(" a\n```output", True), ("\nx ``` y\n```\n", False), ("b", True)]),
        ("a ```outputs\n5\n```", [(" a ```outputs\n5\n```", True)]),
    ],
)
def test_outputs_of_odd_forms(solution, expected):
    pieces = pieces_of({"problem": "p", "solution": solution, "method": "tool", "language": "en"})
    assert [(piece.text, piece.is_learned) for piece in pieces[1:]] == expected


def test_a_chain_of_thought_owns_its_output_fences():
    row = {"problem": "p", "solution": "a\n```output\n5\n```", "method": "cot", "language": "en"}
    assert [piece.is_learned for piece in pieces_of(row)] == [False, True]


def test_many_rows_are_encoded_as_one_by_one():
    rows = [row for row, _ in KINDS.values()] * 700  # more than are encoded at once
    tokenizer = trained()
    together = list(encode_examples(rows, tokenizer, EOS_ID))
    assert len(together) == 2800
    for i in (0, 3, 2799):
        alone = encode_example(rows[i], tokenizer, EOS_ID)
        assert together[i].ids.tolist() == alone.ids.tolist()
        assert together[i].learned.tolist() == alone.learned.tolist()
