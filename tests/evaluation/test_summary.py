import pytest

from dsmath_pipeline.evaluation.summary import counts_of, k_curve


def row(problem, grade, decoding="greedy", answer="1", **columns):
    known = {"benchmark": "math", "language": "en", "subject": "Algebra", "level": "Level 1", "verdict": "correct",
             "finish": "stop", "program_status": "", "chance": 0.0}  # fmt: skip
    return known | {"problem_id": problem, "grade": grade, "decoding": decoding, "answer": answer} | columns


ROWS = [
    row("a", True),
    row("b", False, verdict="no_answer", finish="length"),
    row("c", True, subject="Geometry", level="Level 5"),
    row("d", False, benchmark="gsm8k", subject="", level="", chance=0.25, program_status="infra"),
]


def test_figures_by_subject_and_level_stay_within_their_benchmark():
    counts = counts_of(ROWS, 1)
    assert (counts["greedy"], counts["num_problems"], counts["chance"]) == (0.5, 4, 0.0625)
    assert (counts["no_answer_share"], counts["truncated_share"], counts["num_sandbox_failures"]) == (0.25, 0.25, 1)
    assert {name: f["greedy"] for name, f in counts["by_benchmark"].items()} == {"gsm8k": 0.0, "math": 2 / 3}
    assert {name: f["greedy"] for name, f in counts["by_subject"]["math"].items()} == {"Algebra": 0.5, "Geometry": 1.0}
    assert {name: f["num_problems"] for name, f in counts["by_level"]["math"].items()} == {"Level 1": 2, "Level 5": 1}
    assert set(counts["by_subject"]) == {"math"}  # gsm8k has none
    assert counts["by_k"] == {} and counts["maj_at_k"] is None


def test_the_curve_has_powers_of_two_and_the_last_k():
    # One problem, samples right wrong right wrong right wrong; pass@k by hand: 1 - C(3, k) / C(6, k).
    samples = [row("a", n % 2 == 0, "sampled", answer=str(n % 2)) for n in range(6)]
    curve = k_curve([*ROWS, *samples])
    assert [point["k"] for point in curve] == [1, 2, 4, 6]
    assert [point["pass_at_k"] for point in curve] == pytest.approx([1 / 2, 1 - 3 / 15, 1.0, 1.0])
    # Majority of one: 3 of 6. Of two: a tie, the first wins, which is right. Of four and six: the same.
    assert [point["maj_at_k"] for point in curve] == [0.5, 1.0, 1.0, 1.0]
