"""Fine-tuning data of any form as one verified set: what `dsmath train sft-data` does (section 3).

Rows are read (sft_rows), understood (sft_formats), checked (sft_verify) and written in one schema. A bad row is named
with file and line and costs nothing but itself. Exact copies of a problem with its solution are kept once.

Writes the artifact `sft_data`:
- `train.parquet` (records.PROBLEM_SCHEMA), which `dsmath train sft` and `dsmath train rl` read;
- `rejected.jsonl`: file, line, reason, detail and, where they could be read, problem, method and solution.
"""

import contextlib
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import PurePath
from typing import Any

import pyarrow as pa

from ..grading.sandbox import Limits, Sandbox
from ..progress import SILENT, Progress
from ..records import PROBLEM_SCHEMA, Problem
from ..storage import (
    ArtifactError,
    Folder,
    Manifest,
    commit_shard,
    file_key,
    finished_shard,
    folder,
    read_table,
    remove,
    stage,
    write_bytes,
)
from .sft_formats import FormatError, read_problem
from .sft_rows import RawRow, data_files, read_rows
from .sft_verify import VERIFY_VERSION, Checked, has_programs, verify

SFT_DATA_VERSION = f"1/verify {VERIFY_VERSION}"
"""1 (2026-11): first version."""

CHECKED_SCHEMA = pa.schema(
    [
        *PROBLEM_SCHEMA,
        pa.field("file", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # "" when the row is kept
        pa.field("detail", pa.string(), nullable=False),
    ]
)
CHUNK_ROWS = 2000
"""Rows between two commits; a killed run keeps its finished chunks."""

_NO_PROBLEM = Problem("", "", "")


def write_sft_data(
    sources: Mapping[str, str],
    out: Folder,
    *,
    is_verified: bool = True,
    limits: Limits | None = None,
    workers: int = 2,
    progress: Progress = SILENT,
) -> Manifest:
    """Read `sources` (name -> file or folder), check every row, and write the artifact `sft_data`.

    `is_verified=False` neither runs programs nor grades: only bad and repeated rows are left out. Counts: rows read and
    kept, rejected by reason, kept by source, method and language. Raises ArtifactError when a source holds no data
    file or no row is left, SandboxUnavailable when programs cannot be run safely here.
    """
    files = {name: data_files(folder(path)) for name, path in sources.items()}
    identity = {"is_verified": is_verified, "limits": asdict(limits or Limits()), "sources": list(sources)}
    inputs: dict[str, Folder | str] = {name: file_key(found) for name, found in files.items()}
    with stage(out, "sft_data", SFT_DATA_VERSION, identity, inputs) as run:
        if run.artifact:
            work = out / "_checked"
            rows = ((name, row) for name, found in files.items() for file in found for row in read_rows(file))
            with contextlib.ExitStack() as stack:
                checker = _Checker(stack, is_verified, limits, workers)
                number = num_rows = 0
                while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
                    name = f"chunk-{number:05d}"
                    if finished_shard(work, name, run.artifact.key) is None:
                        table = pa.Table.from_pylist(checker.check(chunk), schema=CHECKED_SCHEMA)
                        commit_shard(work, name, run.artifact.key, table, {})
                    number, num_rows = number + 1, num_rows + len(chunk)
                    progress.update("examples checked", num_rows)
            tables = [read_table(work / f"chunk-{i:05d}.parquet") for i in range(number)]
            kept, rejected = _split(pa.concat_tables(tables) if tables else CHECKED_SCHEMA.empty_table())
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rejected]
            write_bytes(out / "rejected.jsonl", "".join(lines).encode("utf-8", "replace"))
            if not kept:
                raise ArtifactError(f"no usable row in {', '.join(sources.values())}: see {out / 'rejected.jsonl'}")
            run.artifact.write_table("train.parquet", pa.Table.from_pylist(kept, schema=PROBLEM_SCHEMA))
            run.artifact.counts |= {
                "num_read": num_rows, "num_kept": len(kept), "rejected": _tally(rejected, "reason"),
                **{f"by_{column}": _tally(kept, column) for column in ("source", "method", "language")},
            }  # fmt: skip
            remove(work)
    assert run.manifest is not None
    return run.manifest


class _Checker:
    """Rows to rows of CHECKED_SCHEMA. The sandbox starts with the first program."""

    def __init__(self, stack: contextlib.ExitStack, is_verified: bool, limits: Limits | None, workers: int):
        self._stack, self._is_verified, self._limits, self._workers = stack, is_verified, limits, workers
        self._sandbox: Sandbox | None = None

    def check(self, rows: list[tuple[str, RawRow]]) -> list[dict[str, Any]]:
        read = [_read(name, row) for name, row in rows]
        good = [checked.problem for checked in read if not checked.reason]
        if self._is_verified and good:
            if self._sandbox is None and has_programs(good):
                self._sandbox = self._stack.enter_context(Sandbox(self._workers, self._limits))
            outcomes = iter(verify(good, self._sandbox, self._limits))
            read = [checked if checked.reason else next(outcomes) for checked in read]
        return [
            {
                **asdict(checked.problem), "file": row.file, "line": row.line, "reason": checked.reason,
                "detail": checked.detail,
            }
            for checked, (_, row) in zip(read, rows, strict=True)
        ]  # fmt: skip


def _read(name: str, row: RawRow) -> Checked:
    if row.error:
        return Checked(_NO_PROBLEM, "bad_row", row.error)
    try:
        problem = read_problem(row.value)
        json.dumps(asdict(problem), ensure_ascii=False).encode()
    except FormatError as error:
        return Checked(_NO_PROBLEM, "bad_row", str(error))
    except UnicodeEncodeError:
        return Checked(_NO_PROBLEM, "bad_row", "half a surrogate pair, which is no character")
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        return Checked(_NO_PROBLEM, "bad_row", f"fields of the wrong kind: {type(error).__name__}: {error}")
    where = f"{name}/{PurePath(row.file).name}:{row.line}"
    return Checked(replace(problem, id=problem.id or where, source=f"{name}/{problem.source}".rstrip("/")))


def _split(table: pa.Table) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Kept rows (PROBLEM_SCHEMA) and rejected ones; of exact copies the first is kept."""
    kept, rejected = [], []
    seen: set[bytes] = set()
    for row in _python_rows(table):
        copy_of = hashlib.blake2b(
            "\0".join((row["problem"], row["method"], row["solution"])).encode(), digest_size=16
        ).digest()
        if not row["reason"] and copy_of in seen:
            row["reason"] = "duplicate"
        if row["reason"]:
            columns = ("file", "line", "reason", "detail", "problem", "method", "solution")
            rejected.append({name: row[name] for name in columns})
        else:
            seen.add(copy_of)
            kept.append({name: row[name] for name in PROBLEM_SCHEMA.names})
    return kept, rejected


def _python_rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(10_000):
        yield from batch.to_pylist()


def _tally(rows: list[dict[str, Any]], column: str) -> dict[str, int]:
    return dict(sorted(Counter(row[column] for row in rows).items()))
