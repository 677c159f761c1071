"""MMLU-STEM: 3,018 English multiple-choice questions of 18 subjects.

`mmlu_stem/test.jsonl`: question, options (a list of four), answer (a letter), topic (the subject).
"""

from ...records import Problem
from ...storage import Folder
from .files import BenchmarkProblem, read_rows

FILE = "mmlu_stem/test.jsonl"


def load(data: Folder) -> list[Problem]:
    return [
        BenchmarkProblem(
            f"mmlu_stem-{number}", row["question"], row["answer"], source="mmlu_stem", options=tuple(row["options"]),
            subject=row.get("topic", ""),
        )
        for number, row in enumerate(read_rows(data / FILE, "question", "options", "answer"))
    ]  # fmt: skip
