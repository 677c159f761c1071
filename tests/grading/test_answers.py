import time

import pytest

from dsmath_pipeline.grading.answers import MAX_ANSWER_CHARS, extract_answer, last_boxed
from dsmath_pipeline.grading.equality import decide
from tests.grading.solution_cases import CASES


@pytest.mark.parametrize(("kind", "solution", "answer"), CASES)
def test_the_answer_a_reader_takes_is_found(kind, solution, answer):
    found = extract_answer(solution)
    if answer and "\\pi" not in answer and "sqrt" not in answer:  # these two need algebra, see below
        assert decide(answer, found, symbolic=False).is_correct
    elif not answer:
        assert found == ""


@pytest.mark.slow
def test_the_answer_a_reader_takes_is_found_when_only_algebra_can_tell():
    for _, solution, answer in CASES:
        if "\\pi" in answer or "sqrt" in answer:
            assert decide(answer, extract_answer(solution)).is_correct


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("so it is \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
        ("first \\boxed{1}, no: \\boxed{2}", "2"),
        ("\\boxed{\\text{set } \\{1,2\\}}", "\\text{set } \\{1,2\\}"),
        ("nested \\boxed{a + \\boxed{b}}", "a + \\boxed{b}"),
        ("short \\boxed 7 form", "7"),
        ("escaped \\boxed{\\left\\{ x \\right\\}}", "\\left\\{ x \\right\\}"),
    ],
)
def test_the_last_closed_box_is_the_answer(solution, answer):
    assert extract_answer(solution) == answer


def test_a_box_that_was_cut_off_does_not_count_and_an_empty_box_is_no_answer():
    assert last_boxed("so \\boxed{\\frac{1}{2") is None
    assert last_boxed("\\boxed{3} and then \\boxed{\\frac{1") == "3"
    assert last_boxed("\\boxed{\\frac{1}{2 and then \\boxed{3}") == "3"
    assert extract_answer("so we get 5 and \\boxed{\\frac{1") == ""
    assert extract_answer("the answer is 5, \\boxed{}") == ""


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("9 + 9 = 18\n#### 18", "18"),
        ("The answer is 42. I hope it is correct.", "42"),
        ("The final answer is $\\frac{1}{2}$.", "$\\frac{1}{2}$"),
        ("The answer is:\n\\[ x = 3 \\]\nas claimed", "x = 3"),
        ("**Answer:** 12 apples", "12 apples"),
        ("He pays 5.\nA: 5", "5"),
        ("The answer is 3.5 because 7/2 = 3.5", "3.5"),
        ("一共有45+27=72棵。答案是72。", "72"),
        ("答：还剩90页。", "还剩90页"),
        ("所以周期为π。故选：B", "B"),
        ("因此选C。", "C"),
        ("The correct option is (C).", "(C)"),
        ("Both agree. The answer is (B)", "(B)"),
    ],
)
def test_marked_answers_are_found_in_english_and_chinese(solution, answer):
    assert extract_answer(solution) == answer


def test_lines_that_list_options_are_not_answers():
    # A: stands beside B: and C:, so it is an option; the answer is what the phrase names.
    assert extract_answer("A: 5\nB: 6\nC: 7\nThe answer is B") == "B"


def test_program_output_is_the_answer_only_when_nothing_follows_it():
    assert extract_answer("```python\nprint(7)\n```\n```output\n6\n7\n```") == "7"
    assert extract_answer("```output\n7\n```\nSo there are 8 left") == "8"
    assert extract_answer("```output\n2\n```\nTwo people stay.") == "2"


def test_without_a_mark_the_last_number_of_the_last_line_counts():
    assert extract_answer("3 and 4 make 7.\nSo she has 7 apples left, not 1,250 apples") == "1,250"
    assert extract_answer("Comparing them leaves only (D)") == "D"
    assert extract_answer("I do not know") == ""
    assert extract_answer("") == ""


@pytest.mark.parametrize("hostile", ["{" * 1_000_000, "\\boxed{" * 150_000, "the answer is " * 70_000, "}" * 1_000_000])
def test_a_megabyte_of_nonsense_is_read_in_linear_time(hostile):
    started = time.monotonic()
    answer = extract_answer("\\boxed{" + hostile)
    assert len(answer) <= MAX_ANSWER_CHARS
    assert time.monotonic() - started < 60  # quadratic time would be hours
