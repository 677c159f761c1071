"""Run a file of model-written programs in the sandbox: what `dsmath sandbox` does.

Reads JSON lines {program, stdin?, ...} and writes them with status, stdout, stderr and seconds (`ProgramResult`); every
other column passes through. Rows are written as they are finished, to a file of another name beside the output; the
same command takes it up where it was, as far as its rows are still those of the input.
"""

import argparse
import hashlib
import itertools
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..progress import SILENT, Progress
from ..storage import Folder, folder, is_local, write_bytes
from .json_lines import json_line
from .sandbox import Limits, Sandbox
from .sandbox_tiers import ACCEPTED_TIERS, SETTING

RESULT_COLUMNS = ("status", "stdout", "stderr", "seconds", "error")
"""Columns that are written anew; values that the input has for them are lost."""

CHUNK_ROWS = 200
_BAD_ROW = "bad row"


def run_file(
    input_path: Folder, output_path: Folder, *, workers: int = 0, limits: Limits | None = None,
    accept: str | None = None, progress: Progress = SILENT,
) -> dict[str, Any]:  # fmt: skip
    """Run every program of `input_path`, `workers` at a time (0: one on each core); `accept` as in Sandbox.

    A line that holds no program is written through with status null and `error`, and reported in the returned counts:
    num_rows, num_resumed, statuses, num_errors, errors (the first 20, with line numbers), tier. Raises
    SandboxUnavailable when no accepted tier works here, OSError when a file cannot be read or written.
    """
    chosen = limits or Limits()
    report = _Report()
    with Sandbox(workers or len(os.sched_getaffinity(0)), chosen, accept=accept) as sandbox:
        output_path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = unfinished_file(output_path, chosen, sandbox.tier)
        num_done = _keep_finished_rows(input_path, unfinished, report)
        rows = itertools.islice(_read_rows(input_path), num_done, None)
        with unfinished.open("ab") as target:
            while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
                done = _run_rows([row for _, row in chunk], sandbox)
                target.write(b"".join(map(json_line, done)))
                target.flush()
                for (number, _), row in zip(chunk, done, strict=True):
                    report.add(number, row)
                progress.update("programs", report.statuses.total())
    _finish(unfinished, output_path)
    return {
        "num_rows": report.statuses.total(), "num_resumed": num_done, "statuses": dict(report.statuses),
        "num_errors": report.statuses[_BAD_ROW], "errors": report.errors[:20], "tier": sandbox.tier,
    }  # fmt: skip


def unfinished_file(output_path: Folder, limits: Limits, tier: str) -> Path:
    """Where rows are collected until all are there: beside the output, or on local disk for an object store.

    Other limits or another tier collect in another file: their results do not mix.
    """
    identity = json.dumps([str(output_path), asdict(limits), tier])
    key = hashlib.blake2b(identity.encode(), digest_size=4).hexdigest()
    name = f".{output_path.name}.{key}.unfinished"
    return Path(str(output_path)).with_name(name) if is_local(output_path) else Path(tempfile.gettempdir()) / name


class _Report:
    """Counts of statuses, and what is wrong with bad rows."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.errors: list[str] = []

    def add(self, number: int, row: dict[str, Any]) -> None:
        self.statuses[row["status"] or _BAD_ROW] += 1
        if row["status"] is None:
            self.errors.append(f"line {number}: {row['error']}")


def _read_rows(path: Folder) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines that are not blank, with their numbers; a bad row has an `error`."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _read_row(line)


def _read_row(line: bytes) -> dict[str, Any]:
    text = line.decode("utf-8", "replace").rstrip("\n")
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        return {"line": text, "error": f"not JSON: {error}"}
    if not isinstance(row, dict):
        return {"line": text, "error": "not an object with a program"}
    row = _without_results(row)
    if not isinstance(row.get("program"), str):
        return {**row, "error": "program missing or not a string"}
    if not isinstance(row.get("stdin") or "", str):
        return {**row, "error": "stdin is not a string"}
    return row


def _without_results(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in RESULT_COLUMNS}


def _run_rows(rows: list[dict[str, Any]], sandbox: Sandbox) -> list[dict[str, Any]]:
    good = [row for row in rows if "error" not in row]
    results = iter(sandbox.run([row["program"] for row in good], stdins=[row.get("stdin") or "" for row in good]))
    return [{**row, "status": None} if "error" in row else {**row, **asdict(next(results))} for row in rows]


def _keep_finished_rows(input_path: Folder, unfinished: Path, report: _Report) -> int:
    """Cut the unfinished file behind the last row that is the input's own. Returns how many rows stay."""
    if not unfinished.exists():
        return 0
    num_rows, end = 0, 0
    with unfinished.open("rb") as file:
        for line, (number, expected) in zip(file, _read_rows(input_path), strict=False):
            try:
                row = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                row = None
            if row is None or _without_results(row) != _without_results(expected):
                break
            report.add(number, row)
            num_rows, end = num_rows + 1, end + len(line)
    os.truncate(unfinished, end)
    return num_rows


def _finish(unfinished: Path, output_path: Folder) -> None:
    if is_local(output_path):
        unfinished.replace(str(output_path))
    else:
        write_bytes(output_path, unfinished.read_bytes())
        unfinished.unlink()


# dsmath sandbox ------------------------------------------------------------------------------------------------------


def add_sandbox_command(subparsers) -> argparse.ArgumentParser:
    """Add `sandbox` to the subcommands of `dsmath`."""
    limits = Limits()
    what = "run model-written programs in the sandbox"
    parser = subparsers.add_parser(
        "sandbox", help=what, description=f"{what.capitalize()}; start it again to go on where it was."
    )
    parser.add_argument("--input", required=True, type=folder, metavar="FILE.jsonl", help="rows {program, stdin?}")
    parser.add_argument(
        "--out", required=True, type=folder, metavar="FILE.jsonl", help="the rows with status, stdout, stderr, seconds"
    )
    parser.add_argument("--workers", type=int, default=0, help="programs at a time (default: one per core)")
    parser.add_argument(
        "--cpu-seconds", type=int, default=limits.cpu_seconds, metavar="N",
        help=f"CPU time of a program; it has three times as much wall time (default: {limits.cpu_seconds})",
    )  # fmt: skip
    parser.add_argument(
        "--memory-mb", type=int, default=limits.memory_bytes >> 20, metavar="N",
        help=f"memory of a program in MiB, interpreter included (default: {limits.memory_bytes >> 20})",
    )  # fmt: skip
    parser.add_argument(
        "--accept", choices=list(ACCEPTED_TIERS),
        help=f"weakest walls that may be used where better ones are missing (default: {SETTING}, else full)",
    )  # fmt: skip
    parser.set_defaults(function=sandbox_command)
    return parser


def sandbox_command(args: argparse.Namespace) -> int:
    """Run the command: 0, or 1 when the file had bad rows."""
    if args.cpu_seconds < 1 or args.memory_mb < 1:
        raise ValueError("--cpu-seconds and --memory-mb must be at least 1")
    limits = replace(
        Limits(), cpu_seconds=args.cpu_seconds, wall_seconds=3.0 * args.cpu_seconds, memory_bytes=args.memory_mb << 20
    )
    counts = run_file(args.input, args.out, workers=args.workers, limits=limits, accept=args.accept, progress=_Lines())
    kinds = ", ".join(f"{number:,} {status}" for status, number in sorted(counts["statuses"].items()))
    print(f"{counts['num_rows']:,} programs in the {counts['tier']} sandbox: {kinds or 'none'}")
    if counts["num_resumed"]:
        print(f"{counts['num_resumed']:,} of them were there from a run before")
    for error in counts["errors"]:
        print(f"dsmath: bad row, {error}", file=sys.stderr)
    return 1 if counts["num_errors"] else 0


class _Lines:
    """`progress.Progress` that prints a line for every chunk."""

    def update(self, what: str, done: int, total: int | None = None, note: str = "") -> None:
        print(f"{done:,} {what}", file=sys.stderr, flush=True)

    def log(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)
