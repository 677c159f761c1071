"""Ranking against a plain sort."""

import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmath_pipeline import storage
from dsmath_pipeline.corpus.ranking import collect, find_cut, score_to_logit
from dsmath_pipeline.recipe.schema import RankingSettings
from dsmath_pipeline.records import SCORE_SCHEMA


def write_scores(path, shards):
    """Score sidecars; a row is (id, logit, tokens)."""
    with storage.stage(path, "scores", "test", None, {"rows": repr(shards)}) as run:
        assert run.artifact
        for number, rows in enumerate(shards):
            table = pa.Table.from_pylist(
                [
                    {"id": i, "url": f"https://a.org/{i}", "domain": "a.org", "num_tokens": tokens, "logit": logit,
                     "score": 1 / (1 + math.exp(-logit))}
                    for i, logit, tokens in rows
                ],
                SCORE_SCHEMA,
            )  # fmt: skip
            run.artifact.write_table(f"part-{number}.parquet", table)
    return path


def collected_ids(path):
    return set(storage.read_table(path, ["id"])["id"].to_pylist())


def sort_and_cut(rows, budget, min_score):
    """The slow oracle: sort everything, stop before the first document that does not fit."""
    kept, tokens = set(), 0
    for ident, logit, size in sorted(rows, key=lambda row: (-row[1], row[0])):
        if logit < score_to_logit(min_score) or tokens + size > budget:
            break
        kept.add(ident)
        tokens += size
    return kept


def test_the_budget_ends_before_the_first_document_that_does_not_fit(tmp_path):
    # Sorted: a (3), b (2), c (1), d (0.5). 40 + 40 = 80 tokens fit into 100; c would make 120. d alone would fit, but
    # it ranks below c, so it is left out.
    scores = write_scores(tmp_path / "scores", [[("c", 1.0, 40), ("a", 3.0, 40)], [("d", 0.5, 10), ("b", 2.0, 40)]])
    manifest = collect(scores, tmp_path / "collected", RankingSettings(token_budget=100))
    assert collected_ids(tmp_path / "collected") == {"a", "b"}
    assert manifest.counts["num_tokens"] == 80 and manifest.counts["is_budget_reached"]


def test_equal_logits_are_taken_in_the_order_of_page_ids(tmp_path):
    scores = write_scores(tmp_path / "scores", [[("c", 1.0, 10), ("b", 1.0, 10)], [("a", 1.0, 10), ("d", 1.0, 10)]])
    collect(scores, tmp_path / "collected", RankingSettings(token_budget=20))
    assert collected_ids(tmp_path / "collected") == {"a", "b"}


def test_documents_below_the_minimum_score_are_never_collected(tmp_path):
    # score 0.5 is logit 0: a (0) is collected, b (-0.01) is not.
    scores = write_scores(tmp_path / "scores", [[("a", 0.0, 10), ("b", -0.01, 10)]])
    manifest = collect(scores, tmp_path / "collected", RankingSettings(token_budget=1000, min_score=0.5))
    assert collected_ids(tmp_path / "collected") == {"a"}
    assert not manifest.counts["is_budget_reached"]


def test_the_share_collected_before_counts_pages_and_tokens(tmp_path):
    scores = write_scores(tmp_path / "scores", [[("a", 3.0, 30), ("b", 2.0, 50), ("c", 1.0, 20)]])
    first = collect(scores, tmp_path / "first", RankingSettings(token_budget=80))  # a and b
    second = collect(scores, tmp_path / "second", RankingSettings(token_budget=100), previous=tmp_path / "first")
    assert first.counts["already_collected_pages_share"] == 0
    assert second.counts["already_collected_pages_share"] == pytest.approx(2 / 3)  # a, b of a, b, c
    assert second.counts["already_collected_tokens_share"] == pytest.approx(0.8)  # 80 of 100 tokens


def test_nothing_is_collected_when_the_best_document_exceeds_the_budget(tmp_path):
    scores = write_scores(tmp_path / "scores", [[("a", 3.0, 30), ("b", 2.0, 5)]])
    collect(scores, tmp_path / "collected", RankingSettings(token_budget=10))
    assert collected_ids(tmp_path / "collected") == set()


@pytest.mark.slow
def test_two_workers_and_a_second_run_give_the_same_rows(tmp_path, monkeypatch):
    rows = [[(f"{n:03d}{s}", math.sin(n * 7 + s), 10 + n % 5) for n in range(40)] for s in range(5)]
    scores = write_scores(tmp_path / "scores", rows)
    budget = RankingSettings(token_budget=700, min_score=0.0)
    one = collect(scores, tmp_path / "one", budget)
    monkeypatch.setattr("dsmath_pipeline.corpus.ranking.workers_worth", lambda num_rows, workers: workers)
    two = collect(scores, tmp_path / "two", budget, previous=tmp_path / "one", workers=2)
    assert collected_ids(tmp_path / "two") == collected_ids(tmp_path / "one")
    assert collected_ids(tmp_path / "one") == sort_and_cut([row for shard in rows for row in shard], 700, 0.0)
    assert two.counts["already_collected_pages_share"] == two.counts["already_collected_tokens_share"] == 1.0
    assert one.num_rows == two.num_rows == one.counts["num_pages"]


ROWS = st.lists(
    st.tuples(st.sampled_from([-2.0, 0.0, 0.5, 0.5000001, 1.0, 7.0]) | st.floats(-9, 9), st.integers(0, 40)),
    min_size=1,
    max_size=30,
)


@settings(deadline=None)
@given(rows=ROWS, budget=st.integers(1, 300), num_bins=st.integers(2, 9), min_score=st.sampled_from([0.0, 0.5, 0.9]))
def test_any_ranking_equals_a_plain_sort(tmp_path_factory, rows, budget, num_bins, min_score):
    named = [(f"{number * 7919 % 101:03d}", logit, size) for number, (logit, size) in enumerate(rows)]
    scores = write_scores(tmp_path_factory.mktemp("scores"), [named[::2], named[1::2]])
    cut = find_cut(storage.parquet_files(scores), RankingSettings(token_budget=budget, min_score=min_score), num_bins)
    kept = {i for i, logit, _ in named if logit > cut.logit or (logit == cut.logit and i <= cut.last_id)}
    assert kept == sort_and_cut(named, budget, min_score)
