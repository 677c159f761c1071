"""One exploration stage: sample completions, grade and reward them (Algorithm 1, lines 5 to 8)."""

import time
from typing import Literal

import torch

from ..grading.sandbox import Sandbox
from ..recipe.schema import RlSettings
from ..records import Completion, Grade, Problem
from ..training.generate import generate
from .learner import Batch, Learner
from .reward_model import score_sequences, score_steps
from .rewards import Grader, grade_completions, mix_rewards, rule_rewards
from .rollout import Sequences, sample_groups, to_sequences
from .steps import step_ends
from .tool_rollout import sample_tool_groups


def explore(
    learner: Learner, problems: list[Problem], *, samples_from: Literal["policy", "reference"], rewards_steps: bool,
    grade: Grader | None, sandbox: Sandbox | None,
) -> Batch:  # fmt: skip
    """A group of completions for each of `problems`, rewarded.

    Where steps are rewarded, `step_rewards` are the process model's probabilities as they are, and `rewards_BG` their
    mean times `model_reward_weight` plus `outcome_rewards`: what is watched, not what is learned from.
    """
    started = time.perf_counter()
    groups, sequences = _sample(learner, problems, samples_from, sandbox)
    sampled = time.perf_counter()
    grades = grade_completions(problems, groups, grade)
    ends = steps = model_rewards = None
    settings, size = learner.settings, learner.settings.group_size
    if rewards_steps:
        assert learner.scorer is not None
        ends = [step_ends(learner.tokenizer, ids, settings.step_pattern) for ids in sequences.completions]
        steps = score_steps(learner.scorer, sequences, ends)
        model_rewards = _grouped([min(row, default=0.0) for row in steps], size)
        means_BG = torch.tensor(_grouped([sum(row) / max(len(row), 1) for row in steps], size))
        rewards_BG = outcome_rewards(grades, groups, settings) + settings.model_reward_weight * means_BG
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


def outcome_rewards(grades: list[list[Grade]], groups: list[list[Completion]], settings: RlSettings) -> torch.Tensor:
    """What whole completions earn without the reward model, [B, G]: rule, format and length parts."""
    rule = rule_rewards(grades)
    nothing = [[0.0] * len(row) for row in rule]
    return torch.tensor(mix_rewards(rule, nothing, settings, groups))


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
