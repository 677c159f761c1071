"""GRPO with outcome or process supervision (section 4.1; equations 3 and 4)."""

from typing import Any

import torch

from ..advantage import informative_rows, outcome_advantages, process_advantages, step_tensors
from ..explore import outcome_rewards
from ..learner import Batch, Learner
from ..objective import completion_mean, grpo_loss
from ..rollout import for_tokens
from ..update import MicroBatch, objective_options, update_policy
from .base import Stateless


class Grpo(Stateless):
    """Outcome supervision; `Grpo(rewards_steps=True)` is process supervision."""

    def __init__(self, *, rewards_steps: bool = False):
        self.rewards_steps = rewards_steps

    def update(self, learner: Learner, batch: Batch) -> tuple[dict[str, Any], list[float]]:
        settings, options = learner.settings, objective_options(learner)
        advantages = step_advantages(learner, batch) if self.rewards_steps else group_advantages(learner, batch)

        def loss(micro: MicroBatch) -> tuple[torch.Tensor, float]:
            parts = grpo_loss(
                micro.policy_BT, micro.old_BT, micro.reference_BT, for_tokens(advantages, micro.rows, micro.mask_BT),
                micro.mask_BT, micro.num_completions, clip_range=settings.clip_range,
                kl_coefficient=settings.kl_coefficient, options=options, num_tokens=micro.num_tokens,
            )  # fmt: skip
            return parts.loss, parts.clip_share

        figures = update_policy(learner, batch, loss, chosen=trained_rows(learner, batch))
        return figures, shown(advantages, batch)


def group_advantages(learner: Learner, batch: Batch) -> torch.Tensor:
    """Group-relative advantages of the N completions: [N] (section 4.1.2)."""
    settings = learner.settings
    return outcome_advantages(batch.rewards_BG, settings.std_epsilon, divide_by_std=settings.divide_by_std).flatten()


def step_advantages(learner: Learner, batch: Batch) -> torch.Tensor:
    """Group-relative advantages of every token, by position in the completion: [N, T].

    `model_reward_weight` times those of the process model's steps (section 4.1.3), plus those of what whole completions
    earn: rule, format and length (section 4.1.2). Each part is compared within its own kind, so a right answer neither
    raises the mean that steps are measured by nor makes the steps before the last look worse. Without the second part
    (its weights 0) this is the paper's process supervision; the sum of both is not in the paper.
    """
    assert batch.step_rewards is not None and batch.step_ends is not None
    settings = learner.settings
    lengths = [len(ids) for ids in batch.sequences.completions]
    rewards_NT, is_end_NT = step_tensors(batch.step_rewards, batch.step_ends, lengths, batch.longest)
    shape = (len(batch.groups), -1, batch.longest)
    process_BGT = process_advantages(
        rewards_NT.view(shape), is_end_NT.view(shape), settings.std_epsilon, divide_by_std=settings.divide_by_std,
        average_steps=settings.average_steps,
    )  # fmt: skip
    outcome_BG = outcome_advantages(
        outcome_rewards(batch.grades, batch.groups, settings),
        settings.std_epsilon,
        divide_by_std=settings.divide_by_std,
    )
    is_token_NT = torch.arange(batch.longest) < torch.tensor(lengths)[:, None]
    return settings.model_reward_weight * process_BGT.flatten(0, 1) + outcome_BG.flatten()[:, None] * is_token_NT


def trained_rows(learner: Learner, batch: Batch) -> list[int] | None:
    """The completions that an update reads: all (None), or those of groups with spread."""
    if not learner.settings.skip_without_spread:
        return None
    return informative_rows(batch.rewards_BG).nonzero().flatten().tolist()


def shown(advantages: torch.Tensor, batch: Batch) -> list[float]:
    """One number for each completion: its advantage, or the mean over its tokens."""
    if advantages.dim() == 1:
        return advantages.tolist()
    mask_NT = torch.zeros_like(advantages)
    for n, ids in enumerate(batch.sequences.completions):
        mask_NT[n, : len(ids)] = 1
    return completion_mean(advantages, mask_NT).tolist()
