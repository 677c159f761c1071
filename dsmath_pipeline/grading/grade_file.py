"""Grade a file of solutions: what `dsmath grade` does.

Reads JSON lines {reference, solution, ...} and writes them with answer (str), grade (bool), verdict (records.Verdict)
and rule (see equality.Decision). An optional `options` (a list of texts) belongs to a multiple-choice problem.
"""

import functools
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..progress import SILENT, Progress
from ..records import Verdict
from ..storage import Folder
from .answers import extract_answer
from .equality import decide
from .json_lines import json_line

CHUNK_LINES = 1000


def grade_file(
    input_path: Folder, output_path: Folder, progress: Progress = SILENT, mode: str = "strict"
) -> dict[str, Any]:
    """Grade JSON lines {reference, solution, ...}; `mode` as in `equality.decide`.

    A line that is not such an object is written through with grade null and `error`, and reported in the returned
    counts: num_rows, num_correct, num_errors, verdicts, rules, errors (the first 20, with line numbers).
    """
    verdicts: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    errors: list[str] = []
    output_path.parent.mkdir(parents=True, exist_ok=True)
    with output_path.open("wb") as target, ThreadPoolExecutor(2) as threads:
        for lines in _chunks(input_path):
            rows = list(threads.map(functools.partial(_grade_line, mode=mode), [line for _, line in lines]))
            for (number, _), row in zip(lines, rows, strict=True):
                target.write(json_line(row))
                verdicts[row.get("verdict") or "error"] += 1
                rules.update([row["rule"]] if "error" not in row else [])
                if "error" in row:
                    errors.append(f"line {number}: {row['error']}")
            progress.update("grading", verdicts.total())
    return {
        "num_rows": verdicts.total(),
        "num_correct": verdicts[Verdict.CORRECT],
        "num_errors": verdicts["error"],
        "verdicts": dict(verdicts),
        "rules": dict(rules),
        "errors": errors[:20],
    }


def _chunks(path: Folder) -> Iterator[list[tuple[int, bytes]]]:
    """The lines that are not blank with their numbers, CHUNK_LINES at a time."""
    with path.open("rb") as file:
        chunk: list[tuple[int, bytes]] = []
        for number, line in enumerate(file, 1):
            if line.strip():
                chunk.append((number, line))
            if len(chunk) == CHUNK_LINES:
                yield chunk
                chunk = []
        if chunk:
            yield chunk


def _grade_line(line: bytes, mode: str) -> dict[str, Any]:
    text = line.decode("utf-8", "replace").rstrip("\n")
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        return {"line": text, "grade": None, "error": f"not JSON: {error}"}
    if not isinstance(row, dict):
        return {"line": text, "grade": None, "error": "not an object with reference and solution"}
    wrong = [name for name in ("reference", "solution") if not isinstance(row.get(name), str)]
    if wrong:
        return {**row, "grade": None, "error": f"{' and '.join(wrong)} missing or not a string"}
    options = row.get("options") or ()
    if not isinstance(options, (list, tuple)) or not all(isinstance(option, str) for option in options):
        return {**row, "grade": None, "error": "options are not a list of strings"}
    answer = extract_answer(row["solution"])
    decision = decide(row["reference"], answer, mode=mode, options=options)
    return {
        **row, "answer": answer, "grade": decision.is_correct, "verdict": str(decision.verdict), "rule": decision.rule
    }  # fmt: skip
