"""RFT and Online RFT: raise the likelihood of right completions (appendix A.1, equation 10).

They differ in who samples: RFT takes its completions from the SFT model, Online RFT from the policy as it is now. The
paper's RFT samples once before it trains; here the frozen SFT model samples for every step, which draws from the same
distribution. Weight 1 for a right completion, 0 for a wrong one, by the rule; no KL term.
"""

from typing import Any

import torch

from ..learner import Batch, Learner
from ..likelihood import rft_loss
from ..update import MicroBatch, objective_options, update_policy
from .base import Sampler, Stateless


class Rft(Stateless):
    """`samples_from="reference"`: RFT; `"policy"`: Online RFT."""

    def __init__(self, samples_from: Sampler):
        self.samples_from: Sampler = samples_from

    def update(self, learner: Learner, batch: Batch) -> tuple[dict[str, Any], list[float]]:
        is_correct_N = batch.is_correct_N.float()

        def loss(micro: MicroBatch) -> tuple[torch.Tensor, float]:
            weights_B = is_correct_N[micro.rows].to(micro.mask_BT.device)
            value = rft_loss(
                micro.policy_BT, weights_B, micro.mask_BT, micro.num_completions, options=objective_options(learner),
                num_tokens=micro.num_tokens,
            )  # fmt: skip
            return value, 0.0

        return update_policy(learner, batch, loss), is_correct_N.tolist()
