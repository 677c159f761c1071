"""The benchmark of grading on a few answers: its counting, never its speed."""

import json

import pytest

from benchmarks import grading


def test_disagreements_are_counted_as_false_accepts_and_false_rejects(monkeypatch):
    items = [
        grading.Judged("1", "1", True, False), grading.Judged("1", "2", False, False),
        grading.Judged("1", "3", True, False), grading.Judged("1", "1", False, False),
    ]  # fmt: skip
    monkeypatch.setattr(grading, "CONTENDERS", {"exact text": grading.exact_text})
    measured = grading.measure(items)["exact text"]
    assert measured["agreement"] == 0.5  # the first two of four
    assert (measured["false_accepts"], measured["false_rejects"]) == (1, 1)


@pytest.mark.slow
def test_grading_writes_its_result_file(tmp_path, monkeypatch):
    monkeypatch.delenv("DSMATH_REAL_DATA", raising=False)
    grading.main(["--quick", "--out", str(tmp_path)])
    result = json.loads((tmp_path / "grading.json").read_text())
    assert set(result) == {"answer_pairs", "held_out_pairs"}
    assert set(result["answer_pairs"]["measured"]) == {"exact text", "math-verify alone", "ours"}
    assert result["answer_pairs"]["measured"]["ours"]["agreement"] == 1.0
