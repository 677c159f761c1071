"""SAT: 32 English multiple-choice questions. `sat/test.jsonl`: question, options ("A) ... B) ..."), Answer."""

import re

from ...records import Problem
from ...storage import Folder
from .files import BenchmarkError, read_rows

FILE = "sat/test.jsonl"
_LETTER = re.compile(r"(?:^|\s)([A-E])[).]\s")


def split_options(text: str) -> tuple[str, ...]:
    """The options of "A) 1 B) 2 C) 3"; letters out of order belong to the option's text."""
    starts = []
    for match in _LETTER.finditer(text):
        if match.group(1) == "ABCDE"[len(starts)]:
            starts.append(match)
        if len(starts) == 5:
            break
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return tuple(text[match.end() : end].strip() for match, end in zip(starts, ends, strict=True))


def load(data: Folder) -> list[Problem]:
    problems = []
    for number, row in enumerate(read_rows(data / FILE, "question", "options", "Answer")):
        options = split_options(row["options"])
        if len(options) != 4:
            raise BenchmarkError(f"{data / FILE}, line {number + 1}: {len(options)} options instead of 4")
        problems.append(Problem(f"sat-{number}", row["question"], row["Answer"], source="sat", options=options))
    return problems
