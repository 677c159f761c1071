"""One row of a dataset of unknown making as a problem, by the names that such datasets give their columns."""

import ast
import contextlib
import re
from collections.abc import Mapping
from typing import Any

from ...grading.answers import last_boxed
from .files import BenchmarkError, BenchmarkProblem

_FIELDS = {
    "problem": ("problem", "question", "query", "Question", "Problem", "input"),
    "answer": (
        "answer",
        "reference",
        "golden",
        "gold",
        "target",
        "expected_answer",
        "final_answer",
        "correct",
        "Answer",
    ),
    "options": ("options", "choices"),
    "solution": ("solution", "rationale", "cot"),
    "subject": ("subject", "type", "topic", "category"),
    "level": ("level", "difficulty", "grade"),
}
_LETTERS = "ABCDEFGHIJ"
_MARK = re.compile(r"(?:^|[\s,])([A-Ea-e])\s?[).]\s")
_MARK_IN_FRONT = re.compile(r"^\s*[(（]?([A-Ja-j])\s?[)）.:：]\s*")


def to_problem(row: Mapping[str, Any], number: int, source: str, place: str, language: str = "en") -> BenchmarkProblem:
    """The row as a problem; `place` names it in errors.

    The answer of a multiple-choice row may be a letter, a number counted from 0 or a list of such numbers; an answer
    that holds a worked solution ("... #### 18", or a boxed result and no answer column) is cut out of it.
    Raises BenchmarkError when problem or answer is missing, or the answer is none of the options.
    """
    found = {name: _first(row, columns) for name, columns in _FIELDS.items()}
    problem, options = found["problem"], _options(found["options"])
    solution = str(found["solution"] or "")
    answer = found["answer"] if found["answer"] is not None else last_boxed(solution)
    if not isinstance(problem, str) or answer is None:
        raise BenchmarkError(f"{place}: needs `problem` (or `question`) and `answer` (or `reference`)")
    if isinstance(answer, str) and "####" in answer:
        worked, _, answer = answer.rpartition("####")
        solution = solution or worked.strip()
    return BenchmarkProblem(
        str(row.get("id", f"{source}-{number}")), problem, _answer(answer, options, place), solution,
        language=str(row.get("language", language)), source=source, options=options,
        subject=str(found["subject"] or ""), level="" if found["level"] is None else str(found["level"]),
    )  # fmt: skip


def _first(row: Mapping[str, Any], columns: tuple[str, ...]) -> Any:
    return next((row[name] for name in columns if row.get(name) is not None), None)


def _options(value: Any) -> tuple[str, ...]:
    """A list (also printed as text), one text ("A) 1 B) 2"), or `{"label": [...], "text": [...]}`."""
    if isinstance(value, str) and value.startswith("["):
        with contextlib.suppress(ValueError, SyntaxError):
            value = ast.literal_eval(value)
    if isinstance(value, str):
        return split_options(value)
    texts = value.get("text", ()) if isinstance(value, Mapping) else value
    options = tuple(str(text) for text in texts or ())
    marks = [_MARK_IN_FRONT.match(option) for option in options]
    if all(mark and mark.group(1).upper() == _LETTERS[n] for n, mark in enumerate(marks)):
        return tuple(_MARK_IN_FRONT.sub("", option, count=1) for option in options)
    return options


def split_options(text: str) -> tuple[str, ...]:
    """The options of "A) 1 B) 2 C) 3" or "a ) 1 , b ) 2"; letters out of order belong to the option's text."""
    starts = []
    for match in _MARK.finditer(text):
        if match.group(1).upper() == "ABCDE"[len(starts)]:
            starts.append(match)
        if len(starts) == 5:
            break
    if not starts:
        return ()
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return tuple(text[match.end() : end].strip(" \n,") for match, end in zip(starts, ends, strict=True))


def _answer(answer: Any, options: tuple[str, ...], place: str) -> str:
    places = answer if isinstance(answer, list) else [answer]
    if not options or not all(isinstance(n, int) for n in places):
        text = str(answer).strip()
        return text.upper() if options and len(text) == 1 else text
    if not all(0 <= n < len(options) for n in places):
        raise BenchmarkError(f"{place}: answer {answer} is none of the {len(options)} options, counted from 0")
    return "".join(_LETTERS[n] for n in places)
