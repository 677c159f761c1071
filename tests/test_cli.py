"""The command line: exit codes and messages that scripts rely on."""

import json
import subprocess
import sys

import pytest

from dsmath_pipeline.cli import main

COMMANDS = [
    "demo", "corpus", "refresh", "parts", "dedup", "remove", "volume", "extract", "score", "annotate", "train",
    "validate", "evaluate", "results", "sandbox", "grade", "checks", "doctor",
]  # fmt: skip


def run(*arguments):
    """Exit code of `dsmath ARGUMENTS`."""
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    return stopped.value.code


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    assert run(command, "--help") == 0
    assert f"usage: dsmath {command}" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["pretrain", "sft", "reward", "rl"])
def test_every_kind_of_training_has_help(kind, capsys):
    assert run("train", kind, "--help") == 0
    assert "--out" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["corpus", "--crawl", "x"],
        ["demo", "--preset", "huge"],
        ["demo", "--set", "rl.group_size=1"],
        ["train", "swim"],
    ],
)
def test_bad_usage_exits_with_two(arguments, capsys):
    assert run(*arguments) == 2
    assert "usage: dsmath" in capsys.readouterr().err


def test_a_crawl_that_is_not_there_exits_with_one_and_names_it(tmp_path, capsys):
    seed = tmp_path / "seed.jsonl"
    seed.write_text(json.dumps({"url": "http://a/", "text": "x", "date": ""}) + "\n")
    code = run(
        "corpus", "--crawl", tmp_path / "gone.warc.gz", "--seed", seed, "--benchmarks", tmp_path,
        "--out", tmp_path / "o",
    )  # fmt: skip
    assert code == 1
    assert "gone.warc.gz" in capsys.readouterr().err


def test_extracting_a_file_that_is_not_there_exits_with_one(tmp_path, capsys):
    assert run("extract", tmp_path / "gone.html", "--out", tmp_path / "o.parquet") == 1
    assert "gone.html" in capsys.readouterr().err


def test_checks_on_an_empty_folder_fail_and_say_what_is_missing(tmp_path, capsys):
    assert run("checks", "--root", tmp_path) == 1
    out = capsys.readouterr().out
    assert "missing" in out and "0 passed" in out


def test_grading_adds_answer_and_grade_to_every_row(tmp_path, capsys):
    rows = [
        {"reference": "12", "solution": "So the answer is \\boxed{12}.", "note": "kept"},
        {"reference": "12", "solution": "So the answer is \\boxed{13}."},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("grade", "--input", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl") == 0
    graded = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["answer"], row["grade"]) for row in graded] == [("12", True), ("13", False)]
    assert graded[0]["note"] == "kept"


def test_grading_a_file_with_a_bad_line_exits_with_one_and_grades_the_rest(tmp_path, capsys):
    good = json.dumps({"reference": "1", "solution": "\\boxed{1}"})
    (tmp_path / "in.jsonl").write_text(f"{good}\nnot json\n{good}\n")
    assert run("grade", "--input", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl") == 1
    grades = [json.loads(line)["grade"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert grades == [True, None, True]


def test_the_doctor_finds_what_this_environment_has(capsys):
    assert run("doctor") == 0
    out = capsys.readouterr().out
    assert "fasttext" in out and "sandbox" in out


def test_the_command_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "dsmath_pipeline.cli", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "corpus" in done.stdout
