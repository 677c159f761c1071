"""Turn prompts into solutions by chain-of-thought, program-of-thought or tool-integrated reasoning (section 3).

- cot: the completion is the solution.
- pot: the completion holds a Python program; the last line it prints is the answer.
- tool: the model writes text and ```python blocks; each block is run and its output put behind it as an ```output
  block, and the model goes on, until it boxes an answer or the rounds are used up.

Programs run in `grading.sandbox` only. It does not grade.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..grading.answers import extract_answer
from ..grading.sandbox import Limits, ProgramResult, Sandbox
from ..recipe.schema import EvaluationSettings
from ..records import Completion
from .engine import Engine

_BLOCK = re.compile(r"```python[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_OUTPUT_CALL = "```output"


@dataclass(frozen=True, slots=True)
class Solution:
    """One attempt. `text` is everything after the prompt, with program outputs; `answer` is "" when there is none."""

    text: str
    answer: str
    finish: str
    num_tokens: int
    program_status: str = ""
    """Status of the last program (see sandbox.ProgramResult), "" when none ran."""


def solve(
    engine: Engine, prompts: Sequence[str], method: str, settings: EvaluationSettings, *, temperature: float,
    num_samples: int, seed: int, stop_texts: Sequence[str] = (), sandbox: Sandbox | None = None,
) -> list[list[Solution]]:  # fmt: skip
    """`num_samples` solutions of every prompt, in order.

    Raises ValueError for an unknown method, or when a method that runs programs gets no sandbox.
    """
    if method not in ("cot", "pot", "tool"):
        raise ValueError(f"unknown method {method!r}; use cot, pot or tool")
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
        solutions = _use_tools(engine, repeated, flat, settings, temperature, seed, sandbox)  # type: ignore[arg-type]
    return [solutions[i * num_samples : (i + 1) * num_samples] for i in range(len(prompts))]


def cut_at(text: str, stop_texts: Sequence[str]) -> str:
    """The text before the first of `stop_texts`."""
    ends = [position for stop in stop_texts if (position := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def extract_program(text: str) -> str:
    """The last ```python block (an unclosed one runs to the end), or the whole text when there is no fence."""
    blocks = _BLOCK.findall(text)
    return blocks[-1] if blocks else text.replace("```", "")


def program_answer(result: ProgramResult) -> str:
    """The last line that a successful program printed, "" otherwise."""
    lines = result.stdout.strip().splitlines() if result.status == "ok" else []
    return lines[-1].strip() if lines else ""


def _limits(settings: EvaluationSettings) -> Limits:
    return Limits(
        cpu_seconds=settings.program_cpu_seconds,
        wall_seconds=3.0 * settings.program_cpu_seconds,  # a busy machine must not turn answers into timeouts
        memory_bytes=settings.program_memory_bytes,
    )


def _read_text(completion: Completion, stop_texts: Sequence[str]) -> Solution:
    text = cut_at(completion.text, stop_texts)
    return Solution(text, extract_answer(text), completion.finish, len(completion.token_ids))


def _run_programs(
    completions: Sequence[Completion], stop_texts: Sequence[str], settings: EvaluationSettings, sandbox: Sandbox
) -> list[Solution]:
    texts = [cut_at(completion.text, stop_texts) for completion in completions]
    results = sandbox.run([extract_program(text) for text in texts], _limits(settings))
    return [
        Solution(text, program_answer(result), completion.finish, len(completion.token_ids), result.status)
        for text, completion, result in zip(texts, completions, results, strict=True)
    ]


@dataclass
class _Attempt:
    """A tool-integrated solution in the making."""

    prompt: str
    text: str
    finish: str
    num_tokens: int
    shown: str = ""
    """What its programs have printed so far: every round runs all blocks again, and only the rest is new."""
    program_status: str = ""

    @property
    def calls_tool(self) -> bool:
        """Did the model stop to read an output? Closed by the stop text, or by ending right behind a block."""
        if self.text.endswith(_OUTPUT_CALL):
            return True
        return self.finish == "stop" and bool(re.search(r"```python[ \t]*\n[^`]*```\s*\Z", self.text))


def _use_tools(
    engine: Engine, prompts: Sequence[str], completions: Sequence[Completion], settings: EvaluationSettings,
    temperature: float, seed: int, sandbox: Sandbox,
) -> list[Solution]:  # fmt: skip
    attempts = []
    for prompt, completion in zip(prompts, completions, strict=True):
        text = cut_at(completion.text, (_OUTPUT_CALL,))
        text += _OUTPUT_CALL if text != completion.text else ""
        attempts.append(_Attempt(prompt, text, completion.finish, len(completion.token_ids)))
    for round_number in range(1, settings.max_tool_rounds + 1):
        waiting = [attempt for attempt in attempts if attempt.calls_tool]
        if not waiting:
            break
        _append_outputs(waiting, settings, sandbox)
        going = [a for a in waiting if a.num_tokens < settings.max_completion_tokens]
        _continue(engine, going, settings, temperature, seed + round_number)
    return [Solution(a.text, extract_answer(a.text), a.finish, a.num_tokens, a.program_status) for a in attempts]


def _append_outputs(attempts: Sequence[_Attempt], settings: EvaluationSettings, sandbox: Sandbox) -> None:
    """Run every attempt's blocks and write what they newly printed into an output block."""
    programs = ["\n".join(_BLOCK.findall(attempt.text)) for attempt in attempts]
    for attempt, result in zip(attempts, sandbox.run(programs, _limits(settings)), strict=True):
        attempt.program_status = result.status
        printed = result.stdout
        if result.status == "ok":
            new = printed[len(attempt.shown) :] if printed.startswith(attempt.shown) else printed
            attempt.shown = printed
        else:
            last_line = (result.stderr.strip().splitlines() or [result.status])[-1]
            new = f"{printed[len(attempt.shown) :] if printed.startswith(attempt.shown) else ''}{last_line}"
        text = attempt.text if attempt.text.endswith(_OUTPUT_CALL) else f"{attempt.text.rstrip()}\n{_OUTPUT_CALL}"
        attempt.text = f"{text}\n{shorten(new.strip(), settings.max_program_output_chars)}\n```\n"


def _continue(
    engine: Engine, attempts: Sequence[_Attempt], settings: EvaluationSettings, temperature: float, seed: int
) -> None:
    if not attempts:
        return
    left = min(settings.max_completion_tokens - attempt.num_tokens for attempt in attempts)
    completions = engine.complete(
        [attempt.prompt + attempt.text for attempt in attempts], max_new_tokens=left, temperature=temperature,
        num_samples=1, seed=seed, stop_texts=(_OUTPUT_CALL,),
    )  # fmt: skip
    for attempt, (completion,) in zip(attempts, completions, strict=True):
        text = cut_at(completion.text, (_OUTPUT_CALL,))
        attempt.text += text + (_OUTPUT_CALL if text != completion.text else "")
        attempt.finish = completion.finish
        attempt.num_tokens += len(completion.token_ids)


def shorten(text: str, max_chars: int) -> str:
    """The text, or its two ends with "..." between them when it is longer than `max_chars`."""
    if len(text) <= max_chars:
        return text
    half = max_chars // 2
    return f"{text[:half]}...{text[len(text) - half :]}"
