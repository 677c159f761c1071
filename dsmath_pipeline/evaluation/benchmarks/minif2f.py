"""miniF2F: 244 + 244 competition statements in Isabelle. `minif2f/isabelle_{validation,test}.jsonl`.

`problem` is the informal statement with the formal one below it, `answer` is the formal statement and `solution` the
informal proof. Whether a proof holds only a proof checker can say: `is_equal` is no judge of this benchmark.
"""

from ...records import Problem
from ...storage import Folder
from .files import read_rows

TEST_FILE = "minif2f/isabelle_test.jsonl"
VALIDATION_FILE = "minif2f/isabelle_validation.jsonl"


def load_test(data: Folder) -> list[Problem]:
    return _load(data / TEST_FILE, "minif2f_test")


def load_validation(data: Folder) -> list[Problem]:
    return _load(data / VALIDATION_FILE, "minif2f_validation")


def _load(path: Folder, source: str) -> list[Problem]:
    return [
        Problem(
            row["problem_name"], f"{row['informal_statement']}\n\n{row['formal_statement']}", row["formal_statement"],
            row["informal_proof"], language="isabelle", source=source,
        )
        for row in read_rows(path, "problem_name", "informal_statement", "formal_statement", "informal_proof")
    ]  # fmt: skip
