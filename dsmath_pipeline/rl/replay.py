"""After an iteration: the reference becomes the policy, and the reward model learns from what the policy samples now.

Algorithm 1 and section 4.1.4: the reward model is trained on, with a replay of 10 % historical data. New data are the
iteration's own samples with their grades, of a process model with step labels by completions of the policy; history is
what the reward model was first trained on and the samples of earlier iterations. One pass, a fresh AdamW. How long and
at what rate the paper retrains it does not say.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

import torch

from ..progress import Progress
from ..recipe.schema import RewardModelSettings
from ..records import Problem
from ..storage import Folder, read_table
from ..tokens.chat import prompt_text
from .learner import Learner
from .reward_data import Sampler, label_steps
from .reward_model import collate, is_process_model, loss_of
from .rewards import Grader


def finish_iteration(
    learner: Learner, questions: Sequence[Problem], samples: Folder, reward_model: Folder | None, grade: Grader | None,
    progress: Progress,
) -> None:  # fmt: skip
    """Retrain the reward model, if there is one, and make the policy the new reference."""
    if learner.scorer is not None and reward_model is not None:
        rows = _sampled(learner, questions, samples)
        size = learner.settings.num_steps
        first = learner.step - size
        new = [row for row in rows if first < row["step"]]
        old = [row for row in rows if row["step"] <= first] + _historical(reward_model)
        is_process = is_process_model(learner.scorer)
        settings = _reward_settings(learner, is_process)
        mixed = with_replay(new, old, learner.settings.replay_share, learner.seed * 1_000_003 + learner.step)
        if is_process:
            unlabelled = [row for row in mixed if not row["step_labels"]]
            sampler = Sampler(
                learner.policy, learner.tokenizer, learner.end_id, learner.pad_id, learner.settings.temperature,
                learner.settings.max_completion_tokens,
            )  # fmt: skip
            label_steps(
                unlabelled, {q.id: q for q in questions}, sampler, settings, learner.seed + learner.step, grade=grade
            )
        progress.log(f"the reward model learns from {len(new)} new and {len(mixed) - len(new)} earlier completions")
        retrain(learner.scorer, mixed, settings, learner.pad_id)
    learner.reference.load_state_dict(learner.policy.state_dict())


def with_replay(
    new: Sequence[dict[str, Any]], old: Sequence[dict[str, Any]], share: float, seed: int
) -> list[dict[str, Any]]:
    """All of `new` and so many of `old`, drawn at random, that they are `share` of the whole (as far as they go)."""
    num = min(len(old), round(share / (1 - share) * len(new)))
    rng = Random(f"{seed}:replay")
    mixed = [*new, *rng.sample(list(old), num)]
    rng.shuffle(mixed)
    return mixed


def retrain(scorer: Any, rows: Sequence[dict[str, Any]], settings: RewardModelSettings, pad_id: int) -> None:
    """One pass of gradient steps on `rows` (SOLUTION_SCHEMA), in their order."""
    optimizer = torch.optim.AdamW(
        scorer.parameters(), settings.learning_rate, (settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
    )  # fmt: skip
    loss_function, device = loss_of(settings), next(scorer.parameters()).device
    scorer.train().requires_grad_(True)
    for first in range(0, len(rows), settings.batch_examples):
        step = rows[first : first + settings.batch_examples]
        total = sum(len(row["step_labels"]) for row in step) if settings.kind == "process" else len(step)
        optimizer.zero_grad()
        for i in range(0, len(step), settings.micro_batch_examples):
            batch = collate(step[i : i + settings.micro_batch_examples], pad_id, settings)
            labels = batch.pop("labels").to(device)
            outputs = scorer(**{name: tensor.to(device) for name, tensor in batch.items()})
            loss_function(outputs, labels, total).backward()
        torch.nn.utils.clip_grad_norm_(scorer.parameters(), settings.max_grad_norm)
        optimizer.step()
    scorer.eval()


def _reward_settings(learner: Learner, is_process: bool) -> RewardModelSettings:
    settings = learner.settings
    return RewardModelSettings(
        kind="process" if is_process else "outcome", learning_rate=settings.reward_learning_rate,
        batch_examples=settings.reward_batch_examples, micro_batch_examples=settings.micro_batch_completions,
        step_pattern=settings.step_pattern,
    )  # fmt: skip


def _sampled(learner: Learner, questions: Sequence[Problem], samples: Folder) -> list[dict[str, Any]]:
    """The run's own samples as rows of SOLUTION_SCHEMA with `step`."""
    by_id = {question.id: question for question in questions}
    prompts: dict[str, list[int]] = {}
    rows = []
    for row in read_table(samples).to_pylist():
        problem = by_id[row["problem_id"]]
        if problem.id not in prompts:
            text = prompt_text(problem.problem, learner.settings.solution, problem.language)
            prompts[problem.id] = learner.tokenizer.encode(text).ids
        rows.append(
            {
                "step": row["step"], "problem_id": problem.id, "solution": row["completion"],
                "prompt_ids": prompts[problem.id], "completion_ids": row["token_ids"],
                "is_correct": row["verdict"] == "correct", "step_ends": [], "step_labels": [],
            }
        )  # fmt: skip
    return rows


def _historical(reward_model: Folder) -> list[dict[str, Any]]:
    """What the reward model was trained on; nothing where it comes from elsewhere."""
    path = reward_model / "solutions.parquet"
    return [row for row in read_table(path).to_pylist() if not row["held_out"]] if path.exists() else []
