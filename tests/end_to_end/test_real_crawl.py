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
from dsmath_pipeline.text import text_hash

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


def ranked_labels(scores: Path, language: str = "") -> list[bool]:
    """Is it mathematics? Of the pages with sure labels, best score first; pages without a score come last."""
    found = {row["url"]: row["score"] for row in storage.read_table(scores, ["url", "score"]).to_pylist()}
    groups = {row["near_dup_group"] for row in labels() if row["url"] in found and row["near_dup_group"]}
    truth: dict[str, bool] = {}
    for row in labels():
        # A copy whose twin was kept has no score of its own; what people doubted is left out.
        is_copy = row["url"] not in found and (row["exact_dup"] or row["near_dup_group"] in groups)
        if row["confidence"] == "high" and not is_copy and language in ("", row["language"]):
            truth.setdefault(row["url"], row["is_math"])
    return [truth[url] for url in sorted(truth, key=lambda url: (-found.get(url, float("-inf")), url))]


def average_precision(ranked: list[bool]) -> float:
    """Mean over the positives of the precision at their rank."""
    hits = [rank for rank, is_math in enumerate(ranked, 1) if is_math]
    return sum(number / rank for number, rank in enumerate(hits, 1)) / len(hits)


def recall_at_precision(ranked: list[bool], precision: float) -> float:
    """The largest recall at any rank down to which at least this share is mathematics."""
    hits, best = 0, 0
    for rank, is_math in enumerate(ranked, 1):
        hits += is_math
        if hits >= precision * rank:
            best = hits
    return best / sum(ranked)


def test_every_readable_record_is_found(run):
    assert storage.read_manifest(run.folder("documents")).counts["num_pages"] == len(labels()) == 3426


def test_mathematics_is_ranked_first_and_better_than_in_the_first_iteration(run):
    first, last = (ranked_labels(run.folder(*path)) for path in (("iteration_1", "scores"), ("scores",)))
    assert average_precision(last) >= 0.95
    assert average_precision(last) > average_precision(first)
    assert recall_at_precision(last, 0.90) >= 0.90
    assert average_precision(ranked_labels(run.folder("scores"), "zh")) >= 0.85


def test_every_iteration_is_measured_on_the_same_texts_that_none_trained_on(run):
    held_out = storage.read_table(run.folder("held_out"), ["url", "text"]).to_pylist()
    urls, texts = {row["url"] for row in held_out}, {text_hash(row["text"]) for row in held_out}
    by_url = {row["url"]: row["text"] for row in storage.read_table(run.folder("unique_documents")).to_pylist()}
    sizes = set()
    for k in run.iterations:
        counts = storage.read_manifest(run.folder(f"iteration_{k}", "classifier")).counts
        sizes.add((counts["held_out"][0]["num_texts"], counts["held_out"][0]["num_math"]))
        trained = storage.read_table(run.folder(f"iteration_{k}", "seed_set"), ["url"])["url"].to_pylist()
        assert not urls & set(trained)
        assert not texts & {text_hash(by_url[url][:12_000]) for url in trained if url in by_url}
    assert len(sizes) == 1


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
