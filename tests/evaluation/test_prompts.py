import re

import pytest

from dsmath_pipeline.evaluation.benchmarks.files import BenchmarkError
from dsmath_pipeline.evaluation.benchmarks.registry import BENCHMARKS, find_benchmark
from dsmath_pipeline.evaluation.prompts import (
    chat_prompt,
    few_shot_prompt,
    num_examples,
    read_examples,
    statement,
    stop_texts,
)
from dsmath_pipeline.grading.answers import extract_answer
from dsmath_pipeline.grading.equality import is_equal
from dsmath_pipeline.records import Problem

NAMES = sorted({benchmark.prompt for benchmark in BENCHMARKS.values() if benchmark.prompt})
CHOICE = Problem("1", "Which is prime?", "B", options=("4", "5"))


@pytest.mark.parametrize("method", ["", "_pot", "_tool"])
@pytest.mark.parametrize("name", [name for name, benchmark in BENCHMARKS.items() if benchmark.prompt])
def test_few_shot_prompts_hold_the_paper_s_number_of_examples(name, method):
    assert num_examples(BENCHMARKS[name].prompt + method) == BENCHMARKS[name].num_shots


def blocks(name):
    return read_examples(name).split("\n\n")


@pytest.mark.parametrize("name", NAMES)
def test_programs_of_the_examples_print_what_the_examples_say(name, jail):
    """Run in the sandbox: what a prompt teaches must work there."""
    programs = [re.findall(r"```python\n(.*?)```", block, re.DOTALL)[0] for block in blocks(f"{name}_tool")]
    shown = [re.findall(r"```output\n(.*?)\n```", block, re.DOTALL)[0] for block in blocks(f"{name}_tool")]
    results = jail.run(programs)
    assert [r.status for r in results] == ["ok"] * len(programs)
    assert [r.stdout.strip() for r in results] == shown
    pot = [re.findall(r"```python\n(.*?)```", block, re.DOTALL)[0] for block in blocks(f"{name}_pot")]
    assert all(r.status == "ok" and r.stdout.strip() for r in jail.run(pot))


@pytest.mark.parametrize("name", NAMES)
def test_examples_by_tool_come_to_the_answer_of_the_examples_in_words(name):
    for words, tool in zip(blocks(name), blocks(f"{name}_tool"), strict=True):
        assert words.splitlines()[0] == tool.splitlines()[0]
        answers = extract_answer(words), extract_answer(tool)
        assert all(answers) and is_equal(*answers), answers


def test_prompts_show_the_options_and_end_where_the_model_goes_on():
    assert statement(CHOICE) == "Which is prime?\n(A) 4 (B) 5"
    chat = chat_prompt(CHOICE, "cot")
    assert chat.startswith("User: Which is prime?\n(A) 4 (B) 5\n") and chat.endswith("\n\nAssistant:")
    shots = few_shot_prompt(CHOICE, BENCHMARKS["sat"], "cot")
    assert shots.endswith("\n\nQuestion: Which is prime?\n(A) 4 (B) 5\nAnswer:") and shots.count("Question: ") == 5
    program = few_shot_prompt(Problem("1", "1+1?", "2"), BENCHMARKS["gsm8k"], "pot")
    assert program.endswith("Question: 1+1?\n```python\n") and program.count("Question: ") == 9
    tool = few_shot_prompt(Problem("1", "几？", "1", language="zh"), BENCHMARKS["cmath"], "tool")
    assert tool.endswith("\n\n问题：几？\n解答：") and tool.count("```output") == 6


@pytest.mark.parametrize(
    ("language", "options", "expected"),
    [("en", (), "gsm8k"), ("zh", (), "cmath"), ("en", ("4", "5"), "choice_en"), ("zh", ("4", "5"), "choice_zh")],
)
@pytest.mark.parametrize("method", ["cot", "pot", "tool"])
def test_files_of_any_making_get_examples_of_their_language_and_kind(language, options, expected, method):
    problem = Problem("1", "几? How many?", "1", language=language, options=options)
    prompt = few_shot_prompt(problem, find_benchmark("jsonl:mine.jsonl"), method)
    assert prompt.startswith(read_examples(expected if method == "cot" else f"{expected}_{method}"))


def test_proofs_have_no_worked_examples_here():
    with pytest.raises(BenchmarkError, match=r"evaluation\.prompt=chat"):
        few_shot_prompt(CHOICE, BENCHMARKS["minif2f_test"], "cot")


def test_completions_end_at_the_next_question_a_program_s_end_or_a_tool_call():
    assert stop_texts("chat", "cot") == () and stop_texts("chat", "pot") == ()
    assert stop_texts("chat", "tool") == ("```output",)
    assert set(stop_texts("few_shot", "tool")) == {"```output", "\nQuestion:", "\n问题"}
    assert "```" in stop_texts("few_shot", "pot")
