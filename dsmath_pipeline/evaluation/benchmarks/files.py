"""Read benchmark files: JSON lines with errors that name file, line and field."""

import json
from dataclasses import dataclass
from typing import Any

from ...records import Problem
from ...storage import Folder


class BenchmarkError(ValueError):
    """A benchmark is unknown, absent or not in the expected form; the message says what to do."""


@dataclass(frozen=True, slots=True)
class BenchmarkProblem(Problem):
    """A problem of a benchmark that sorts its problems, for the breakdowns of the results."""

    subject: str = ""
    """`Algebra`, `college_physics`, ..., in the benchmark's own words."""
    level: str = ""
    """Difficulty or school year, in the benchmark's own words."""


def subject_and_level(problem: Problem) -> tuple[str, str]:
    """Both empty for a problem whose benchmark has neither."""
    return (problem.subject, problem.level) if isinstance(problem, BenchmarkProblem) else ("", "")


def read_rows(path: Folder, *fields: str) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file. Raises BenchmarkError when it is absent or a row lacks one of `fields`."""
    if not path.is_file():
        raise BenchmarkError(f"no benchmark file {path}: name the folder that holds the benchmarks with --data")
    rows = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise BenchmarkError(f"{path}, line {number}: not JSON ({error})") from error
            missing = [name for name in fields if name not in row]
            if missing:
                raise BenchmarkError(f"{path}, line {number}: no field {', '.join(missing)}")
            rows.append(row)
    return rows
