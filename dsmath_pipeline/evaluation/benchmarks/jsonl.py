"""Any file of your own: `jsonl:FILE` names a JSON-lines file below the data folder.

Rows: `problem` or `question`; `answer` or `reference`; optional `id`, `language`, `options` (a list, the answer is
then a letter).
"""

from ...records import Problem
from ...storage import Folder
from .files import BenchmarkError, read_rows


def load(path: Folder) -> list[Problem]:
    problems = []
    for number, row in enumerate(read_rows(path), 1):
        problem, answer = row.get("problem", row.get("question")), row.get("answer", row.get("reference"))
        if not isinstance(problem, str) or answer is None:
            raise BenchmarkError(f"{path}, row {number}: needs `problem` (or `question`) and `answer` (or `reference`)")
        problems.append(
            Problem(
                str(row.get("id", f"{path.stem}-{number - 1}")),
                problem,
                str(answer),
                row.get("solution", ""),
                language=row.get("language", "en"),
                source=path.stem,
                options=tuple(row.get("options") or ()),
            )
        )
    return problems
