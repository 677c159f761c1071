"""The demonstration's held-out word problems, English and Chinese: `test.parquet` with records.PROBLEM_SCHEMA."""

from ...records import PROBLEM_SCHEMA, Problem
from ...storage import Folder, read_table
from .files import BenchmarkError

FILE = "test.parquet"


def path(data: Folder) -> Folder:
    """The file: in the artifact folder itself, or in a folder of benchmarks below `word_problems`."""
    direct = data / FILE
    return direct if direct.is_file() else data / "word_problems" / FILE


def load(data: Folder) -> list[Problem]:
    file = path(data)
    if not file.is_file():
        raise BenchmarkError(f"no {FILE} in {data}: run the stage that writes the word problems")
    rows = read_table(file, PROBLEM_SCHEMA.names).to_pylist()
    return [
        Problem(**row | {"solution": row["solution"] or "", "options": tuple(row["options"] or ())}) for row in rows
    ]
