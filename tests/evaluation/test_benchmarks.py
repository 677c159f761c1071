import json
import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline.evaluation.benchmarks.files import BenchmarkError
from dsmath_pipeline.evaluation.benchmarks.registry import BENCHMARKS, find_benchmark, load_benchmark
from dsmath_pipeline.evaluation.benchmarks.row_fields import split_options, to_problem
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


@needs_data
def test_real_subjects_and_levels_add_up():
    math = load_benchmark("math", REAL_DATA)
    subjects = Counter(p.subject for p in math)
    assert len(subjects) == 7 and subjects["Algebra"] == 1187 and sum(subjects.values()) == 5000
    assert Counter(p.level for p in math)["Level 5"] == 1324 and len({p.level for p in math}) == 5
    assert len({p.subject for p in load_benchmark("mmlu_stem", REAL_DATA)}) == 18
    assert {p.level for p in load_benchmark("cmath", REAL_DATA)} == {f"grade {n}" for n in range(1, 7)}


REAL_FILES = {  # rows of each file, and how many have options
    "extra_math_eval/amc23": (40, 0), "extra_math_eval/aime24": (30, 0), "extra_math_eval/college_math": (2818, 0),
    "extra_math_eval/mawps": (2065, 0), "extra_math_eval/gsm-hard": (1319, 0), "extra_math_eval/aqua": (254, 254),
    "extra_math_eval/mathqa_megamath_decont": (1000, 1000), "gaokao/gaokao2023en": (385, 0),
    "ocw/minerva_math_qwen": (272, 0), "cmath/qwen_test": (600, 0),
}  # fmt: skip


@needs_data
@pytest.mark.parametrize("name", REAL_FILES)
def test_real_files_of_other_making_are_read_by_the_names_of_their_columns(name):
    problems = load_benchmark(f"jsonl:{name}.jsonl", REAL_DATA)
    choices = [p for p in problems if p.options]
    assert (len(problems), len(choices)) == REAL_FILES[name]
    blank = 2 if name == "gaokao/gaokao2023en" else 0  # rows without an answer: nobody solves them
    assert all(p.problem.strip() for p in problems) and sum(not p.answer.strip() for p in problems) == blank
    assert all(len(p.options) == 5 and all(p.options) and p.answer in set("ABCDE") for p in choices)


def test_rows_of_every_making_become_problems():
    def row(**columns):
        return to_problem(columns, 3, "set", "here")

    gsm8k = row(question="2+2?", answer="2+2 = 4\n#### 4")
    assert (gsm8k.id, gsm8k.answer, gsm8k.solution) == ("set-3", "4", "2+2 = 4")
    boxed = row(problem="x", solution="so \\boxed{\\frac{1}{2}}", type="Algebra", level="Level 3")
    assert (boxed.answer, boxed.subject, boxed.level) == ("\\frac{1}{2}", "Algebra", "Level 3")
    mmlu = row(question="q", choices=["a", "b", "c", "d"], answer=2, subject="physics")
    assert (mmlu.answer, mmlu.options, mmlu.subject) == ("C", ("a", "b", "c", "d"), "physics")
    assert row(query="q", choices=["(A)1", "(B)2"], gold=[0, 1]) == row(
        question="q", options={"text": ["1", "2"], "label": ["A", "B"]}, answer="AB"
    )
    assert row(question="q", options="a ) 1 , b ) 2", correct="b").options == ("1", "2")
    with pytest.raises(BenchmarkError, match="here: answer 4 is none of the 2 options"):
        row(question="q", options=["1", "2"], answer=4)
    with pytest.raises(BenchmarkError, match="here: needs `problem`"):
        row(problem="q")


def write_hub_folder(folder, readme=""):
    """The usual layout of a dataset: a folder for each configuration, Parquet files named by split."""
    for config, answers in (("main", [1, 2]), ("other", [3])):
        (folder / config).mkdir(parents=True)
        rows = [{"question": f"{config} {n}?", "answer": f"so #### {n}"} for n in answers]
        pq.write_table(pa.Table.from_pylist(rows), folder / config / "test-00000-of-00001.parquet")
        pq.write_table(pa.Table.from_pylist(rows * 2), folder / config / "train-00000-of-00001.parquet")
    if readme:
        (folder / "README.md").write_text(f"---\n{readme}\n---\n# Data")


def answers(name, data):
    return [p.answer for p in load_benchmark(name, data)]


@pytest.mark.parametrize("place", ["openai/gsm8k", "openai--gsm8k", "datasets--openai--gsm8k/snapshots/abc"])
def test_a_dataset_folder_of_the_hub_is_read_by_configuration_and_split(tmp_path, place):
    write_hub_folder(tmp_path / place)
    assert answers("hf:openai/gsm8k", tmp_path) == ["1", "2"]
    assert answers("hf:openai/gsm8k@other:train", tmp_path) == ["3", "3"]
    assert answers("hf:openai/gsm8k@*", tmp_path) == ["1", "2", "3"]
    ids = [p.id for p in load_benchmark("hf:openai/gsm8k@*", tmp_path)]
    assert ids == ["gsm8k-0", "gsm8k-1", "gsm8k-2"]
    with pytest.raises(BenchmarkError, match="no configuration 'third'; there are main, other"):
        load_benchmark("hf:openai/gsm8k@third", tmp_path)
    with pytest.raises(BenchmarkError, match="no Parquet or JSON-lines file of the split 'dev'"):
        load_benchmark("hf:openai/gsm8k:dev", tmp_path)


def test_the_head_of_the_readme_says_which_files_belong_to_a_configuration(tmp_path):
    head = (
        "configs:\n- config_name: whole\n  data_files:\n  - split: test\n    path: [main/test-*, other/test-*]\n"
        "- config_name: small\n  data_files:\n  - split: test\n    path: other/test-*"
    )
    write_hub_folder(tmp_path / "me" / "sums", head)
    assert answers("hf:me/sums@whole", tmp_path) == ["1", "2", "3"]
    assert answers("hf:me/sums@small", tmp_path) == ["3"]
    with pytest.raises(
        BenchmarkError, match=r"choose a configuration with @NAME, or all of them with @\*: whole, small"
    ):
        load_benchmark("hf:me/sums", tmp_path)


def test_a_known_dataset_is_prompted_and_graded_like_its_benchmark():
    assert find_benchmark("hf:math-ai/minervamath").relative_tolerance == BENCHMARKS["ocw"].relative_tolerance == 0.01
    assert find_benchmark("hf:EleutherAI/hendrycks_math@*").prompt == "math"


@pytest.mark.parametrize("problem", [OSError("no route to host"), RuntimeError("client closed")])
def test_a_hub_out_of_reach_says_how_to_bring_the_files_along(tmp_path, monkeypatch, problem):
    import huggingface_hub

    def unreachable(*arguments, **options):
        raise problem

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(BenchmarkError, match=r"hf download --repo-type dataset me/far --local-dir .*me/far"):
        load_benchmark("hf:me/far", tmp_path)


def test_a_dataset_that_only_the_hub_has_is_fetched(tmp_path, monkeypatch):
    import huggingface_hub

    write_hub_folder(tmp_path / "fetched")
    asked = []

    def download(name, *, repo_type, allow_patterns):
        asked.append((name, repo_type))
        return str(tmp_path / "fetched")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert answers("hf:me/far", tmp_path) == ["1", "2"] and asked == [("me/far", "dataset")]
