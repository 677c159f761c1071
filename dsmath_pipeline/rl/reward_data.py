"""The data of reward models: graded solutions, and for a process model a label for every step (section 4.2).

The SFT model samples solutions of training problems and the grader labels them. Steps are labelled in Math-Shepherd's
way, which the paper follows: from the end of every step the SFT model completes the solution several times; a step from
which the right answer is reached is right. The hard label is 1 where any completion is right, the soft one the share
that is. The last step holds the answer, so its label is the solution's own grade.

Writes solutions.parquet (SOLUTION_SCHEMA).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pyarrow as pa
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from ..progress import SILENT, Progress
from ..recipe.schema import RewardModelSettings
from ..records import Completion, Problem
from ..storage import Artifact, Folder, read_table
from ..tokens.chat import prompt_text
from ..tokens.tokenizer import load_tokenizer, special_ids
from ..training.generate import generate
from ..training.models import load_model
from .questions import load_questions
from .rewards import Grader, grade_completions
from .rollout import sample_groups, to_sequences
from .steps import step_ends

SOLUTION_SCHEMA = pa.schema(
    [
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("solution", pa.string(), nullable=False),  # as sampled from the SFT model
        pa.field("prompt_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("completion_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("is_correct", pa.bool_(), nullable=False),
        pa.field("held_out", pa.bool_(), nullable=False),  # measured on, never trained on
        pa.field("step_ends", pa.list_(pa.int32()), nullable=False),  # token positions; empty of an outcome model
        pa.field("step_labels", pa.list_(pa.float32()), nullable=False),  # 0-1, one for each end
    ]
)
ROW_BATCH = 256
"""Completions sampled at a time."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """A policy with what sampling from it needs."""

    policy: PreTrainedModel
    tokenizer: Tokenizer
    end_id: int
    pad_id: int
    temperature: float
    max_completion_tokens: int


def sample_solutions(
    artifact: Artifact, sft: Folder, problems: Folder, settings: RewardModelSettings, seed: int, *,
    grade: Grader | None = None, device: str = "", progress: Progress = SILENT,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of SOLUTION_SCHEMA; kept as a shard, so a killed training does not sample again."""

    def make() -> tuple[pa.Table, dict[str, Any]]:
        tokenizer = load_tokenizer(sft)
        end, pad = special_ids(tokenizer, sft)
        sampler = Sampler(
            load_model(sft, device), tokenizer, end, pad, settings.temperature, settings.max_completion_tokens
        )
        questions = load_questions(problems)
        Random(f"{seed}:reward_model:questions").shuffle(questions)
        questions = questions[: settings.num_questions]
        progress.log(f"sampling {settings.samples_per_question} solutions of {len(questions)} problems")
        rows = _graded_rows(sampler, questions, settings, seed, grade)
        if settings.kind == "process":
            progress.log(f"sampling {settings.completions_per_step} completions from every step")
            label_steps(rows, {q.id: q for q in questions}, sampler, settings, seed + 1, grade=grade, progress=progress)
        return pa.Table.from_pylist(rows, schema=SOLUTION_SCHEMA), {}

    artifact.shard("solutions", artifact.key, make)
    return read_table(artifact.path / "solutions.parquet").to_pylist()


def _graded_rows(
    sampler: Sampler, questions: list[Problem], settings: RewardModelSettings, seed: int, grade: Grader | None
) -> list[dict[str, Any]]:
    groups = sample_groups(
        sampler.policy, sampler.tokenizer, questions, group_size=settings.samples_per_question,
        max_completion_tokens=sampler.max_completion_tokens, temperature=sampler.temperature,
        end_id=sampler.end_id, pad_id=sampler.pad_id, seed=seed,
    )  # fmt: skip
    grades = grade_completions(questions, groups, grade)
    sequences = to_sequences(sampler.tokenizer, questions, groups)
    num_held_out = max(1, round(len(questions) * settings.held_out_share))
    rows = []
    for n, (question, group, row) in enumerate(zip(questions, groups, grades, strict=True)):
        for k, (completion, verdict) in enumerate(zip(group, row, strict=True)):
            i = n * settings.samples_per_question + k
            rows.append(
                {
                    "problem_id": question.id, "solution": completion.text, "prompt_ids": sequences.prompts[i],
                    "completion_ids": sequences.completions[i], "is_correct": verdict.is_correct,
                    "held_out": n < num_held_out, "step_ends": [], "step_labels": [],
                }
            )  # fmt: skip
    return rows


def label_steps(
    rows: Sequence[dict[str, Any]], problems: dict[str, Problem], sampler: Sampler, settings: RewardModelSettings,
    seed: int, *, grade: Grader | None = None, progress: Progress = SILENT,
) -> None:  # fmt: skip
    """Fill `step_ends` and `step_labels` of every row by completing the solution from each of its steps.

    Equal prefixes of one problem are completed once. Completions get `max_completion_tokens` from the prefix's end.
    """
    prefixes: dict[tuple[str, str], float] = {}
    for row in rows:
        row["step_ends"] = step_ends(sampler.tokenizer, row["completion_ids"], settings.step_pattern)
        for end in row["step_ends"][:-1]:
            prefixes[row["problem_id"], _prefix(sampler, row, end)] = 0.0
    keys = list(prefixes)
    prompts = [_prompt(problems[problem_id]) + prefix for problem_id, prefix in keys]
    if prompts:
        groups = generate(
            sampler.policy, sampler.tokenizer, prompts, max_new_tokens=sampler.max_completion_tokens,
            end_id=sampler.end_id, pad_id=sampler.pad_id, temperature=sampler.temperature,
            num_samples=settings.completions_per_step, seed=seed, batch_rows=ROW_BATCH, progress=progress,
        )  # fmt: skip
        whole = [
            [Completion(prefix + completion.text, finish=completion.finish) for completion in group]
            for (_, prefix), group in zip(keys, groups, strict=True)
        ]
        grades = grade_completions([problems[problem_id] for problem_id, _ in keys], whole, grade)
        for key, row in zip(keys, grades, strict=True):
            prefixes[key] = step_label([verdict.is_correct for verdict in row], settings.step_labels)
    for row in rows:
        labels = [prefixes[row["problem_id"], _prefix(sampler, row, end)] for end in row["step_ends"][:-1]]
        row["step_labels"] = [*labels, float(row["is_correct"])] if row["step_ends"] else []


def step_label(are_correct: Sequence[bool], kind: str) -> float:
    """Math-Shepherd's estimate of a step from the completions that start behind it: hard, or soft."""
    return float(any(are_correct)) if kind == "hard" else sum(are_correct) / len(are_correct)


def _prefix(sampler: Sampler, row: dict[str, Any], end: int) -> str:
    return sampler.tokenizer.decode(row["completion_ids"][: end + 1])


def _prompt(problem: Problem) -> str:
    return prompt_text(problem.problem, "cot", problem.language)


def preference_pairs(
    rows: Sequence[dict[str, Any]], seed: int, per_question: int = 4
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Right and wrong solutions of the same problem, at most `per_question` pairs each; equal texts count once."""
    by_problem: dict[str, tuple[dict[str, dict], dict[str, dict]]] = {}
    for row in rows:
        wrong, right = by_problem.setdefault(row["problem_id"], ({}, {}))
        (right if row["is_correct"] else wrong).setdefault(row["solution"], row)
    rng = Random(f"{seed}:pairs")
    pairs = []
    for wrong, right in by_problem.values():
        both = [(good, bad) for good in right.values() for bad in wrong.values()]
        pairs += rng.sample(both, min(per_question, len(both)))
    return pairs
