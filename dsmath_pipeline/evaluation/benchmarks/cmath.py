"""CMATH: 1,098 Chinese primary-school word problems. `cmath/test.jsonl`: question, golden, grade (school year)."""

from ...records import Problem
from ...storage import Folder
from .files import BenchmarkProblem, read_rows

FILE = "cmath/test.jsonl"


def load(data: Folder) -> list[Problem]:
    return [
        BenchmarkProblem(f"cmath-{number}", row["question"], str(row["golden"]), language="zh", source="cmath",
                         level=f"grade {row['grade']}" if "grade" in row else "")
        for number, row in enumerate(read_rows(data / FILE, "question", "golden"))
    ]  # fmt: skip
