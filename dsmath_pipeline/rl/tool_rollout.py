"""Tool-integrated completions: the policy writes programs, reads what they print, and goes on (section 3).

A completion that comes to its "```output" has its program run in the sandbox; the output is put in as tokens that the
policy did not write (mask 0, log-probability 0), and the policy goes on, for at most `max_tool_rounds` rounds. What was
sampled is never decoded and encoded again: every round continues from token ids. `finish` is `stop` after the end
token, `length` when the limit of all tokens of the completion, output included, or of rounds was reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedModel

from ..evaluation.prompts import OUTPUT_CALL
from ..evaluation.tools import BLOCK, notebook_program, shown_output
from ..grading.sandbox import Sandbox
from ..records import Completion, Problem
from ..tokens.chat import prompt_text
from ..training.generate import generate
from .rollout import Sequences

MAX_OUTPUT_CHARS = 200
"""Longer program output is cut in the middle, as in evaluation."""
_RERUNNABLE = ("ok", "error")


@dataclass
class ToolRow:
    """One completion in the making."""

    prompt: list[int]
    token_ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: str = "length"
    cells: list[str] = field(default_factory=list)
    """Programs that ran before."""
    num_programs: int = 0


class _IdPrompts:
    """Gives `generate` token ids instead of texts to encode: a prompt is the number of a row."""

    def __init__(self, tokenizer: Tokenizer, rows: Sequence[ToolRow]):
        self._tokenizer, self._rows = tokenizer, rows
        self.decode, self.decode_batch = tokenizer.decode, tokenizer.decode_batch

    def encode_batch(self, prompts: Sequence[str]) -> list[Any]:
        return [_Encoded(self._rows[int(number)]) for number in prompts]


class _Encoded:
    def __init__(self, row: ToolRow):
        self.ids = row.prompt + row.token_ids


def sample_tool_groups(
    policy: PreTrainedModel, tokenizer: Tokenizer, problems: Sequence[Problem], sandbox: Sandbox, *,
    group_size: int, max_completion_tokens: int, max_tool_rounds: int, temperature: float, end_id: int, pad_id: int,
    seed: int, batch_rows: int = 256,
) -> tuple[list[list[Completion]], Sequences]:  # fmt: skip
    """`group_size` completions of every problem, and their tokens with masks; groups lie next to each other."""
    rows = [
        ToolRow(tokenizer.encode(prompt_text(problem.problem, "tool", problem.language)).ids)
        for problem in problems
        for _ in range(group_size)
    ]
    going = rows
    for round_number in range(max_tool_rounds + 1):
        _extend(going, policy, tokenizer, max_completion_tokens, temperature, end_id, pad_id,
                seed * 101 + round_number, batch_rows)  # fmt: skip
        going = [row for row in going if row.finish == "call"]
        if round_number == max_tool_rounds:
            break
        _run_programs(going, tokenizer, sandbox, max_completion_tokens)
        going = [row for row in going if len(row.token_ids) < max_completion_tokens]
        if not going:
            break
    for row in rows:
        row.finish = "stop" if row.finish == "stop" else "length"
    completions = [
        Completion(_text(tokenizer, row, end_id), tuple(row.token_ids), row.finish, tuple(row.logprobs))
        for row in rows
    ]  # fmt: skip
    groups = [completions[i * group_size : (i + 1) * group_size] for i in range(len(problems))]
    return groups, Sequences([r.prompt for r in rows], [r.token_ids for r in rows], [r.mask for r in rows])


def _extend(
    rows: Sequence[ToolRow], policy: PreTrainedModel, tokenizer: Tokenizer, max_tokens: int, temperature: float,
    end_id: int, pad_id: int, seed: int, batch_rows: int,
) -> None:  # fmt: skip
    """Let the policy write on, up to its end, its next tool call or the limit."""
    prompts: Any = _IdPrompts(tokenizer, rows)
    groups = generate(
        policy, prompts, [str(n) for n in range(len(rows))],
        max_new_tokens=[max_tokens - len(row.token_ids) for row in rows], end_id=end_id, pad_id=pad_id,
        temperature=temperature, seed=seed, batch_rows=batch_rows, stop_texts=[OUTPUT_CALL],
    )  # fmt: skip
    for row, (completion,) in zip(rows, groups, strict=True):
        row.token_ids += completion.token_ids
        row.logprobs += completion.logprobs
        row.mask += [1] * len(completion.token_ids)
        row.finish = completion.finish
        if completion.finish == "stop" and completion.token_ids[-1] != end_id:
            row.finish = "call"


def _run_programs(rows: Sequence[ToolRow], tokenizer: Tokenizer, sandbox: Sandbox, max_tokens: int) -> None:
    """Put every row's program output behind its call; what does not fit under the limit is cut off."""
    blocks = [_new_block(tokenizer, row) for row in rows]
    programs = [notebook_program(row.cells, block) for row, block in zip(rows, blocks, strict=True)]
    for row, block, result in zip(rows, blocks, sandbox.run(programs), strict=True):
        if result.status in _RERUNNABLE:
            row.cells.append(block)
        ids = tokenizer.encode(f"\n{shown_output(result, MAX_OUTPUT_CHARS)}\n```\n").ids
        ids = ids[: max_tokens - len(row.token_ids)]
        row.token_ids += ids
        row.mask += [0] * len(ids)
        row.logprobs += [0.0] * len(ids)
        row.finish = "length"


def _new_block(tokenizer: Tokenizer, row: ToolRow) -> str:
    """The program that was not run yet; "" when the call has none."""
    blocks = BLOCK.findall(tokenizer.decode(row.token_ids))
    found = blocks[-1] if len(blocks) > row.num_programs else ""
    row.num_programs = len(blocks)
    return found


def _text(tokenizer: Tokenizer, row: ToolRow, end_id: int) -> str:
    return tokenizer.decode([token for token in row.token_ids if token != end_id])
