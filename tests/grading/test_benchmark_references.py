"""Solvers of known strength on the real benchmarks: a grader that always says yes would pass none of these."""

import os
import random
from pathlib import Path

import pytest

from dsmath_pipeline.evaluation.benchmarks.registry import BENCHMARKS, find_benchmark, load_benchmark
from dsmath_pipeline.grading.answers import extract_answer
from dsmath_pipeline.grading.equality import decide, grade
from dsmath_pipeline.grading.notation import canonical_text
from dsmath_pipeline.records import Problem

REAL_DATA = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data") / "benchmarks"
OPEN = ["gsm8k", "math", "ocw", "cmath", "gaokao_mathcloze", "mgsm_zh"]
CHOICE = ["sat", "mmlu_stem", "gaokao_mathqa"]
SOLVED = {"math": 5000, "ocw": 272}
"""Benchmarks whose reference solutions state the answer themselves, with their number of problems."""

KNOWN_EQUAL = {"math": [("math-663", "1", "100\\%", "number")]}
"""Neighbours whose references are one answer in two writings."""

pytestmark = pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no benchmarks at {REAL_DATA}")


def test_every_benchmark_that_answers_can_grade_is_covered():
    assert {*OPEN, *CHOICE} == {n for n, b in BENCHMARKS.items() if b.num_problems and not b.is_formal}


def answer_like_a_model(problem: Problem) -> str:
    if problem.language == "zh":
        return f"所以答案是 {problem.answer}。"
    return f"We find $\\boxed{{{problem.answer}}}$."


@pytest.mark.parametrize("name", OPEN + CHOICE)
def test_a_perfect_solver_gets_everything_right(name):
    wrong = [
        (p.id, p.answer)
        for p in load_benchmark(name, REAL_DATA)
        if not grade(p.answer, answer_like_a_model(p), symbolic=False).is_correct
    ]
    assert wrong == []


@pytest.mark.parametrize("name", SOLVED)
def test_reference_solutions_grade_as_correct_against_their_answers(name):
    problems = load_benchmark(name, REAL_DATA)
    wrong = [p.id for p in problems if not grade(p.answer, p.solution, symbolic=False).is_correct]
    assert len(problems) == SOLVED[name] and wrong == []


@pytest.mark.parametrize("name", OPEN + CHOICE)
def test_a_solver_that_gives_another_problem_s_answer_gets_nothing_right(name):
    problems = load_benchmark(name, REAL_DATA)
    tolerance = find_benchmark(name).relative_tolerance
    accepted = []
    for problem, other in zip(problems, problems[7:] + problems[:7], strict=True):
        found = extract_answer(answer_like_a_model(other))
        decision = decide(problem.answer, found, symbolic=False, relative_tolerance=tolerance)
        if decision.is_correct and canonical_text(problem.answer) != canonical_text(other.answer):
            accepted.append((problem.id, problem.answer, other.answer, decision.rule))
    assert accepted == KNOWN_EQUAL.get(name, [])


@pytest.mark.parametrize("name", CHOICE)
def test_a_random_letter_is_right_as_often_as_chance(name):
    problems = [p for p in load_benchmark(name, REAL_DATA) if len(p.answer) == 1]
    rng = random.Random(0)
    rounds = 4000 // len(problems) + 1
    answers = [(p.answer, rng.choice("ABCD")) for p in problems for _ in range(rounds)]
    share = sum(grade(a, f"The answer is ({g}).", symbolic=False).is_correct for a, g in answers) / len(answers)
    # Right when the letters agree: exactly that share, and near 1/4 (standard deviation 0.007 for 4,000 draws).
    assert share == sum(a == g for a, g in answers) / len(answers)
    assert abs(share - 0.25) < 0.03


@pytest.mark.slow
def test_algebra_accepts_no_other_problem_s_answer():
    problems = load_benchmark("math", REAL_DATA)
    rng = random.Random(0)
    hard = [p.answer for p in problems if "\\" in p.answer and "text" not in p.answer]
    pairs = [(a, b) for a, b in (rng.sample(hard, 2) for _ in range(150)) if canonical_text(a) != canonical_text(b)]
    accepted = [pair for pair in pairs if decide(*pair).is_correct]
    assert accepted == []
