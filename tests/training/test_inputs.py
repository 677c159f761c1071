"""People's own files become artifacts; bad rows cost nothing but themselves."""

import gzip
import json

import pyarrow as pa
import pytest

from dsmath_pipeline import storage
from dsmath_pipeline.training.inputs import DataError, problem_artifact, text_artifact


def test_gsm8k_lines_become_problems_with_the_final_answer(tmp_path):
    rows = [{"question": "How many?", "answer": "3 + 4 = <<3+4=7>>7 apples\n#### 7"}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (problem,) = storage.read_table(problem_artifact(tmp_path / "train.jsonl", tmp_path / "out")).to_pylist()
    assert (problem["problem"], problem["answer"]) == ("How many?", "7")
    assert problem["solution"].endswith("#### 7") and problem["method"] == "cot"


def test_unusable_rows_are_counted_by_name_and_the_rest_is_kept(tmp_path):
    good = json.dumps({"problem": "1+1?", "answer": "2", "solution": "It is \\boxed{2}."})
    (tmp_path / "a.jsonl").write_text(f"{good}\nnot json\n{json.dumps({'problem': 'no answer'})}\n")
    out = problem_artifact(tmp_path / "a.jsonl", tmp_path / "out")
    manifest = storage.read_manifest(out)
    assert manifest.num_rows == 1
    assert manifest.counts == {"num_unusable": 2, "unusable": ["a.jsonl:2", "a.jsonl:3"]}


def test_a_file_without_any_problem_is_refused_with_what_it_should_hold(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    with pytest.raises(DataError, match=r"a\.jsonl: no row has `problem`"):
        problem_artifact(tmp_path / "a.jsonl", tmp_path / "out")


def test_texts_are_read_from_gzipped_lines_and_parquet_alike(tmp_path):
    source = tmp_path / "texts"
    source.mkdir()
    with gzip.open(source / "a.jsonl.gz", "wt") as file:
        file.write(json.dumps({"text": "one"}) + "\n")
    storage.write_table(source / "b.parquet", pa.table({"text": ["two", "three"]}))
    out = text_artifact(source, tmp_path / "out")
    assert storage.read_table(out)["text"].to_pylist() == ["one", "two", "three"]
    assert text_artifact(out, tmp_path / "elsewhere") == out


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(DataError, match="gone does not exist"):
        text_artifact(tmp_path / "gone", tmp_path / "out")
