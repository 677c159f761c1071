import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline import storage
from dsmath_pipeline.demo.word_problems import generate_problems, problem_table, worked_example
from dsmath_pipeline.recipe.schema import TokenizerSettings
from dsmath_pipeline.tokens.tokenizer import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    TokenizerError,
    load_tokenizer,
    special_ids,
    train_bpe,
    train_tokenizer,
)

SETTINGS = TokenizerSettings(vocab_size=400, max_training_bytes=200_000)


def write_corpus(path, texts):
    with storage.stage(path, "corpus", "1", {"num": len(texts)}, {}) as run:
        if run.artifact:
            run.artifact.write_table("part-00000.parquet", pa.table({"text": pa.array(texts, pa.large_string())}))
    return path


def texts(num=200):
    rng = random.Random(0)
    return [worked_example(rng, language) for language in ("en", "zh") * (num // 2)]


@pytest.fixture(scope="module")
def bpe():
    return train_bpe(texts(), SETTINGS)


def test_every_digit_is_a_token_of_its_own(bpe):
    digits = [bpe.id_to_token(i) for i in bpe.encode("123+45=168").ids[1:]]
    assert digits == ["1", "2", "3", "+", "4", "5", "=", "1", "6", "8"]


def test_no_merged_token_of_the_vocabulary_holds_a_digit(bpe):
    assert not [token for token in bpe.get_vocab() if len(token) > 1 and set(token) & set("0123456789")]


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_any_text_survives_encoding_and_decoding(bpe, text):
    assert bpe.decode(bpe.encode(text, add_special_tokens=False).ids) == text


def test_encoding_starts_with_bos_and_special_ids_are_fixed(bpe):
    assert bpe.encode("a").ids[0] == BOS_ID
    assert [bpe.token_to_id(t) for t in ("<pad>", "<bos>", "<eos>")] == [PAD_ID, BOS_ID, EOS_ID]


def test_the_same_texts_give_the_same_tokenizer(bpe):
    assert train_bpe(texts(), SETTINGS).to_str() == bpe.to_str()


def test_the_artifact_loads_with_both_libraries_and_reads_training_problems_only(tmp_path):
    from transformers import PreTrainedTokenizerFast

    corpus = write_corpus(tmp_path / "corpus", texts(60))
    with storage.stage(tmp_path / "problems", "problems", "1", {}, {}) as run:
        assert run.artifact is not None
        run.artifact.write_table("train.parquet", problem_table(generate_problems(50, 0, "train")))
        run.artifact.write_table("test.parquet", pa.table({"nothing": ["that could be read"]}))
    manifest = train_tokenizer(corpus, tmp_path / "tokenizer", SETTINGS, 0, problems=tmp_path / "problems")
    ours = load_tokenizer(tmp_path / "tokenizer")
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path / "tokenizer")
    text = "User: 小明有12个苹果。\n\nAssistant: \\boxed{5}"
    assert theirs(text)["input_ids"] == ours.encode(text).ids
    assert (theirs.eos_token_id, theirs.pad_token_id) == (EOS_ID, PAD_ID) == special_ids(ours, tmp_path / "tokenizer")
    assert manifest.counts["vocab_size"] == ours.get_vocab_size() <= 400
    assert manifest.counts["problems_bytes"] > 0


def test_no_text_and_no_tokenizer_are_clear_errors(tmp_path):
    with pytest.raises(TokenizerError, match="no text"):
        train_tokenizer(write_corpus(tmp_path / "c", []), tmp_path / "t", SETTINGS, 0)
    with pytest.raises(TokenizerError, match="run the tokenizer stage"):
        load_tokenizer(tmp_path)
