"""Published forms of fine-tuning data as records.Problem: GSM8K, MATH, MathInstruct, Lila, ToRA, and plain rows.

One function for each form; which one a row has is seen from its fields. A row without problem, solution or sense raises
FormatError, which costs only that row. Solutions get the shape that evaluation reads back: a chain of thought and a
tool-integrated solution end with the answer in a box, a program stands in a ```python block.

Section 3 names these sources (with "a subset" of MathInstruct and Lila's training half) and not their form. Their
fields are those of the published files.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..grading.answers import extract_answer, last_boxed
from ..grading.equality import reference_answer
from ..records import Problem
from ..text import CJK

Row = Mapping[str, Any]

METHODS = ("cot", "pot", "tool")
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")
_PROGRAM_REQUEST = re.compile(r"\s*(?:Please|Let's|Let us) write a (?:Python )?program[^\n]*\Z", re.IGNORECASE)
_HAN = re.compile(f"[{CJK}]")


class FormatError(ValueError):
    """A row lacks what its form needs; the message says what."""


def read_problem(row: Row) -> Problem:
    """The problem of a row in whatever form it has. `id` and `source` are empty where the row has none.

    Raises FormatError.
    """
    problem = FORMATS[format_of(row)](row)
    if not problem.problem.strip():
        raise FormatError("the problem is empty")
    if not problem.solution.strip():
        raise FormatError("the solution is empty")
    return problem


def format_of(row: Row) -> str:
    """The form of a row, a key of FORMATS, by its fields."""
    if "messages" in row or "code" in row:
        return "tora"
    if "instruction" in row and "output" in row:
        return "mathinstruct"
    if _field(row, "output program") is not None:
        return "lila"
    if "question" in row and "####" in str(row.get("answer", "")) and "solution" not in row:
        return "gsm8k"
    if {"problem", "solution", "level", "type"} <= row.keys() and "method" not in row:
        return "math"
    return "plain"


def gsm8k(row: Row) -> Problem:
    """`question`, and `answer` with the solution before "####"; its calculator marks (<<48/2=24>>) are left out."""
    worked = _text(row, "answer")
    answer = reference_answer(worked)
    solution = _CALCULATOR.sub("", worked.rpartition("####")[0]).strip()
    if not answer or not solution:
        raise FormatError("the answer is not a solution, #### and a result")
    return Problem("", _text(row, "question"), answer, with_box(solution, answer, "en"))


def math(row: Row) -> Problem:
    """MATH: `problem`, and `solution` with the answer in a box. The subject becomes the source."""
    solution = _text(row, "solution")
    answer = last_boxed(solution)
    if not answer:
        raise FormatError("the solution has no \\boxed{} answer")
    return Problem("", _text(row, "problem"), answer, solution, source=str(row["type"]))


def mathinstruct(row: Row) -> Problem:
    """MathInstruct: `instruction`, `output`, and `source`, whose path says CoT or PoT. It has no reference answers: a
    chain of thought brings its own, a program's is what it prints."""
    source = str(row.get("source", ""))
    problem = _text(row, "instruction")
    is_program = "/pot/" in source.lower() or bool(_PROGRAM_REQUEST.search(problem))
    problem, output = _PROGRAM_REQUEST.sub("", problem), _text(row, "output")
    if is_program:
        return Problem("", problem, "", fenced(output), "pot", language_of(problem), source)
    return _chain_of_thought(problem, output, "", language_of(problem), source)


def lila(row: Row) -> Problem:
    """Lila: `Input`, `Output Program`, `Output Answer`, the last two lists whose first entries are used."""
    program, answer = (_first(_field(row, name)) for name in ("output program", "output answer"))
    problem = _first(_field(row, "input"))
    if not program.strip():
        raise FormatError("no program (Output Program)")
    source = str(_field(row, "dataset") or "")
    return Problem("", problem, answer.strip(), fenced(program), "pot", language_of(problem), source)


def tora(row: Row) -> Problem:
    """Tool-integrated solutions: `messages` of a user and an assistant, or `question` and `code`; answer in `gt`."""
    if "messages" in row:
        said = {str(m.get("role")): str(m.get("content") or "") for m in row["messages"] if isinstance(m, Mapping)}
        problem, solution = said.get("user", ""), said.get("assistant", "")
        if len(row["messages"]) > 2 + ("system" in said):
            raise FormatError("a conversation of several turns")
    else:
        problem, solution = str(row.get("question") or row.get("problem") or ""), _first(row["code"])
    answer = str(row["gt"]) if row.get("gt") is not None else str(row.get("answer") or "")
    language, source = language_of(problem), str(row.get("dataset") or "")
    if "```python" not in solution:
        return _chain_of_thought(problem, solution, answer, language, source)
    return Problem(str(row.get("id") or ""), problem, answer, with_box(solution, answer, language), "tool", language,
                   source)  # fmt: skip


def plain(row: Row) -> Problem:
    """The columns of records.PROBLEM_SCHEMA: problem, solution, and where known answer, method, language, source,
    options. Without a method a solution with program and output is tool-integrated, one of a program alone PoT."""
    problem, solution = _text(row, "problem", "question"), _text(row, "solution")
    method = str(row.get("method") or _method_of(solution))
    if method not in METHODS:
        raise FormatError(f"unknown method {method!r}; use {', '.join(METHODS)}")
    answer = "" if row.get("answer") is None else str(row["answer"])
    language = str(row.get("language") or language_of(problem))
    source, options = str(row.get("source") or ""), tuple(map(str, row.get("options") or ()))
    name = str(row.get("id") or "")
    if method == "pot":
        return Problem(name, problem, answer, fenced(solution), method, language, source, options)
    answer = answer or extract_answer(solution)
    return Problem(name, problem, answer, with_box(solution, answer, language), method, language, source, options)


FORMATS: dict[str, Callable[[Row], Problem]] = {
    "gsm8k": gsm8k, "math": math, "mathinstruct": mathinstruct, "lila": lila, "tora": tora, "plain": plain,
}  # fmt: skip


def with_box(solution: str, answer: str, language: str) -> str:
    """The solution, with a last sentence that boxes the answer where it has no box."""
    solution = solution.strip()
    if not answer or last_boxed(solution) is not None:
        return solution
    ending = f"答案是\\boxed{{{answer}}}。" if language == "zh" else f"The answer is \\boxed{{{answer}}}."
    return f"{solution}\n{ending}"


def fenced(program: str) -> str:
    """A program in a ```python block, unless it stands in one."""
    text = program.strip("\n")
    return text if "```python" in text else f"```python\n{text}\n```"


def language_of(text: str) -> str:
    """`zh` when the text holds Chinese characters, else `en`."""
    return "zh" if _HAN.search(text) else "en"


def _chain_of_thought(problem: str, solution: str, answer: str, language: str, source: str) -> Problem:
    answer = answer or extract_answer(solution)
    return Problem("", problem, answer, with_box(solution, answer, language), "cot", language, source)


def _method_of(solution: str) -> str:
    if "```python" not in solution:
        return "cot"
    after = solution.rpartition("```python")[2].partition("```")[2]
    return "tool" if "```output" in solution or after.strip() else "pot"


def _text(row: Row, *names: str) -> str:
    value = next((row[name] for name in names if row.get(name) is not None), None)
    if not isinstance(value, str):
        raise FormatError(f"no text in {' or '.join(names)}; the row has {', '.join(sorted(row))}")
    return value


def _field(row: Row, name: str) -> Any:
    """A field by its name, whatever its case, with spaces or underscores."""
    return next((value for key, value in row.items() if key.lower().replace("_", " ") == name), None)


def _first(value: Any) -> str:
    """The first entry of a list, or the value, as text."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return "" if value is None else str(value)
