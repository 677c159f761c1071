"""Turn prompts into solutions by chain-of-thought, program-of-thought or tool-integrated reasoning (section 3).

- cot: the completion is the solution.
- pot: the completion holds a Python program; the last line it prints is the answer.
- tool: the model writes text and ```python blocks and reads what they print (`tools`).

Programs run in `grading.sandbox` only. It does not grade.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..grading.answers import extract_answer
from ..grading.sandbox import ProgramResult, Sandbox
from ..recipe.schema import EvaluationSettings
from ..records import Completion
from .engine import Engine
from .prompts import OUTPUT_CALL
from .tools import BLOCK, cut_at, program_limits, shown_output, use_tools

METHODS = ("cot", "pot", "tool")


@dataclass(frozen=True, slots=True)
class Solution:
    """One attempt. `text` is everything after the prompt, with program outputs; `answer` is "" when there is none."""

    text: str
    answer: str
    finish: str
    num_tokens: int
    program_status: str = ""
    """Status of the last program (see sandbox.ProgramResult), "" when none ran."""
    num_programs: int = 0


def solve(
    engine: Engine, prompts: Sequence[str], method: str, settings: EvaluationSettings, *, temperature: float,
    num_samples: int, seed: int, stop_texts: Sequence[str] = (), sandbox: Sandbox | None = None,
) -> list[list[Solution]]:  # fmt: skip
    """`num_samples` solutions of every prompt, in order.

    Raises ValueError for an unknown method, or when a method that runs programs gets no sandbox.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; use {', '.join(METHODS)}")
    if method != "cot" and sandbox is None:
        raise ValueError(f"method {method} runs model-written programs and needs a sandbox")
    completions = engine.complete(
        prompts, max_new_tokens=settings.max_completion_tokens, temperature=temperature, num_samples=num_samples,
        seed=seed, stop_texts=stop_texts,
    )  # fmt: skip
    flat = [completion for group in completions for completion in group]
    if method == "cot":
        solutions = [_read_text(completion, stop_texts) for completion in flat]
    elif method == "pot":
        solutions = _run_programs(flat, stop_texts, settings, sandbox)  # type: ignore[arg-type]
    else:
        repeated = [prompt for prompt in prompts for _ in range(num_samples)]
        attempts = use_tools(engine, repeated, flat, settings, temperature, seed, stop_texts, sandbox)  # type: ignore[arg-type]
        solutions = [
            Solution(a.text, extract_answer(a.text), a.finish, a.num_tokens, a.program_status, a.num_programs)
            for a in attempts
        ]
    return [solutions[i * num_samples : (i + 1) * num_samples] for i in range(len(prompts))]


def extract_program(text: str) -> str:
    """The last ```python block (an unclosed one runs to the end), or the whole text when there is no fence."""
    blocks = BLOCK.findall(text)
    return blocks[-1] if blocks else text.replace("```", "")


def program_answer(result: ProgramResult) -> str:
    """The last line that a successful program printed, "" otherwise."""
    lines = result.stdout.strip().splitlines() if result.status == "ok" else []
    return lines[-1].strip() if lines else ""


def _read_text(completion: Completion, stop_texts: Sequence[str]) -> Solution:
    text = cut_at(completion.text, stop_texts)
    return Solution(text, extract_answer(text), completion.finish, len(completion.token_ids))


def _run_programs(
    completions: Sequence[Completion], stop_texts: Sequence[str], settings: EvaluationSettings, sandbox: Sandbox
) -> list[Solution]:
    texts = [cut_at(completion.text, stop_texts) for completion in completions]
    results = sandbox.run([extract_program(text) for text in texts], program_limits(settings))
    return [
        Solution(_with_output(text, result, settings), program_answer(result), completion.finish,
                 len(completion.token_ids), result.status, 1)
        for text, completion, result in zip(texts, completions, results, strict=True)
    ]  # fmt: skip


def _with_output(text: str, result: ProgramResult, settings: EvaluationSettings) -> str:
    """The program and, in a block behind it, what it printed; for people who read the results."""
    fence = "\n```" if "```" not in text or text.count("```") % 2 else ""
    shown = shown_output(result, settings.max_program_output_chars)
    return f"{text.rstrip()}{fence}\n{OUTPUT_CALL}\n{shown}\n```\n"
