"""Are the solutions of fine-tuning data right? Programs are run, answers graded; what fails says why.

- A chain of thought must state the reference answer. Where a row has no reference, the answer it states is taken.
- A program must run, and the last line it prints must be the reference answer; without a reference, what it prints
  becomes the answer.
- Of a tool-integrated solution every program is run, as the cells of a notebook, and must print what stands behind it:
  the model would otherwise learn from outputs that no program gives. Outputs that are missing are filled in; outputs
  that were shortened ("...") are compared at both ends.

Programs run in grading.sandbox only. Not in the paper, which does not say whether its solutions were checked.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..grading.answers import extract_answer
from ..grading.equality import decide
from ..grading.sandbox import Limits, ProgramResult, Sandbox
from ..records import Problem, Verdict
from .sft_masks import OUTPUT_CALL

VERIFY_VERSION = "1"
"""1 (2026-11): first version."""

_CELL = re.compile(
    r"```python[ \t]*\n(?P<program>.*?)^[ \t]*```[ \t]*(?:\n|\Z)"
    r"(?P<call>\s*```output[ \t]*\n(?P<output>.*?)^[ \t]*```[ \t]*(?:\n|\Z))?",
    re.DOTALL | re.MULTILINE,
)
_NOTEBOOK = """
import contextlib, io, json, sys
sys.set_int_max_str_digits(0)
_cells, _names, _shown = json.loads({cells!r}), {{"__name__": "__main__"}}, []
for _cell in _cells:
    _printed, _failure = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(_printed):
            exec(compile(_cell, "<program>", "exec"), _names)
    except BaseException as _error:
        _failure = f"{{type(_error).__name__}}: {{_error}}"
    _shown.append([_printed.getvalue()[-{most}:], _failure[-{most}:]])
print(json.dumps(_shown))
"""
_MOST_OUTPUT = 4000


@dataclass(frozen=True, slots=True)
class Checked:
    """A problem whose solution holds, or why it does not: `wrong_answer`, `no_answer`, `undecided`, `no_program`,
    `no_output`, `output_differs`, `program_<status>` (see sandbox.ProgramResult)."""

    problem: Problem
    reason: str = ""
    detail: str = ""


def verify(problems: Sequence[Problem], sandbox: Sandbox | None, limits: Limits | None = None) -> list[Checked]:
    """Check every solution, in order. A sandbox is needed as soon as one of them holds a program (ValueError)."""
    programs = {i: _program(problem) for i, problem in enumerate(problems) if problem.method != "cot"}
    runnable = {i: program for i, program in programs.items() if program}
    results: dict[int, ProgramResult] = {}
    if runnable:
        if sandbox is None:
            raise ValueError("solutions with programs are verified in a sandbox: none was given")
        results = dict(zip(runnable, sandbox.run(list(runnable.values()), limits), strict=True))
    return [_check(problem, results.get(i)) for i, problem in enumerate(problems)]


def has_programs(problems: Sequence[Problem]) -> bool:
    return any(problem.method != "cot" for problem in problems)


def _check(problem: Problem, result: ProgramResult | None) -> Checked:
    if problem.method == "cot":
        return _graded(problem, extract_answer(problem.solution))
    if result is None:
        return Checked(problem, "no_program", "no closed ```python block")
    if result.status != "ok":
        return Checked(problem, f"program_{result.status}", _last_line(result.stderr))
    if problem.method == "pot":
        printed = result.stdout.strip().splitlines()
        return _graded(problem, printed[-1].strip()) if printed else Checked(problem, "no_output")
    return _check_outputs(problem, json.loads(result.stdout.strip().splitlines()[-1]))


def _graded(problem: Problem, answer: str) -> Checked:
    if not answer:
        return Checked(problem, "no_answer")
    if not problem.answer:
        return Checked(replace(problem, answer=answer))
    verdict = decide(problem.answer, answer, options=problem.options).verdict
    if verdict is Verdict.CORRECT:
        return Checked(problem)
    reason = "undecided" if verdict is Verdict.TIMEOUT else "wrong_answer"
    return Checked(problem, reason, f"{answer[:200]} instead of {problem.answer[:200]}")


def _check_outputs(problem: Problem, shown: Sequence[Sequence[str]]) -> Checked:
    """Compare the recorded outputs with those of the run, fill in missing ones, then grade."""
    parts, start = [], 0
    for match, (printed, failure) in zip(_CELL.finditer(problem.solution), shown, strict=True):
        output = f"{printed.strip()}\n{failure}".strip()
        parts.append(problem.solution[start : match.end()])
        start = match.end()
        if match["call"] is None:
            parts.append(f"{'' if parts[-1].endswith(chr(10)) else chr(10)}{OUTPUT_CALL}\n{output}\n```\n")
        elif not same_output(match["output"], printed, failure):
            return Checked(problem, "output_differs", f"{output[:200]!r} instead of {match['output'].strip()[:200]!r}")
    solution = "".join([*parts, problem.solution[start:]]).strip()
    return _graded(replace(problem, solution=solution), extract_answer(solution))


def same_output(recorded: str, printed: str, failure: str) -> bool:
    """Does a recorded output show what a program printed, or, of one that failed, the same kind of error?"""
    recorded, printed = recorded.strip(), printed.strip()
    if failure:
        return failure.partition(":")[0] in recorded
    if recorded == printed or (recorded and decide(printed, recorded, symbolic=False).is_correct):
        return True
    head, dots, tail = recorded.partition("...")
    return bool(dots) and printed.startswith(head) and printed.endswith(tail)


def _program(problem: Problem) -> str:
    """What the sandbox runs for a solution, "" when it holds no closed program."""
    cells = [match["program"] for match in _CELL.finditer(problem.solution)]
    if problem.method == "pot":
        return cells[-1] if cells else ""
    return _NOTEBOOK.format(cells=json.dumps(cells), most=_MOST_OUTPUT) if cells else ""


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:300]
