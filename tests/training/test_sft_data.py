import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.cli import main
from dsmath_pipeline.grading.sandbox import Limits, Sandbox, SandboxUnavailable
from dsmath_pipeline.records import Problem
from dsmath_pipeline.storage import ArtifactError, read_table
from dsmath_pipeline.tokens.inputs import training_problems
from dsmath_pipeline.training import sft_data
from dsmath_pipeline.training.sft_data import write_sft_data
from dsmath_pipeline.training.sft_verify import same_output, verify

REAL = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data")
LIMITS = Limits(cpu_seconds=5, wall_seconds=60.0)
TOOL = (
    "Two tries.\n```python\nx = 20\nprint(y)\n```\n```output\nNameError: name 'y' is not defined\n```\n"
    "Again.\n```python\nprint(x + 1.0)\n```\n```output\n21.0\n```\nThe answer is \\boxed{21}."
)


@pytest.fixture(scope="module")
def sandbox():
    try:
        with Sandbox(1, LIMITS) as opened:
            yield opened
    except SandboxUnavailable as error:
        pytest.skip(str(error))


def outcome(sandbox, solution, method, answer="21"):
    (checked,) = verify([Problem("1", "p", answer, solution, method)], sandbox, LIMITS)
    return checked


def test_a_chain_of_thought_must_state_the_reference():
    right, wrong, silent, without = verify(
        [
            Problem("", "p", "1/2", "so \\boxed{0.5}"),
            Problem("", "p", "3", "so \\boxed{4}"),
            Problem("", "p", "3", "I do not know."),
            Problem("", "p", "", "so \\boxed{7}"),
        ],
        None,
    )
    assert (right.reason, wrong.reason, silent.reason) == ("", "wrong_answer", "no_answer")
    assert wrong.detail == "4 instead of 3"
    assert (without.reason, without.problem.answer) == ("", "7")


def test_a_program_needs_a_sandbox():
    with pytest.raises(ValueError, match="sandbox"):
        verify([Problem("", "p", "3", "```python\nprint(3)\n```", "pot")], None)


@pytest.mark.parametrize(
    ("program", "reason", "detail"),
    [
        ("print('x')\nprint(20+1)", "", ""),
        ("print(20)", "wrong_answer", "20 instead of 21"),
        ("x = 21", "no_output", ""),
        ("print(21 / 0)", "program_error", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_program_must_print_the_reference(sandbox, program, reason, detail):
    checked = outcome(sandbox, f"```python\n{program}\n```", "pot")
    assert (checked.reason, checked.detail) == (reason, detail)


def test_a_program_without_a_reference_brings_the_answer(sandbox):
    assert outcome(sandbox, "```python\nprint(6*7)\n```", "pot", "").problem.answer == "42"
    assert outcome(sandbox, "print(6*7)", "pot").reason == "no_program"


def test_every_output_of_a_tool_integrated_solution_must_be_what_its_program_prints(sandbox):
    right = outcome(sandbox, TOOL, "tool")
    assert (right.reason, right.problem.solution) == ("", TOOL)  # blocks share their names; an error is shown as one
    other = outcome(sandbox, TOOL.replace("21.0", "22.0"), "tool")
    assert (other.reason, other.detail) == ("output_differs", "'21.0' instead of '22.0'")
    assert outcome(sandbox, TOOL.replace("NameError", "TypeError"), "tool").reason == "output_differs"
    assert outcome(sandbox, TOOL, "tool", "5").reason == "wrong_answer"
    assert outcome(sandbox, "no program, \\boxed{21}", "tool").reason == "no_program"


def test_outputs_that_are_missing_are_filled_in(sandbox):
    solution = "Run:\n```python\nprint(21)\n```\nThe answer is \\boxed{21}."
    filled = outcome(sandbox, solution, "tool").problem.solution
    assert filled == "Run:\n```python\nprint(21)\n```\n```output\n21\n```\nThe answer is \\boxed{21}."


def test_a_program_that_never_ends_costs_only_its_row(sandbox):
    limits = replace(LIMITS, cpu_seconds=1)
    rows = [Problem("", "p", "1", f"```python\n{p}\n```", "pot") for p in ("while True: pass", "print(1)")]
    assert [c.reason for c in verify(rows, sandbox, limits)] == ["program_timeout", ""]


@pytest.mark.parametrize(
    ("recorded", "printed", "failure", "expected"),
    [
        ("5", "5\n", "", True),
        ("5.0", "5", "", True),
        ("6", "5", "", False),
        ("", "", "", True),
        ("", "5", "", False),
        ("12...89", "123456789", "", True),
        ("12...88", "123456789", "", False),
        ("Traceback\nValueError: a", "", "ValueError: b", True),
        ("5", "5", "ValueError: b", False),
    ],
)
def test_when_two_outputs_are_the_same(recorded, printed, failure, expected):
    assert same_output(recorded, printed, failure) is expected


@pytest.fixture
def sources(tmp_path):
    good = {"problem": "2+3?", "solution": "It is \\boxed{5}.", "answer": "5"}
    lines = [json.dumps(good), "broken", json.dumps({**good, "answer": "6"}), json.dumps(good), '{"x": 1}']
    lines += [json.dumps({"problem": 5, "solution": ["x"]}), json.dumps({**good, "problem": "\ud800"})]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"question": "1+1?", "answer": "1+1=<<1+1=2>>2\n#### 2"}))
    return {"mine": str(tmp_path / "a.jsonl"), "gsm8k": str(tmp_path / "b.jsonl")}


def test_the_set_holds_what_is_right_and_names_the_rest_by_file_and_line(sources, tmp_path):
    manifest = write_sft_data(sources, tmp_path / "out")
    rows = read_table(tmp_path / "out" / "train.parquet").to_pylist()
    assert [(row["id"], row["source"], row["answer"]) for row in rows] == [
        ("mine/a.jsonl:1", "mine", "5"), ("gsm8k/b.jsonl:1", "gsm8k", "2")
    ]  # fmt: skip
    assert manifest.counts["num_read"] == 8 and manifest.counts["num_kept"] == 2
    assert manifest.counts["rejected"] == {"bad_row": 4, "duplicate": 1, "wrong_answer": 1}
    assert manifest.counts["by_source"] == {"gsm8k": 1, "mine": 1}
    rejected = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert [(row["line"], row["reason"]) for row in rejected] == [
        (2, "bad_row"), (3, "wrong_answer"), (4, "duplicate"), (5, "bad_row"), (6, "bad_row"), (7, "bad_row")
    ]  # fmt: skip
    assert all(row["file"].endswith("a.jsonl") for row in rejected)
    assert rejected[1]["detail"] == "5 instead of 6"
    assert not [path for path in (tmp_path / "out" / "_checked").rglob("*") if path.is_file()]
    assert len(training_problems(tmp_path / "out")) == 2  # what fine-tuning reads


def test_without_verification_only_bad_and_repeated_rows_go(sources, tmp_path):
    counts = write_sft_data(sources, tmp_path / "out", is_verified=False).counts
    assert counts["num_kept"] == 2 and counts["rejected"] == {"bad_row": 4, "duplicate": 2}


def test_a_killed_run_goes_on_with_the_chunk_that_was_not_finished(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(sft_data, "CHUNK_ROWS", 3)
    expected = write_sft_data(sources, tmp_path / "expected").counts
    checked = []
    original = sft_data.verify

    def dies(problems, *rest):
        if len(checked) == 2:
            raise KeyboardInterrupt
        checked.append(len(problems))
        return original(problems, *rest)

    monkeypatch.setattr(sft_data, "verify", dies)
    with pytest.raises(KeyboardInterrupt):
        write_sft_data(sources, tmp_path / "out")
    with pytest.raises(ArtifactError):
        storage.read_manifest(tmp_path / "out")
    monkeypatch.setattr(sft_data, "verify", original)
    calls = []
    monkeypatch.setattr(sft_data, "verify", lambda *a: calls.append(1) or original(*a))
    assert write_sft_data(sources, tmp_path / "out").counts == expected and len(calls) == 1


def test_nothing_usable_is_an_error_that_names_the_reasons_file(tmp_path):
    (tmp_path / "a.jsonl").write_text("broken\n")
    with pytest.raises(ArtifactError, match=r"rejected\.jsonl"):
        write_sft_data({"x": str(tmp_path / "a.jsonl")}, tmp_path / "out")


@pytest.mark.slow
def test_real_tool_integrated_solutions_hold(sandbox, tmp_path):
    """30 published demonstrations: programs are run again; every one that is left out has a reason."""
    file = REAL / "benchmarks" / "grader_parity" / "tool_integrated_examples.jsonl"
    if not file.exists():
        pytest.skip(f"no {file}: set DSMATH_REAL_DATA")
    counts = write_sft_data({"tora": str(file)}, tmp_path / "out", limits=replace(LIMITS, cpu_seconds=20)).counts
    print(counts)
    assert counts["num_read"] == 30 and counts["num_kept"] >= 27
    assert "bad_row" not in counts["rejected"]


@pytest.mark.slow
def test_real_model_written_solutions_are_judged_as_their_authors_did(sandbox, tmp_path):
    """1,319 solutions of a model, published with its accuracy, 80.7 %: every program is run, every answer graded."""
    file = REAL / "benchmarks" / "grader_parity" / "gsm8k_tool_integrated_outputs.jsonl"
    if not file.exists():
        pytest.skip(f"no {file}: set DSMATH_REAL_DATA")
    counts = write_sft_data({"toracode": str(file)}, tmp_path / "out", limits=replace(LIMITS, cpu_seconds=20)).counts
    assert counts["num_read"] == 1319 and counts["by_method"].keys() <= {"cot", "tool"}
    assert round(100 * counts["num_kept"] / counts["num_read"], 1) == 80.7
    assert "output_differs" not in counts["rejected"]  # all 1,319 print what was recorded


def test_the_command_prints_what_it_kept_and_left_out(sources, tmp_path, capsys):
    named = [f"{name}={path}" for name, path in sources.items()]
    for arguments, code in ((named, 0), (["no-equals-sign"], 1), (["x=/nowhere"], 1)):
        with pytest.raises(SystemExit) as stopped:
            main(["train", "sft-data", *arguments, "--out", str(tmp_path / "out")])
        assert stopped.value.code == code
    printed = capsys.readouterr()
    assert "rejected: wrong_answer" in printed.out and "kept: cot" in printed.out
    assert "write name=path" in printed.err and "no data in /nowhere" in printed.err
