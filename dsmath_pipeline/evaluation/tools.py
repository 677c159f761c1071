"""Tool-integrated reasoning: the model writes a program, reads what it prints, and goes on.

A model that writes "```output" (or ends right behind a ```python block) gets the block run and the output put there,
until it writes no more programs or the rounds and tokens are used up. Blocks of one solution work as the cells of a
notebook do: a later block knows the names that earlier ones made, and an earlier block that failed keeps what it had
made before it failed. Only the new block's output is shown.

Programs run in `grading.sandbox` only. It does not grade.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..grading.sandbox import Limits, ProgramResult, Sandbox
from ..recipe.schema import EvaluationSettings
from ..records import Completion
from .engine import Engine
from .prompts import OUTPUT_CALL

BLOCK = re.compile(r"```python[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_ENDS_WITH_BLOCK = re.compile(r"```python[ \t]*\n[^`]*```\s*\Z")
_RERUNNABLE = ("ok", "error")
"""After these outcomes a block is run again in front of the next one; one that was killed would be killed again."""


@dataclass
class Attempt:
    """A tool-integrated solution in the making."""

    prompt: str
    text: str
    finish: str
    num_tokens: int
    program_status: str = ""
    """Status of the last program (see sandbox.ProgramResult), "" when none ran."""
    num_programs: int = 0
    cells: list[str] = field(default_factory=list)
    """Earlier blocks that are run again."""

    @property
    def calls_tool(self) -> bool:
        """Did the model stop to read an output? Closed by the stop text, or by ending right behind a block."""
        if self.text.endswith(OUTPUT_CALL):
            return self.block is not None
        return self.finish == "stop" and bool(_ENDS_WITH_BLOCK.search(self.text))

    @property
    def block(self) -> str | None:
        """The block that was not run yet, None when there is none."""
        blocks = BLOCK.findall(self.text)
        return blocks[-1] if len(blocks) > self.num_programs else None


def use_tools(
    engine: Engine, prompts: Sequence[str], completions: Sequence[Completion], settings: EvaluationSettings,
    temperature: float, seed: int, stop_texts: Sequence[str], sandbox: Sandbox,
) -> list[Attempt]:  # fmt: skip
    """Serve the tool calls of `completions`, one for each prompt, for at most `max_tool_rounds` rounds."""
    attempts = [Attempt(prompt, "", "stop", 0) for prompt in prompts]
    for attempt, completion in zip(attempts, completions, strict=True):
        _extend(attempt, completion, stop_texts)
    for round_number in range(1, settings.max_tool_rounds + 1):
        waiting = [attempt for attempt in attempts if attempt.calls_tool]
        if not waiting:
            break
        _append_outputs(waiting, settings, sandbox)
        going = [a for a in waiting if a.num_tokens < settings.max_completion_tokens]
        if not going:
            break
        answers = engine.complete(
            [attempt.prompt + attempt.text for attempt in going],
            max_new_tokens=[settings.max_completion_tokens - attempt.num_tokens for attempt in going],
            temperature=temperature, num_samples=1, seed=seed + round_number, stop_texts=stop_texts,
        )  # fmt: skip
        for attempt, (completion,) in zip(going, answers, strict=True):
            _extend(attempt, completion, stop_texts)
    return attempts


def _extend(attempt: Attempt, completion: Completion, stop_texts: Sequence[str]) -> None:
    """Add what the model wrote, up to its tool call (which stays) or another stop text (which goes)."""
    text = cut_at(completion.text, stop_texts)
    calls = completion.text[len(text) :].startswith(OUTPUT_CALL)
    attempt.text += text + (OUTPUT_CALL if calls else "")
    attempt.finish = completion.finish
    attempt.num_tokens += len(completion.token_ids)


def _append_outputs(attempts: Sequence[Attempt], settings: EvaluationSettings, sandbox: Sandbox) -> None:
    """Run every attempt's new block and write what it printed into an output block."""
    blocks = [attempt.block or "" for attempt in attempts]
    programs = [notebook_program(attempt.cells, block) for attempt, block in zip(attempts, blocks, strict=True)]
    results = sandbox.run(programs, program_limits(settings))
    for attempt, block, result in zip(attempts, blocks, results, strict=True):
        attempt.program_status = result.status
        attempt.num_programs = len(BLOCK.findall(attempt.text))
        if result.status in _RERUNNABLE:
            attempt.cells.append(block)
        text = attempt.text if attempt.text.endswith(OUTPUT_CALL) else f"{attempt.text.rstrip()}\n{OUTPUT_CALL}"
        attempt.text = f"{text}\n{shown_output(result, settings.max_program_output_chars)}\n```\n"


def notebook_program(cells: Sequence[str], block: str) -> str:
    """A program that runs `cells` silently, whatever becomes of them, and then `block` in the same names."""
    if not cells:
        return block
    return (
        "import contextlib as _contextlib, io as _io\n"
        f"for _cell in {list(cells)!r}:\n"
        "    with _contextlib.redirect_stdout(_io.StringIO()), _contextlib.suppress(BaseException):\n"
        "        exec(compile(_cell, '<earlier block>', 'exec'), globals())\n"
        f"{block}"
    )


def shown_output(result: ProgramResult, max_chars: int) -> str:
    """What the model reads: what was printed, and the last line of the error of a program that failed."""
    printed = result.stdout.strip()
    if result.status != "ok":
        error = (result.stderr.strip().splitlines() or [result.status])[-1]
        printed = f"{printed}\n{error}".strip()
    return shorten(printed, max_chars)


def cut_at(text: str, stop_texts: Sequence[str]) -> str:
    """The text before the first of `stop_texts`."""
    ends = [position for stop in stop_texts if (position := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def program_limits(settings: EvaluationSettings) -> Limits:
    return Limits(
        cpu_seconds=settings.program_cpu_seconds,
        wall_seconds=3.0 * settings.program_cpu_seconds,  # a busy machine must not turn answers into timeouts
        memory_bytes=settings.program_memory_bytes,
    )


def shorten(text: str, max_chars: int) -> str:
    """The text, or its two ends with "..." between them when it is longer than `max_chars`."""
    if len(text) <= max_chars:
        return text
    half = max_chars // 2
    return f"{text[:half]}...{text[len(text) - half :]}"
