"""`dsmath corpus` on real web pages, where they are at hand."""

import gzip
import json
import os
from pathlib import Path

import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.recipe.presets import load_recipe
from dsmath_pipeline.runs import build_corpus
from dsmath_pipeline.stages import Inputs, Run

REAL = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not (REAL / "crawl").exists(), reason=f"no real crawl in {REAL}: set DSMATH_REAL_DATA"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    crawl = tuple(str(path) for path in sorted((REAL / "crawl").glob("*.warc.gz")))
    inputs = Inputs(crawl, str(REAL / "seed" / "openwebmath_like.jsonl.gz"), str(REAL / "benchmarks"), "auto")
    recipe = load_recipe("small_crawl", ["ranking.token_budget=3000000"])
    run = Run(tmp_path_factory.mktemp("real"), recipe, inputs)
    build_corpus(run)
    return run


def labels() -> list[dict]:
    with gzip.open(REAL / "crawl" / "labels.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def average_precision(scores: dict[str, float], truth: dict[str, bool]) -> float:
    """Mean over the positives of the precision at their rank; pages without a score come last."""
    ranked = sorted(truth, key=lambda url: (-scores.get(url, float("-inf")), url))
    hits, total = 0, 0.0
    for rank, url in enumerate(ranked, 1):
        if truth[url]:
            hits += 1
            total += hits / rank
    return total / hits


def test_every_readable_record_is_found(run):
    assert storage.read_manifest(run.folder("documents")).counts["num_pages"] == len(labels()) == 3426


def test_mathematics_is_ranked_first(run):
    table = storage.read_table(run.folder("scores"), ["url", "score"]).to_pylist()
    scores = {row["url"]: row["score"] for row in table}
    groups = {row["near_dup_group"] for row in labels() if row["url"] in scores and row["near_dup_group"]}
    truth: dict[str, bool] = {}
    for row in labels():
        # A copy whose twin was kept has no score of its own; what people doubted is left out.
        is_copy = row["url"] not in scores and (row["exact_dup"] or row["near_dup_group"] in groups)
        if row["confidence"] == "high" and not is_copy:
            truth.setdefault(row["url"], row["is_math"])
    assert average_precision(scores, truth) >= 0.85


def test_the_corpus_has_the_contracts_columns_and_keeps_the_budget(run):
    table = storage.read_table(run.folder("math_corpus"))
    assert {"url", "domain", "text", "language", "score", "collection_iteration", "num_tokens"} <= set(
        table.column_names
    )
    assert 0 < sum(table["num_tokens"].to_pylist()) <= 3_000_000
    assert set(table["language"].unique().to_pylist()) >= {"en", "zh"}


def test_the_summary_tells_every_stage(run):
    report = storage.read_json(run.folder("report.json"))
    assert report["documents"]["num_pages"] == 3426
    assert report["math_corpus"]["num_documents"] == storage.read_manifest(run.folder("math_corpus")).num_rows
