import json

import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.demo.word_problems import generate_problems, problem_table
from dsmath_pipeline.tokens.inputs import stage_input, training_problems


def test_artifacts_stay_paths_and_plain_files_become_a_key_of_their_content(tmp_path):
    with storage.stage(tmp_path / "artifact", "x", "1", {}, {}):
        pass
    assert stage_input(tmp_path / "artifact") == tmp_path / "artifact"
    plain = tmp_path / "model"
    plain.mkdir()
    (plain / "config.json").write_text("{}")
    first = stage_input(plain)
    (plain / "config.json").write_text('{"a": 1}')
    assert isinstance(first, str) and stage_input(plain) != first


def test_a_folder_that_a_killed_stage_left_is_refused(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "metrics.parquet").touch()
    with (
        pytest.raises(storage.ArtifactError, match="was not finished"),
        storage.stage(tmp_path / "out", "y", "1", {}, {"base": stage_input(tmp_path / "model")}),
    ):
        pass


def test_problems_come_from_a_folder_a_table_or_json_lines(tmp_path):
    problems = generate_problems(5, 0, "train")
    storage.write_table(tmp_path / "train.parquet", problem_table(problems))
    lines = [json.dumps({"problem": p.problem, "answer": int(p.answer)}) for p in problems]
    (tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")
    from_folder, from_file = training_problems(tmp_path), training_problems(tmp_path / "train.parquet")
    from_lines = training_problems(tmp_path / "p.jsonl")
    assert from_folder == from_file and [r["problem"] for r in from_lines] == [p.problem for p in problems]
    assert from_lines[0]["answer"] == problems[0].answer and from_lines[0]["method"] == "cot"


def test_gsm8k_lines_become_problems_with_the_final_answer(tmp_path):
    row = {"question": "How many?", "answer": "3 + 4 = <<3+4=7>>7 apples\n#### 7"}
    (tmp_path / "g.jsonl").write_text(json.dumps(row))
    (problem,) = training_problems(tmp_path / "g.jsonl")
    assert (problem["problem"], problem["answer"], problem["solution"]) == ("How many?", "7", row["answer"])


def test_missing_and_incomplete_problems_are_named(tmp_path):
    with pytest.raises(storage.ArtifactError, match="no training problems"):
        training_problems(tmp_path)
    (tmp_path / "p.jsonl").write_text('{"problem": "1+1"}')
    with pytest.raises(storage.ArtifactError, match="row 1 of"):
        training_problems(tmp_path / "p.jsonl")
