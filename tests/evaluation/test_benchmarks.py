import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline.evaluation.benchmarks.files import BenchmarkError
from dsmath_pipeline.evaluation.benchmarks.registry import BENCHMARKS, load_benchmark
from dsmath_pipeline.evaluation.benchmarks.sat import split_options
from dsmath_pipeline.evaluation.prompts import chat_prompt, few_shot_prompt, num_examples, statement
from dsmath_pipeline.records import PROBLEM_SCHEMA, Problem

REAL_DATA = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data") / "benchmarks"
needs_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no benchmarks at {REAL_DATA}")


@needs_data
@pytest.mark.parametrize("name", [name for name, benchmark in BENCHMARKS.items() if benchmark.num_problems])
def test_a_real_benchmark_has_its_published_number_of_whole_problems(name):
    problems = load_benchmark(name, REAL_DATA)
    assert len(problems) == BENCHMARKS[name].num_problems
    assert len({p.id for p in problems}) == len(problems)
    assert all(p.problem.strip() and p.answer.strip() and p.source == name for p in problems)
    choices = [p for p in problems if p.options]
    assert all(len(p.options) == 4 and all(p.options) and set(p.answer) <= set("ABCD") for p in choices)
    assert len(choices) == (len(problems) if name in ("sat", "mmlu_stem", "gaokao_mathqa") else 0)


@needs_data
def test_languages_and_known_answers_of_real_benchmarks():
    assert load_benchmark("gsm8k", REAL_DATA)[0].answer == "18"
    assert load_benchmark("math", REAL_DATA)[0].answer == "2"
    assert load_benchmark("sat", REAL_DATA)[8].options == ("50", "42", "39", "35")
    assert {p.language for p in load_benchmark("cmath", REAL_DATA)} == {"zh"}
    assert load_benchmark("gaokao_mathqa", REAL_DATA)[0].options[1] == "$\\{x \\mid x \\geq 1\\}$"


def test_options_are_split_at_letters_in_order_only():
    assert split_options("A) f(x) B) point A. C. no D) 4") == ("f(x)", "point A. C. no D) 4")
    assert split_options("A. $x$ B. $y$ C. $z$ D. $w$") == ("$x$", "$y$", "$z$", "$w$")


def test_a_file_of_one_s_own_is_a_benchmark(tmp_path):
    rows = [
        {"question": "1+1?", "reference": 2},
        {"id": "b", "problem": "选一个", "answer": "B", "language": "zh", "options": ["1", "2"]},
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    first, second = load_benchmark("jsonl:mine.jsonl", tmp_path)
    assert (first.id, first.problem, first.answer) == ("mine-0", "1+1?", "2")
    assert (second.id, second.language, second.options) == ("b", "zh", ("1", "2"))


def test_errors_name_file_line_and_remedy(tmp_path):
    with pytest.raises(BenchmarkError, match="unknown benchmark 'gsm9k'; choose one of gsm8k"):
        load_benchmark("gsm9k", tmp_path)
    with pytest.raises(BenchmarkError, match=r"no benchmark file .*cmath.*--data"):
        load_benchmark("cmath", tmp_path)
    (tmp_path / "mine.jsonl").write_text('{"problem": "a", "answer": 1}\n{broken\n')
    with pytest.raises(BenchmarkError, match=r"mine\.jsonl, line 2: not JSON"):
        load_benchmark("jsonl:mine.jsonl", tmp_path)
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "test.jsonl").write_text('{"question": "a"}\n')
    with pytest.raises(BenchmarkError, match="line 1: no field answer"):
        load_benchmark("gsm8k", tmp_path)


def test_word_problems_are_read_from_the_artifact_or_from_a_folder_of_benchmarks(tmp_path):
    row = dict.fromkeys(PROBLEM_SCHEMA.names, "x") | {"options": [], "solution": None}
    for place in (tmp_path / "artifact", tmp_path / "all" / "word_problems"):
        place.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([row], schema=PROBLEM_SCHEMA), place / "test.parquet")
    expected = [Problem("x", "x", "x", "", "x", "x", "x")]
    assert load_benchmark("word_problems", tmp_path / "artifact") == expected
    assert load_benchmark("word_problems", tmp_path / "all") == expected


@pytest.mark.parametrize("name", [name for name, benchmark in BENCHMARKS.items() if benchmark.prompt])
def test_few_shot_prompts_hold_the_paper_s_number_of_examples(name):
    assert num_examples(BENCHMARKS[name].prompt) == BENCHMARKS[name].num_shots


def test_prompts_show_the_options_and_end_where_the_model_goes_on():
    problem = Problem("1", "Which is prime?", "B", options=("4", "5"))
    assert statement(problem) == "Which is prime?\n(A) 4 (B) 5"
    chat = chat_prompt(problem, "cot")
    assert chat.startswith("User: Which is prime?\n(A) 4 (B) 5\n") and chat.endswith("\n\nAssistant:")
    shots = few_shot_prompt(problem, BENCHMARKS["sat"], "cot")
    assert shots.endswith("\n\nQuestion: Which is prime?\n(A) 4 (B) 5\nAnswer:") and shots.count("Question: ") == 5
    program = few_shot_prompt(problem, BENCHMARKS["gsm8k"], "pot")
    assert program.endswith("(B) 5\n```python\n") and program.count("Question: ") == 9
    chinese = few_shot_prompt(Problem("1", "几？", "1", language="zh"), BENCHMARKS["word_problems"], "cot")
    assert chinese.endswith("\n\n问题：几？\n解答：") and chinese.count("问题：") == 7
    with pytest.raises(BenchmarkError, match=r"evaluation\.prompt=chat"):
        few_shot_prompt(problem, BENCHMARKS["sat"], "tool")
