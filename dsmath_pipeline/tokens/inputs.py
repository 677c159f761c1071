"""What training stages accept as input: artifacts of this pipeline, or plain files and folders from elsewhere.

A model folder from Hugging Face, a folder of Parquet files with a `text` column, a Parquet or JSONL file of problems:
none has a manifest, so their identity is a hash of their files. A folder that one of our own stages began and did not
finish is never taken for such a folder.
"""

import json
from typing import Any

from ..grading.equality import reference_answer
from ..records import PROBLEM_SCHEMA
from ..storage import MANIFEST, ArtifactError, Folder, file_key, read_table

_UNFINISHED = ("_shards", "_files", "_checkpoints", "_checkpoint.pt", "metrics.parquet")
"""Traces of our own stages in a folder without a manifest."""


def stage_input(path: Folder) -> Folder | str:
    """What to give `storage.stage` as an input: the path of an artifact, else the key of the plain files.

    A missing path or an unfinished artifact is returned as a path, on which `storage.stage` raises ArtifactError.
    """
    if path.is_file():
        return file_key([path])
    if not path.exists() or (path / MANIFEST).exists() or any((path / name).exists() for name in _UNFINISHED):
        return path
    return file_key([file for file in path.rglob("*") if file.is_file()])


def training_problems(path: Folder) -> list[dict[str, Any]]:
    """Rows of records.PROBLEM_SCHEMA: of `train.parquet` in a folder, or of one Parquet or JSONL file.

    Columns that a file lacks are filled: an id from the row number, method `cot`, language `en`. GSM8K's own form is
    understood: `question` for the problem, and an `answer` that holds the solution before `####`. Raises ArtifactError
    when there is no row or a row has no problem or answer.
    """
    file = path if path.is_file() else path / "train.parquet"
    if not file.exists():
        raise ArtifactError(f"no training problems in {path}: give a folder with train.parquet or a file")
    if file.suffix == ".parquet":
        rows = read_table(file).to_pylist()
    else:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    defaults = {"solution": "", "method": "cot", "language": "en", "source": "", "options": []}
    filled = []
    for number, row in enumerate(map(_without_gsm8k_form, rows)):
        known = {name: value for name, value in row.items() if name in PROBLEM_SCHEMA.names and value is not None}
        if not known.get("problem") or "answer" not in known:
            raise ArtifactError(f"row {number + 1} of {file} has no problem or no answer")
        filled.append({"id": f"row-{number}", **defaults, **known, "answer": str(known["answer"])})
    if not filled:
        raise ArtifactError(f"no problem in {file}")
    return filled


def _without_gsm8k_form(row: dict[str, Any]) -> dict[str, Any]:
    renamed = {**row, "problem": row["question"]} if "question" in row and "problem" not in row else row
    answer = renamed.get("answer")
    if isinstance(answer, str) and "####" in answer:
        return {"solution": answer, **renamed, "answer": reference_answer(answer)}
    return renamed
