"""REINFORCE with a baseline (not in the paper; where its methods come from).

The reward of a token holds PPO's KL penalty (equation 2); its weight is the discounted sum of what follows it. The
baseline is taken from the completions' scores: none, the mean of the batch, or the mean of the group's others.
"""

from typing import Any

import torch

from ..learner import Batch, Learner
from ..likelihood import weighted_likelihood_loss
from ..ppo import penalised_rewards
from ..returns import batch_mean_advantages, leave_one_out_advantages, rewards_to_go
from ..update import MicroBatch, objective_options, update_policy
from .base import Stateless


class Reinforce(Stateless):
    """The plain policy gradient."""

    def update(self, learner: Learner, batch: Batch) -> tuple[dict[str, Any], list[float]]:
        settings = learner.settings
        scores_N = baselined(batch.rewards_BG, settings.baseline).flatten()

        def loss(micro: MicroBatch) -> tuple[torch.Tensor, float]:
            scores_B = scores_N[micro.rows].to(micro.mask_BT.device)
            kept_B = micro.mask_BT.sum(1) > 0  # a masked completion has no token to carry its score
            rewards_BT = torch.zeros_like(micro.mask_BT)
            rewards_BT[kept_B] = penalised_rewards(
                scores_B[kept_B], micro.old_BT[kept_B], micro.reference_BT[kept_B], micro.mask_BT[kept_B],
                settings.kl_coefficient,
            )  # fmt: skip
            weights_BT = rewards_to_go(rewards_BT, micro.mask_BT, settings.discount)
            value = weighted_likelihood_loss(
                micro.policy_BT, weights_BT, micro.mask_BT, micro.num_completions, options=objective_options(learner),
                num_tokens=micro.num_tokens,
            )  # fmt: skip
            return value, 0.0

        return update_policy(learner, batch, loss), scores_N.tolist()


def baselined(rewards_BG: torch.Tensor, baseline: str) -> torch.Tensor:
    """Rewards minus the baseline: [B, G]. Raises ValueError for an unknown one."""
    baselines = {
        "none": lambda r: r, "batch": batch_mean_advantages, "leave_one_out": leave_one_out_advantages,
    }  # fmt: skip
    if baseline not in baselines:
        raise ValueError(f"unknown baseline {baseline!r}: choose one of {', '.join(baselines)}")
    return baselines[baseline](rewards_BG)
