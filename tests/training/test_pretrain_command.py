"""`dsmath train tokens` and `dsmath train pretrain` on all five sources."""

import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.cli import main
from dsmath_pipeline.stages import Inputs, Run
from dsmath_pipeline.tokens.packed import PackedTokens

SETTINGS = [
    "tokenizer.vocab_size=300", "model.hidden_size=16", "model.intermediate_size=32", "model.num_layers=1",
    "model.num_heads=2", "pretrain.context_tokens=32", "pretrain.batch_tokens=3200", "pretrain.num_tokens=6400",
    "pretrain.micro_batch_sequences=50", "pretrain.held_out_share=0.05", "pretrain.precision=fp32",
]  # fmt: skip


def run(*arguments):
    overrides = [part for setting in SETTINGS for part in ("--set", setting)]
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in ("train", *arguments, *overrides)])
    return stopped.value.code


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    root = tmp_path_factory.mktemp("texts")
    rng = random.Random(0)
    words = [" ".join(rng.choices(["one", "two", "three", "sum", "proof", "of", "the"], k=20)) for _ in range(300)]
    pq.write_table(pa.table({"text": words[:60]}), root / "corpus.parquet")
    (root / "stack" / "agda").mkdir(parents=True)
    rows = "".join(json.dumps({"content": text}) + "\n" for text in words[60:120])
    (root / "stack" / "agda" / "0.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
    for i, name in enumerate(("arxiv", "code", "web")):
        rows = "".join(json.dumps({"text": text}) + "\n" for text in words[120 + 60 * i : 180 + 60 * i])
        (root / f"{name}.jsonl").write_text(rows)
    return root


def sources(texts):
    return (
        "--corpus", texts / "corpus.parquet", "--algebraic-stack", texts / "stack", "--arxiv", texts / "arxiv.jsonl",
        "--code", texts / "code.jsonl", "--natural-language", texts / "web.jsonl",
    )  # fmt: skip


@pytest.mark.slow
def test_all_five_sources_are_packed_in_the_papers_shares_and_trained_on(texts, tmp_path, capsys):
    assert run("tokens", *sources(texts), "--out", tmp_path) == 0
    counts = storage.read_manifest(tmp_path / "tokens").counts
    # 6,400 tokens are 200 sequences of 32: 56, 4, 10, 20 and 10 % of them
    assert {name: row["sequences"] for name, row in counts.items()} == {
        "corpus": 112, "algebraic_stack": 8, "arxiv": 20, "code": 40, "natural_language": 20,
    }  # fmt: skip
    assert all(row["documents"] + row["held_out_documents"] == 60 for row in counts.values())
    assert len(PackedTokens(tmp_path / "tokens")) == 200
    assert "natural_language" in capsys.readouterr().out
    assert run("pretrain", "--tokens", tmp_path, "--out", tmp_path) == 0
    held_out = pq.read_table(tmp_path / "model" / "held_out.parquet")["source"].to_pylist()
    assert held_out == [name for name, row in counts.items() if row["held_out_tokens"]] and held_out
    # the same from texts in one command, into another folder: the same model
    assert run("pretrain", *sources(texts), "--out", tmp_path / "again") == 0
    weights = [(folder / "model" / "model.safetensors").read_bytes() for folder in (tmp_path, tmp_path / "again")]
    assert weights[0] == weights[1]
    # and continued from that model, with its tokenizer
    assert run("pretrain", "--tokens", tmp_path, "--init", tmp_path / "model", "--out", tmp_path / "more") == 0
    first, second = (storage.read_manifest(tmp_path / part / "model").counts for part in (".", "more"))
    assert second["first_loss"] == pytest.approx(first["last_loss"], abs=0.2)


def test_texts_are_needed_and_not_together_with_packed_tokens(texts, tmp_path, capsys):
    assert run("tokens", "--out", tmp_path) == 1
    assert "name at least --corpus" in capsys.readouterr().err
    assert run("pretrain", "--tokens", tmp_path, "--corpus", texts, "--out", tmp_path) == 1
    assert "leave the texts out" in capsys.readouterr().err
    assert run("tokens", "--corpus", tmp_path / "nowhere", "--out", tmp_path) == 1
    assert "nowhere" in capsys.readouterr().err


def test_a_run_takes_further_sources_by_name_and_hands_them_to_its_children(tmp_path):
    from dsmath_pipeline.recipe.presets import load_recipe
    from dsmath_pipeline.stages import _further_sources

    run = Run(tmp_path, load_recipe("demo"), Inputs(sources=("arxiv=/data/a=b", "code=owner/name")))
    assert _further_sources(run) == {"arxiv": "/data/a=b", "code": "owner/name"}
    assert Run.from_json(json.loads(json.dumps(run.to_json()))).inputs == run.inputs
    with pytest.raises(ValueError, match="write name=path"):
        _further_sources(Run(tmp_path, load_recipe("demo"), Inputs(sources=("arxiv",))))
