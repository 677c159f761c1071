"""One exploration stage: sample completions, grade and reward them (Algorithm 1, lines 5 to 8)."""

import time
from typing import Literal

import torch

from ..grading.sandbox import Sandbox
from ..records import Completion, Problem
from ..training.generate import generate
from .learner import Batch, Learner
from .reward_model import score_sequences, score_steps
from .rewards import Grader, format_rewards, grade_completions, length_penalties, mix_rewards, rule_rewards
from .rollout import Sequences, sample_groups, to_sequences
from .steps import step_ends
from .tool_rollout import sample_tool_groups


def explore(
    learner: Learner, problems: list[Problem], *, samples_from: Literal["policy", "reference"], rewards_steps: bool,
    grade: Grader | None, sandbox: Sandbox | None,
) -> Batch:  # fmt: skip
    """A group of completions for each of `problems`, rewarded."""
    started = time.perf_counter()
    groups, sequences = _sample(learner, problems, samples_from, sandbox)
    sampled = time.perf_counter()
    grades = grade_completions(problems, groups, grade)
    ends = steps = model_rewards = None
    settings, size = learner.settings, learner.settings.group_size
    if rewards_steps:
        assert learner.scorer is not None
        ends = [step_ends(learner.tokenizer, ids, settings.step_pattern) for ids in sequences.completions]
        scores = score_steps(learner.scorer, sequences, ends)
        rule = [value for row in rule_rewards(grades) for value in row]
        steps = _step_rewards(learner, groups, scores, rule)
        model_rewards = _grouped([min(row, default=0.0) for row in scores], size)
        rewards_BG = torch.tensor(_grouped([sum(row) / max(len(row), 1) for row in steps], size))
    else:
        if learner.scorer is not None and settings.model_reward_weight > 0:
            model_rewards = _grouped(score_sequences(learner.scorer, sequences), size)
        rewards_BG = torch.tensor(mix_rewards(rule_rewards(grades), model_rewards, settings, groups))
    return Batch(
        samples_from, problems, sequences, groups, grades, rewards_BG, model_rewards, steps, ends, sampled - started,
        time.perf_counter() - sampled,
    )  # fmt: skip


def _sample(
    learner: Learner, problems: list[Problem], samples_from: str, sandbox: Sandbox | None
) -> tuple[list[list[Completion]], Sequences]:
    settings = learner.settings
    model = learner.policy if samples_from == "policy" else learner.reference
    seed = learner.seed * 1_000_003 + learner.step
    if settings.solution == "tool":
        assert sandbox is not None
        return sample_tool_groups(
            model, learner.tokenizer, problems, sandbox, group_size=settings.group_size,
            max_completion_tokens=settings.max_completion_tokens, max_tool_rounds=settings.max_tool_rounds,
            temperature=settings.temperature, end_id=learner.end_id, pad_id=learner.pad_id, seed=seed,
        )  # fmt: skip
    groups = sample_groups(
        model, learner.tokenizer, problems, group_size=settings.group_size,
        max_completion_tokens=settings.max_completion_tokens, temperature=settings.temperature,
        end_id=learner.end_id, pad_id=learner.pad_id, seed=seed,
    )  # fmt: skip
    return groups, to_sequences(learner.tokenizer, problems, groups)


def _step_rewards(
    learner: Learner, groups: list[list[Completion]], scores: list[list[float]], rule: list[float]
) -> list[list[float]]:
    """The process model's probability of every step; rule, format and length parts come with the last step."""
    settings = learner.settings
    shape = [value for row in format_rewards(groups) for value in row]
    length = [value for row in length_penalties(groups, settings.max_completion_tokens) for value in row]
    found = []
    for row, r, f, n in zip(scores, rule, shape, length, strict=True):
        steps = [settings.model_reward_weight * score for score in row]
        if steps:
            steps[-1] += settings.rule_reward_weight * r + settings.format_reward_weight * f
            steps[-1] += settings.length_penalty_weight * n
        found.append(steps)
    return found


def held_out_share(learner: Learner, problems: list[Problem], grade: Grader | None) -> float:
    """Share (0-1) of held-out questions that the policy solves greedily, by chain of thought."""
    from ..tokens.chat import prompt_text

    groups = generate(
        learner.policy, learner.tokenizer, [prompt_text(p.problem, "cot", p.language) for p in problems],
        max_new_tokens=learner.settings.max_completion_tokens, end_id=learner.end_id, pad_id=learner.pad_id,
    )  # fmt: skip
    grades = grade_completions(problems, groups, grade)
    return sum(row[0].is_correct for row in grades) / len(grades)


def _grouped(values: list[float], size: int) -> list[list[float]]:
    return [values[i : i + size] for i in range(0, len(values), size)]
