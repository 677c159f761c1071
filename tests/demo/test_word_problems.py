import itertools
import random
import re

import pyarrow.parquet as pq
import pytest

from dsmath_pipeline.demo import word_problem_texts
from dsmath_pipeline.demo.word_problems import (
    Equation,
    generate_problems,
    tell_story,
    worked_example,
    write_problems,
    write_solution,
)
from dsmath_pipeline.recipe.schema import MiniWebSettings
from dsmath_pipeline.records import PROBLEM_SCHEMA
from tests.plain_text import ngrams, words

SUM = re.compile(r"(\d+)([-+*/])(\d+)=(\d+)")


def stories(num):
    rng = random.Random(5)
    return [tell_story(rng, language, "problem") for language in ("en", "zh") * (num // 2)]


def test_every_step_follows_from_the_one_before_and_stays_a_small_whole_number():
    for story in stories(2000):
        assert 1 <= len(story.equations) <= 4
        for step in story.equations:
            # integer arithmetic redone here; a fraction would make left != result * right
            expected = {
                "+": step.left + step.right,
                "-": step.left - step.right,
                "*": step.left * step.right,
                "/": step.left // step.right,
            }[step.operator]
            assert step.result == expected and 1 <= step.result <= 60
            assert step.operator != "/" or step.left == step.result * step.right
        for before, after in itertools.pairwise(story.equations):
            assert after.left == before.result


def test_the_story_names_every_number_the_first_equation_and_the_later_operands_need():
    for story in stories(500):
        told = [int(n) for n in re.findall(r"\d+", story.text)]
        first, *rest = story.equations
        assert told == [first.left, first.right, *(step.right for step in rest)]


def test_all_operations_all_lengths_and_both_languages_occur():
    problems = generate_problems(600, seed=1, split="train")
    sums = [SUM.findall(p.solution) for p in problems if p.method == "cot"]
    assert {len(s) for s in sums} == {1, 2, 3, 4}
    assert {operator for s in sums for _, operator, _, _ in s} == set("+-*/")
    assert {p.language for p in problems} == {"en", "zh"}
    assert {p.method for p in problems} == {"cot", "pot", "tool"}


def test_a_program_prints_the_stated_answer(capsys):
    for problem in generate_problems(200, seed=2, split="train"):
        if problem.method == "cot":
            continue
        program = re.search(r"```python\n(.*?)```", problem.solution, re.S)
        assert program is not None
        exec(program.group(1), {})
        assert capsys.readouterr().out == problem.answer + "\n"
        if problem.method == "tool":
            assert f"```output\n{problem.answer}\n```" in problem.solution
            assert problem.solution.rstrip(".。").endswith(f"\\boxed{{{problem.answer}}}")


def test_a_chain_of_thought_ends_with_the_result_of_its_last_equation_in_a_box():
    for problem in generate_problems(300, seed=3, split="test"):
        *_, last = SUM.findall(problem.solution)
        assert last[3] == problem.answer and f"\\boxed{{{problem.answer}}}" in problem.solution


def test_train_and_test_never_share_a_text_even_across_seeds():
    train = {p.problem for seed in range(3) for p in generate_problems(1000, seed, "train")}
    test = {p.problem for seed in range(3) for p in generate_problems(500, seed, "test")}
    assert not train & test


def test_the_same_seed_gives_the_same_problems_and_another_seed_others():
    assert generate_problems(20, 7, "test") == generate_problems(20, 7, "test")
    assert generate_problems(20, 7, "test") != generate_problems(20, 8, "test")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_ten_words_of_a_problem_are_free_of_names_and_things(language):
    # every pair of neighbouring sentences with the person and the thing replaced by a mark and numbers by "7"
    words_of = word_problem_texts.wording(language, "problem")
    marks = {"n": " | ", "m": " | ", "t": " | ", "c": "个" if language == "zh" else "", "a": 7, "b": 7}
    shapes = {kind: [shape.format(**marks) for shape in found] for kind, found in words_of.shapes.items()}
    steps = [shape for kind in ("add", "take", "times", "share") for shape in shapes[kind]]
    glue = " " if language == "en" else ""
    firsts, seconds = shapes["start"] + shapes["start_times"] + steps, steps + shapes["question"]
    for first, second in itertools.product(firsts, seconds):
        runs = [len(words(run)) for run in (first + glue + second).split("|")]
        assert max(runs) < 10, first + second


@pytest.mark.parametrize("language", ["en", "zh"])
def test_web_and_problems_have_no_name_and_no_thing_in_common(language):
    web, problem = (word_problem_texts.wording(language, place) for place in ("web", "problem"))
    assert not set(web.names) & set(problem.names) and not set(web.things) & set(problem.things)


def test_no_web_paragraph_shares_a_ten_gram_with_a_test_problem():
    rng = random.Random(11)
    held_out = {g for p in generate_problems(500, 0, "test") for g in ngrams(words(p.problem), 10)}
    for language in ("en", "zh") * 1000:
        assert not held_out.intersection(ngrams(words(worked_example(rng, language)), 10))


def test_every_sum_in_a_web_paragraph_is_right_and_none_is_boxed():
    rng = random.Random(12)
    for language in ("en", "zh") * 500:
        paragraph = worked_example(rng, language)
        sums = SUM.findall(paragraph)
        assert sums and "boxed" not in paragraph and "User:" not in paragraph
        for left, operator, right, result in sums:
            assert (
                int(left)
                == {
                    "+": int(result) - int(right),
                    "-": int(result) + int(right),
                    "*": int(result) // int(right),
                    "/": int(result) * int(right),
                }[operator]
            )


def test_other_languages_are_refused_by_name():
    with pytest.raises(ValueError, match="'fr'"):
        worked_example(random.Random(0), "fr")


def test_the_artifact_holds_both_splits_in_the_problem_schema(tmp_path):
    settings = MiniWebSettings(num_train_problems=40, num_test_problems=10)
    manifest = write_problems(tmp_path / "problems", settings, seed=0)
    train = pq.read_table(tmp_path / "problems" / "train.parquet")
    assert train.schema.equals(PROBLEM_SCHEMA) and train.num_rows == 40
    assert manifest.num_rows == 50 and manifest.counts["test"]["cot"] == 10


def test_a_program_uses_whole_number_division():
    story = stories(2)[0]
    divided = type(story)(("s",), "q", (Equation(12, "/", 3, 4), Equation(4, "+", 2, 6)), "en")
    assert write_solution(divided, "pot") == "```python\nn = 12 // 3\nn = n + 2\nprint(n)\n```"
