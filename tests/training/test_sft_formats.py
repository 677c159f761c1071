"""Published forms of fine-tuning data; the rows are hand-made in the published files' fields."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsmath_pipeline.storage import ArtifactError
from dsmath_pipeline.training.sft_formats import FormatError, format_of, read_problem
from dsmath_pipeline.training.sft_rows import data_files, read_rows


def test_gsm8k_loses_its_calculator_marks_and_gets_a_box():
    row = {
        "question": "How many?",
        "answer": "She has 48/2 = <<48/2=24>>24 clips.\nSo 48+24 = <<48+24=72>>72.\n#### 72",
    }
    problem = read_problem(row)
    assert problem.solution == "She has 48/2 = 24 clips.\nSo 48+24 = 72.\nThe answer is \\boxed{72}."
    assert (problem.problem, problem.answer, problem.method) == ("How many?", "72", "cot")


def test_math_takes_the_last_box_as_the_answer():
    row = {
        "problem": "Find $x$.", "solution": "First \\boxed{1}, so $x=\\boxed{\\frac{1}{2}}$.", "level": "Level 3",
        "type": "Algebra",
    }  # fmt: skip
    problem = read_problem(row)
    assert (problem.answer, problem.source, problem.solution) == ("\\frac{1}{2}", "Algebra", row["solution"])


def test_mathinstruct_is_text_or_program_by_its_source():
    text = {"source": "data/CoT/aqua_rat.json", "instruction": "2+2?", "output": "2+2 is 4.\nThe answer is 4"}
    program = {
        "source": "data/PoT/gsm_gpt4.json", "instruction": "What is 2+2? Let's write a Python program.",
        "output": "print(2+2)",
    }  # fmt: skip
    a, b = read_problem(text), read_problem(program)
    assert (a.method, a.answer, a.solution) == ("cot", "4", "2+2 is 4.\nThe answer is 4\nThe answer is \\boxed{4}.")
    assert (b.method, b.answer, b.solution) == ("pot", "", "```python\nprint(2+2)\n```")
    assert b.problem == "What is 2+2?" and b.source == "data/PoT/gsm_gpt4.json"


def test_lila_takes_the_first_program_and_answer_under_either_spelling():
    one = {"Input": "2+2?", "Output Program": ["print(2+2)", "print(4)"], "Output Answer": ["4"], "Dataset": "add"}
    two = {"input": "2+2?", "output_program": "print(2+2)", "output_answer": "4", "dataset": "add"}
    for row in (one, two):
        problem = read_problem(row)
        assert (problem.method, problem.answer, problem.source) == ("pot", "4", "add")
        assert problem.solution == "```python\nprint(2+2)\n```"


def test_tora_in_both_its_forms():
    solution = "```python\nprint(4)\n```\n```output\n4\n```\nIt is $\\boxed{4}$."
    chat = {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": solution}], "gt": "4"}
    output = {"idx": 0, "question": "2+2?", "gt": "4", "code": [solution], "pred": ["4"]}
    for row in (chat, output):
        problem = read_problem(row)
        assert (problem.problem, problem.answer, problem.method, problem.solution) == ("2+2?", "4", "tool", solution)


def test_plain_rows_say_what_they_are_or_it_is_seen():
    program = "```python\nprint(4)\n```"
    assert read_problem({"problem": "p", "solution": program, "answer": 4}).method == "pot"
    assert read_problem({"problem": "p", "solution": program, "answer": 4}).answer == "4"
    assert read_problem({"problem": "p", "solution": f"{program}\nso \\boxed{{4}}"}).method == "tool"
    chinese = read_problem({"problem": "二加二?", "solution": "得四,即4。", "answer": "4"})
    assert (chinese.language, chinese.solution) == ("zh", "得四,即4。\n答案是\\boxed{4}。")
    problem = read_problem({"problem": "p", "solution": "B", "answer": "B", "options": ["1", "2"], "source": "x"})
    assert (problem.options, problem.source) == (("1", "2"), "x")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"question": "q", "answer": "#### 5"}, "not a solution"),
        ({"problem": "p", "solution": "no box", "level": "1", "type": "Algebra"}, "no \\\\boxed"),
        ({"Input": "q", "Output Program": [], "Output Answer": ["1"]}, "no program"),
        ({"problem": "p"}, "no text in solution; the row has problem"),
        ({"problem": "p", "solution": "s", "method": "magic"}, "unknown method 'magic'"),
        ({"problem": " ", "solution": "s"}, "problem is empty"),
        ({"messages": [{"role": r, "content": "x"} for r in ("user", "assistant", "user")]}, "several turns"),
    ],
)
def test_a_row_that_lacks_something_says_what(row, reason):
    with pytest.raises(FormatError, match=reason):
        read_problem(row)


def test_the_form_is_seen_from_the_fields():
    assert format_of({"problem": "p", "solution": "s", "answer": "a"}) == "plain"
    assert format_of({"question": "q", "answer": "5"}) == "plain"
    # a row of our own schema that came from MATH is no MATH row any more
    assert format_of({"problem": "p", "solution": "s", "level": "1", "type": "x", "method": "cot"}) == "plain"


def test_rows_of_every_kind_of_file_with_their_places(tmp_path):
    rows = [{"problem": "a"}, {"problem": "b"}]
    lines = json.dumps(rows[0]) + "\n\nno json\n[1]\n" + json.dumps(rows[1]) + "\n"
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "c.json").write_text(json.dumps(rows))
    (tmp_path / "d.json").write_text(json.dumps({"Instances": rows}))
    (tmp_path / "e.json").write_text(json.dumps(rows[0]))
    (tmp_path / "f.json").write_text("{")
    pq.write_table(pa.table({"problem": ["a", "b"]}), tmp_path / "g.parquet")
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("x")
    found = {file.name: [(r.line, r.value, r.error[:8]) for r in read_rows(file)] for file in data_files(tmp_path)}
    both = [(1, rows[0], ""), (2, rows[1], "")]
    jsonl = [(1, rows[0], ""), (3, {}, "not JSON"), (4, {}, "not an o"), (5, rows[1], "")]
    assert found == {
        "a.jsonl": jsonl, "b.jsonl.gz": jsonl, "c.json": both, "d.json": both, "e.json": both[:1],
        "f.json": [(1, {}, "not JSON")], "g.parquet": both,
    }  # fmt: skip


def test_a_file_that_is_cut_off_gives_the_rows_before(tmp_path):
    data = gzip.compress(b"".join(b'{"problem": "%d"}\n' % (i * 7919 % 100003) for i in range(20_000)))
    (tmp_path / "a.jsonl.gz").write_bytes(data[: len(data) // 2])
    *rows, last = read_rows(tmp_path / "a.jsonl.gz")
    assert len(rows) > 1000 and rows[-1].value["problem"] == str((len(rows) - 1) * 7919 % 100003)
    assert "damaged" in last.error and last.line == len(rows) + 1


def test_a_folder_without_data_is_a_clear_error(tmp_path):
    with pytest.raises(ArtifactError, match="no data in"):
        data_files(tmp_path)
