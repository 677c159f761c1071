"""GSM8K: 1,319 English grade-school word problems. `gsm8k/test.jsonl`: question, answer ("... #### 18")."""

from ...records import Problem
from ...storage import Folder
from .files import read_rows

FILE = "gsm8k/test.jsonl"


def load(data: Folder) -> list[Problem]:
    problems = []
    for number, row in enumerate(read_rows(data / FILE, "question", "answer")):
        solution, _, answer = row["answer"].rpartition("####")
        problems.append(Problem(f"gsm8k-{number}", row["question"], answer.strip(), solution.strip(), source="gsm8k"))
    return problems
