"""Any file of your own: `jsonl:FILE` names a JSON-lines file below the data folder.

Rows: `problem` or `question`; `answer` or `reference`; optional `id`, `language`, `options` (a list, the answer is
then a letter), `solution`, `subject`, `level`. Other names that datasets use are in `row_fields`.
"""

from ...records import Problem
from ...storage import Folder
from .files import read_rows
from .row_fields import to_problem


def load(path: Folder) -> list[Problem]:
    return [
        to_problem(row, number, path.stem, f"{path}, row {number + 1}") for number, row in enumerate(read_rows(path))
    ]
