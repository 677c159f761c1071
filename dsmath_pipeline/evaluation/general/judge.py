"""Grade what a model answered to a general question: a letter, a word, or a program that must pass its tests.

Programs run in `grading.sandbox`. A program counts as right only when it reached the end of its tests: a completion
that ends the process before them would otherwise pass.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...grading.sandbox import Limits, Sandbox
from ...recipe.schema import EvaluationSettings
from ..solve import extract_program
from ..tools import BLOCK, cut_at, program_limits
from .items import GeneralItem


@dataclass(frozen=True, slots=True)
class Judgement:
    """`rule` says what was compared; `program_status` is empty unless a program ran."""

    answer: str
    is_correct: bool
    rule: str
    program_status: str = ""
    message: str = ""


def judge(
    items: Sequence[GeneralItem], responses: Sequence[str], sandbox: Sandbox | None, limits: Limits
) -> list[Judgement]:
    """A judgement for each response. Raises ValueError when programs are to be judged without a sandbox."""
    coded = [n for n, item in enumerate(items) if item.test]
    if coded and sandbox is None:
        raise ValueError("HumanEval and MBPP run model-written programs and need a sandbox")
    marks = {n: secrets.token_hex(8) for n in coded}
    programs = [checked_program(items[n], responses[n], marks[n]) for n in coded]
    results = dict(zip(coded, sandbox.run(programs, limits) if sandbox and coded else [], strict=True))
    judgements = []
    for n, (item, response) in enumerate(zip(items, responses, strict=True)):
        if n in results:
            result = results[n]
            passed = result.status == "ok" and result.stdout.rstrip().endswith(marks[n])
            message = (result.stderr.strip().splitlines() or [""])[-1]
            status = result.status if passed or result.status != "ok" else "ended_early"
            judgements.append(Judgement(written_code(item, response), passed, "tests", status, message))
        else:
            answer = cut_at(response, item.stops).strip()
            judgements.append(Judgement(answer, _plain(answer) == _plain(item.answer), "text"))
    return judgements


def code_limits(settings: EvaluationSettings) -> Limits:
    """Twice the time of a program that computes an answer: one reference program of MBPP needs 5 seconds."""
    limits = program_limits(settings)
    return replace(limits, cpu_seconds=2 * limits.cpu_seconds, wall_seconds=2 * limits.wall_seconds)


def written_code(item: GeneralItem, response: str) -> str:
    """The program of a response: its fenced block when it has one, else the text up to a stop."""
    return extract_program(response) if BLOCK.search(response) else cut_at(response, item.stops)


def checked_program(item: GeneralItem, response: str, mark: str) -> str:
    """The program with its tests, and `mark` printed behind the last one.

    A fenced program that defines its function anew stands behind the prompt's own definition, which it replaces.
    """
    code = written_code(item, response)
    begins_anew = bool(item.opening and BLOCK.search(response) and code[:1].strip())
    opening = f"{item.opening}    pass\n\n" if begins_anew else item.opening
    return f"{opening}{code}\n{item.test}\nprint({mark!r})\n"


def _plain(text: str) -> str:
    """Without the brackets of "(B)" and without a full stop; letters of any case."""
    text = text.strip().rstrip(".").strip().casefold()
    return text[1:-1] if len(text) == 3 and text[0] == "(" and text[2] == ")" else text
