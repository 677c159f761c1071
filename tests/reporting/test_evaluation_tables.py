import json
import re

import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.evaluation.harness import RESULT_SCHEMA
from dsmath_pipeline.evaluation.summary import counts_of
from dsmath_pipeline.reporting.evaluation_tables import breakdown, breakdowns, curves, paper_table, read_evaluations
from dsmath_pipeline.reporting.paper_results import published
from dsmath_pipeline.reporting.problems_page import as_script_data, pieces, problems_of, write_problems_page

HOSTILE = "</script><script>alert('x')</script><!-- & \u2028 \ud800"


def result(problem_id, grade, decoding="greedy", sample=0, completion="so 2", **columns):
    known = {"benchmark": "math", "language": "en", "subject": "Algebra", "level": "Level 1", "problem": "1+1?",
             "reference": "2", "method": "tool", "answer": "2" if grade else "3", "rule": "number", "finish": "stop",
             "verdict": "correct" if grade else "wrong", "num_tokens": 3, "num_programs": 0, "program_status": "",
             "chance": 0.0}  # fmt: skip
    return known | {"problem_id": problem_id, "grade": grade, "decoding": decoding, "sample": sample,
                    "completion": completion} | columns  # fmt: skip


def write_evaluation(folder, rows, k=4):
    import pyarrow as pa

    with storage.stage(folder, "evaluation", "1", {}, {"made": str(folder)}) as run:
        assert run.artifact
        run.artifact.write_table("results.parquet", pa.Table.from_pylist(rows, schema=RESULT_SCHEMA))
        run.artifact.counts |= {**counts_of(rows, k), "method": "tool"}
    return folder


@pytest.fixture
def folders(tmp_path):
    def rows(right):
        found = [result(f"p{n}", n < right, subject="Algebra" if n % 2 else "Geometry") for n in range(4)]
        found += [result("p0", n < right, "sampled", n) for n in range(4)]
        return [*found, result("g0", True, benchmark="gsm8k", subject="", level="")]

    return [write_evaluation(tmp_path / name, rows(right)) for name, right in (("sft", 1), ("rl", 3))]


def test_the_paper_s_figures_stand_beside_the_same_benchmark_and_method():
    assert published("math", "cot") == {"base": 36.2, "sft": 46.8, "rl": 51.7}
    assert published("math", "tool") == {"sft": 57.4, "rl": 58.8}
    assert published("gsm8k", "pot") == {"base": 66.9}
    assert published("ocw", "cot") == {"base": 15.4}
    assert published("mgsm_zh", "cot") == {"sft": 73.2, "rl": 79.6}
    assert published("minif2f_test", "proof") == {"base": 24.6}
    assert published("bbh", "general") == {"base": 59.5} and published("mbpp", "general") == {"base": 52.6}
    assert published("word_problems", "cot") == {} == published("ocw", "tool") == published("mmlu", "cot")


def test_one_row_for_every_model_and_benchmark(folders):
    rows = paper_table(read_evaluations(folders))
    assert [(r["model"], r["benchmark"], r["greedy"]) for r in rows] == [
        ("SFT", "GSM8K", 1.0), ("SFT", "MATH", 0.25), ("RL", "GSM8K", 1.0), ("RL", "MATH", 0.75),
    ]  # fmt: skip
    math = rows[1]
    assert (math["paper: Base, %"], math["paper: Instruct, %"], math["paper: RL, %"]) == (None, 57.4, 58.8)
    # One of four samples is right, and it came first: a tie of ... three wrong answers outvote it.
    assert (math["maj_at_k"], math["pass_at_k"], math["k"]) == (0.0, 1.0, 4)
    assert rows[0]["k"] is None  # nothing was sampled


def test_breakdowns_have_a_column_for_every_model(folders):
    evaluations = read_evaluations(folders)
    assert breakdown(evaluations, "by_subject", "math") == [
        {"subject": "Algebra", "num_problems": 2, "SFT_share": 0.0, "RL_share": 0.5},
        {"subject": "Geometry", "num_problems": 2, "SFT_share": 0.5, "RL_share": 1.0},
    ]
    page = breakdowns(evaluations)
    assert "MATH by subject" in page and "MATH by level" in page and "GSM8K" not in page
    assert "SFT, Maj@K" in curves(evaluations) and curves([]) == ""


def test_folders_of_one_name_are_told_apart_and_others_refused(tmp_path):
    found = [write_evaluation(tmp_path / run / "out", [result("p", True)]) for run in ("first", "second")]
    assert [e.name for e in read_evaluations(found)] == ["first/out", "second/out"]
    with storage.stage(tmp_path / "corpus", "corpus", "1", {}, {}):
        pass
    with pytest.raises(storage.ArtifactError, match="holds corpus, no evaluation"):
        read_evaluations([tmp_path / "corpus"])


def test_a_completion_is_shown_as_text_programs_and_outputs():
    text = "First.\n```python\nprint(2)\n```\n```output\n2\n```\nSo 2.\n```python\nx = 1"
    assert pieces(text) == [
        ["text", "First."], ["program", "print(2)"], ["output", "2"], ["text", "So 2."], ["program", "x = 1"],
    ]  # fmt: skip
    (long,) = pieces("a" * 5000 + "b" * 5000)
    assert len(long[1]) < 4100 and "... 6,000 ..." in long[1] and long[1].startswith("aa") and long[1].endswith("bb")


def test_problems_gather_what_every_model_wrote_and_sampled(folders):
    problems = {p["id"]: p for p in problems_of(read_evaluations(folders))}
    assert set(problems) == {"p0", "p1", "p2", "p3", "g0"} and problems["p0"]["subject"] == "Geometry"
    attempts = problems["p1"]["attempts"]
    assert (attempts["SFT"]["grade"], attempts["RL"]["grade"]) == (False, True)
    assert attempts["SFT"]["verdict"] == "wrong" and attempts["SFT"]["samples"] == []
    assert problems["p0"]["attempts"]["SFT"]["samples"] == [["2", True]] + [["3", False]] * 3


def test_no_text_of_a_model_can_leave_the_data_of_the_page(tmp_path):
    hostile = HOSTILE.replace("\ud800", "")
    rows = [result("p<b>", True, completion=hostile, problem=hostile, subject=hostile, answer=hostile)]
    evaluations = read_evaluations([write_evaluation(tmp_path / "<i>x", rows)])
    assert write_problems_page(evaluations, tmp_path / "page.html") == 1
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<script") == 2 and page.count("</script>") == 2 and "<!--" not in page and "<i>x" not in page
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert data and json.loads(data.group(1))[0]["problem"] == hostile
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "").replace(
        "http://www.w3.org", ""
    )


def test_data_survives_signs_that_scripts_and_files_cannot_hold():
    assert as_script_data([HOSTILE]).isascii() is False or "\\u003c" in as_script_data([HOSTILE])
    assert json.loads(as_script_data(["<&>\u2028x"])) == ["<&>\u2028x"]
    assert "\u2028" not in as_script_data([HOSTILE]) and "<" not in as_script_data([HOSTILE])
