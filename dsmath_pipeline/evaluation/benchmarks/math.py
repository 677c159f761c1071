"""MATH: 5,000 English competition problems of seven subjects and five levels.

`math/test.jsonl`: problem, solution (the answer is boxed), level ("Level 3"), type (the subject).
"""

from ...grading.answers import last_boxed
from ...records import Problem
from ...storage import Folder
from .files import BenchmarkError, BenchmarkProblem, read_rows

FILE = "math/test.jsonl"


def load(data: Folder) -> list[Problem]:
    problems: list[Problem] = []
    for number, row in enumerate(read_rows(data / FILE, "problem", "solution")):
        answer = last_boxed(row["solution"])
        if answer is None:
            raise BenchmarkError(f"{data / FILE}, line {number + 1}: the solution boxes no answer")
        problems.append(
            BenchmarkProblem(f"math-{number}", row["problem"], answer, row["solution"], source="math",
                             subject=row.get("type", ""), level=row.get("level", ""))
        )  # fmt: skip
    return problems
