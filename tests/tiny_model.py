"""Artifacts of a tiny model for tests: tokenizer, problems, packed tokens, an untrained model. Seconds to build."""

import random
from pathlib import Path

import pyarrow as pa

from dsmath_pipeline import storage
from dsmath_pipeline.demo.word_problems import generate_problems, problem_table, worked_example
from dsmath_pipeline.recipe.schema import MixtureSettings, ModelSettings, PretrainSettings, TokenizerSettings
from dsmath_pipeline.tokens.packing import pack_tokens
from dsmath_pipeline.tokens.tokenizer import train_tokenizer

MODEL = ModelSettings(
    hidden_size=16, intermediate_size=32, num_layers=2, num_heads=2, initializer_range=0.1, max_positions=256
)
PRETRAIN = PretrainSettings(
    num_tokens=8 * 256, batch_tokens=256, context_tokens=32, warmup_steps=2, peak_learning_rate=1e-2,
    micro_batch_sequences=4, save_steps=2, held_out_share=0.02,
)  # fmt: skip


def build_tokens(root: Path) -> Path:
    """Write corpus, problems, tokenizer and tokens below `root`."""
    rng = random.Random(0)
    texts = [worked_example(rng, language) for language in ("en", "zh") * 100]
    with storage.stage(root / "corpus", "corpus", "1", {}, {}) as run:
        if run.artifact:
            run.artifact.write_table("part-00000.parquet", pa.table({"text": pa.array(texts, pa.large_string())}))
    with storage.stage(root / "problems", "problems", "1", {}, {}) as run:
        if run.artifact:
            run.artifact.write_table("train.parquet", problem_table(generate_problems(40, 0, "train")))
            run.artifact.write_table("test.parquet", problem_table(generate_problems(10, 0, "test")))
    settings = TokenizerSettings(vocab_size=400)
    train_tokenizer(root / "corpus", root / "tokenizer", settings, 0, problems=root / "problems")
    pack_tokens({"corpus": root / "corpus"}, root / "tokenizer", root / "tokens", MixtureSettings(), PRETRAIN, 0)
    return root


def build_model_artifact(root: Path, name: str = "base") -> Path:
    """`build_tokens` and an untrained model with its tokenizer as a finished artifact."""
    from dsmath_pipeline.tokens.tokenizer import load_tokenizer
    from dsmath_pipeline.training.models import build_model, save_model

    build_tokens(root)
    with storage.stage(root / name, "base_model", "1", {}, {}) as run:
        if run.artifact:
            vocab_size = load_tokenizer(root / "tokenizer").get_vocab_size()
            save_model(build_model(MODEL, vocab_size, 0), root / "tokenizer", root / name)
    return root / name
