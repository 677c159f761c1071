"""OCW: 272 English physics and mathematics problems of university courses. `ocw/test.jsonl`: problem, answer.

Numbers are stated with two or three digits, so grading allows one percent (Minerva's rule for this benchmark).
"""

from ...records import Problem
from ...storage import Folder
from .files import read_rows

FILE = "ocw/test.jsonl"
RELATIVE_TOLERANCE = 0.01


def load(data: Folder) -> list[Problem]:
    rows = read_rows(data / FILE, "problem", "answer")
    return [
        Problem(f"ocw-{number}", row["problem"], str(row["answer"]), row.get("solution", ""), source="ocw")
        for number, row in enumerate(rows)
    ]
