import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.recipe.schema import ModelSettings, SftSettings, TokenizerSettings
from dsmath_pipeline.tokens.tokenizer import load_tokenizer, train_tokenizer
from dsmath_pipeline.training.models import ModelError, build_model, load_model, save_model
from dsmath_pipeline.training.sft import load_examples, train_sft
from dsmath_pipeline.training.sft_data import write_sft_data
from tests.tiny_model import build_model_artifact

REAL = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data")
SETTINGS = SftSettings(
    num_steps=6, batch_sequences=4, max_examples=20, context_tokens=256, learning_rate=5e-3, micro_batch_sequences=2
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_model_artifact(tmp_path_factory.mktemp("sft"))


def test_fine_tuning_lowers_the_loss_and_counts_what_it_used(base):
    manifest = train_sft(base, base.parent / "problems", base.parent / "sft", SETTINGS, 0, device="cpu")
    counts = manifest.counts
    assert counts["last_loss"] < counts["first_loss"]
    assert counts["examples"] == 20 and counts["too_long"] == 0 and counts["epochs"] > 1
    assert 0 < counts["learned_share"] < 1 and 0 < counts["padding_share"] < 0.5
    config = load_model(base.parent / "sft", "cpu").config
    assert config.vocab_size == 400 and config.use_cache  # training turns the cache off, the saved model has it


def test_the_learning_rate_is_constant(base):
    train_sft(base, base.parent / "problems", base.parent / "sft", SETTINGS, 0, device="cpu")
    rates = pq.read_table(base.parent / "sft" / "metrics.parquet")["learning_rate"].to_pylist()
    assert rates == pytest.approx([5e-3] * 6)


def test_the_loss_of_a_step_does_not_depend_on_the_micro_batch(base):
    problems, losses = base.parent / "problems", []
    for name, micro_batch in (("split", 1), ("whole", 4)):
        update = {"num_steps": 2, "weight_decay": 0.05, "micro_batch_sequences": micro_batch}
        storage.remove(base.parent / name)
        train_sft(base, problems, base.parent / name, SETTINGS.model_copy(update=update), 0, device="cpu")
        losses.append(pq.read_table(base.parent / name / "metrics.parquet")["loss"].to_pylist())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_examples_that_are_too_long_are_counted_and_left_out(base):
    examples, counts = load_examples(base, base.parent / "problems", SETTINGS, 0)
    every, _ = load_examples(base, base.parent / "problems", SETTINGS.model_copy(update={"max_examples": 1000}), 0)
    lengths = sorted(map(len, every))
    assert len(examples) == 20 and counts["longest_tokens"] == lengths[-1]
    short = SETTINGS.model_copy(update={"context_tokens": lengths[4], "max_examples": 1000})
    kept, counts = load_examples(base, base.parent / "problems", short, 0)
    assert max(map(len, kept)) <= lengths[4]
    assert counts["too_long"] == sum(length > lengths[4] for length in lengths) > 0


def test_a_context_that_no_example_fits_into_is_a_clear_error(base):
    settings = SETTINGS.model_copy(update={"context_tokens": 8})
    with pytest.raises(ModelError, match="context_tokens=8"):
        train_sft(base, base.parent / "problems", base.parent / "none", settings, 0)


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "benchmarks" / "gsm8k").exists(), reason=f"no GSM8K in {REAL}: set DSMATH_REAL_DATA")
def test_gsm8k_from_the_published_file_to_a_fine_tuned_model(tmp_path):
    """All 7,473 problems, real; a tiny model learns from a few hundred of their sequences."""
    manifest = write_sft_data({"gsm8k": str(REAL / "benchmarks" / "gsm8k" / "train.jsonl")}, tmp_path / "data")
    assert manifest.counts["num_read"] == 7473
    assert manifest.counts["rejected"] == {}
    train_tokenizer(None, tmp_path / "tokenizer", TokenizerSettings(vocab_size=1000, max_training_bytes=500_000), 0,
                    problems=tmp_path / "data")  # fmt: skip
    shape = ModelSettings(hidden_size=32, intermediate_size=64, num_layers=2, num_heads=2, max_positions=1024)
    with storage.stage(tmp_path / "base", "base_model", "1", {}, {}):
        model = build_model(shape, load_tokenizer(tmp_path / "tokenizer").get_vocab_size(), 0)
        save_model(model, tmp_path / "tokenizer", tmp_path / "base")
    settings = SftSettings(
        num_steps=12, batch_sequences=8, context_tokens=1024, learning_rate=1e-2, micro_batch_sequences=4
    )
    manifest = train_sft(tmp_path / "base", tmp_path / "data", tmp_path / "sft", settings, 0, device="cpu")
    counts = manifest.counts
    assert counts["examples"] + counts["too_long"] == 7473 and counts["too_long"] < 30
    assert counts["last_loss"] < counts["first_loss"] - 1 and counts["padding_share"] < 0.03
