"""The same ranking cut at several budgets."""

import pytest

from dsmath_pipeline.corpus.volume import budget_name, collect_volume, volume_rows
from tests.corpus.test_ranking import collected_ids, write_scores


@pytest.mark.parametrize(
    ("tokens", "name"), [(40_000_000_000, "40B"), (1_500_000, "1500K"), (2_000_000, "2M"), (7, "7"), (1001, "1001")]
)
def test_budgets_have_readable_names(tokens, name):
    assert budget_name(tokens) == name


def test_a_larger_budget_holds_the_smaller_one_and_takes_low_scores_too(tmp_path):
    scores = write_scores(tmp_path / "scores", [[("a", 3.0, 10), ("b", -2.0, 10)], [("c", -9.0, 10), ("d", 1.0, 10)]])
    kept = []
    for budget in (10, 20, 35, 100):
        collect_volume(scores, tmp_path / str(budget), budget)
        kept.append(collected_ids(tmp_path / str(budget)))
    assert kept == [{"a"}, {"a", "d"}, {"a", "d", "b"}, {"a", "b", "c", "d"}]
    rows = volume_rows([(name, tmp_path / name) for name in ("10", "35", "100", "missing")])
    assert [(row["budget"], row["num_pages"], row["is_budget_reached"]) for row in rows] == [
        ("10", 1, True), ("35", 3, True), ("100", 4, False),
    ]  # fmt: skip
    assert rows[1]["lowest_score"] == pytest.approx(1 / (1 + 2.718281828**2), rel=1e-6)
