"""Your own files as artifacts: texts for pretraining, problems with solutions for SFT, reward model and RL.

A folder that a stage of this project wrote is used as it is. Anything else (Parquet or JSONL, gzipped or not, a file or
a folder of them) is read into an artifact beside the model, so that the model's manifest can name its data by content.

Problems: fields `problem` (or `question`), `answer`, `solution`, and if known `method` (cot, pot, tool), `language`,
`id`, `source`. The answer may be left out when the solution states one ("#### 12", a box).
"""

import gzip
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .. import storage
from ..grading.equality import reference_answer
from ..progress import SILENT, Progress
from ..records import PROBLEM_SCHEMA
from ..storage import Folder, Manifest

INPUTS_VERSION = "1"
SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz")
MAX_LISTED = 5


class DataError(ValueError):
    """Training data that cannot be used; the message says which file, and what it should hold."""


def text_artifact(path: Folder, out: Folder, progress: Progress = SILENT) -> Folder:
    """`path` when it is an artifact already, else `out` with the `text` column of its files.

    Raises DataError when there is nothing to read.
    """
    if (path / storage.MANIFEST).exists():
        return path
    files = _files(path)
    with storage.stage(out, "texts", INPUTS_VERSION, None, {"files": storage.file_key(files)}) as run:
        if run.artifact:
            for number, file in enumerate(files):
                texts = [row["text"] for row in _rows(file) if isinstance(row.get("text"), str)]
                if not texts:
                    raise DataError(f"{file}: no row has a `text`")
                run.artifact.write_table(
                    f"part-{number:05}.parquet", pa.table({"text": pa.array(texts, pa.large_string())})
                )
                progress.update("texts", number + 1, len(files))
    return out


def problem_artifact(path: Folder, out: Folder) -> Folder:
    """`path` when it is an artifact with a train.parquet, else `out` with the problems of its files.

    Rows that are no problem are left out and counted. Raises DataError when none is left.
    """
    if (path / storage.MANIFEST).exists() and (path / "train.parquet").exists():
        return path
    write_problem_files(path, out)
    return out


def write_problem_files(path: Folder, out: Folder) -> Manifest:
    """The artifact `problems`: train.parquet in records.PROBLEM_SCHEMA. Counts: unusable rows, the first by name."""
    files = _files(path)
    with storage.stage(out, "problems", INPUTS_VERSION, None, {"files": storage.file_key(files)}) as run:
        if run.artifact:
            problems, bad = [], []
            for file in files:
                for number, row in enumerate(_rows(file), 1):
                    problem = _problem(row, file.name)
                    if problem is None:
                        bad.append(f"{file.name}:{number}")
                    else:
                        problems.append(problem)
            if not problems:
                raise DataError(f"{path}: no row has `problem` (or `question`) and `answer` (or a stated answer)")
            run.artifact.write_table("train.parquet", pa.Table.from_pylist(problems, schema=PROBLEM_SCHEMA))
            run.artifact.counts |= {"num_unusable": len(bad), "unusable": bad[:MAX_LISTED]}
    assert run.manifest is not None
    return run.manifest


def _files(path: Folder) -> list[Folder]:
    if not path.exists():
        raise DataError(f"{path} does not exist: give Parquet or JSONL files, or a folder of them")
    found = [path] if path.is_file() else sorted((p for p in path.iterdir() if p.is_file()), key=lambda p: p.name)
    files = [file for file in found if file.name.endswith(SUFFIXES)]
    if not files:
        raise DataError(f"{path} holds no file that ends in {', '.join(SUFFIXES)}")
    return files


def _rows(file: Folder) -> Iterator[dict[str, Any]]:
    with file.open("rb") as opened:
        if file.name.endswith(".parquet"):
            for batch in pq.ParquetFile(opened).iter_batches():
                yield from batch.to_pylist()
            return
        lines = gzip.GzipFile(fileobj=opened) if file.name.endswith(".gz") else opened
        for line in lines:
            try:
                value = json.loads(line) if line.strip() else {}
            except ValueError:
                value = {}
            yield value if isinstance(value, dict) else {}


def _problem(row: dict[str, Any], source: str) -> dict[str, Any] | None:
    problem = row.get("problem") or row.get("question")
    solution = row.get("solution") or ""
    answer = str(row.get("answer") or "")
    if "####" in answer:  # GSM8K keeps the solution in `answer`
        solution = solution or answer
    answer = reference_answer(answer or solution)
    if not isinstance(problem, str) or not problem or not answer or not isinstance(solution, str):
        return None
    digest = hashlib.blake2b(problem.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return {
        "id": str(row.get("id") or digest), "problem": problem, "answer": answer, "solution": solution,
        "method": row.get("method") or "cot", "language": row.get("language") or "en",
        "source": row.get("source") or source, "options": row.get("options") or [],
    }  # fmt: skip
