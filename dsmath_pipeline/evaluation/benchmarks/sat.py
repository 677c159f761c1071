"""SAT: 32 English multiple-choice questions. `sat/test.jsonl`: question, options ("A) ... B) ..."), Answer."""

from ...records import Problem
from ...storage import Folder
from .files import BenchmarkError, read_rows
from .row_fields import split_options

FILE = "sat/test.jsonl"


def load(data: Folder) -> list[Problem]:
    problems = []
    for number, row in enumerate(read_rows(data / FILE, "question", "options", "Answer")):
        options = split_options(row["options"])
        if len(options) != 4:
            raise BenchmarkError(f"{data / FILE}, line {number + 1}: {len(options)} options instead of 4")
        problems.append(Problem(f"sat-{number}", row["question"], row["Answer"], source="sat", options=options))
    return problems
