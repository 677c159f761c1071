"""TRPO: one natural-gradient step inside a trust region for each exploration stage. For small models; not in the paper.

Advantages are GRPO's group-relative ones. The whole batch is one graph, differentiated twice, with a distribution over
the vocabulary at every token: micro-batches and the optimizer are not used.
"""

from typing import Any

import torch

from ..kl import k3
from ..learner import Batch, Learner
from ..objective import completion_mean, token_weights
from ..rollout import completion_logits, for_tokens, sampler_gap
from ..trpo import trpo_step
from ..update import reference_logprobs
from .base import Stateless
from .grpo import group_advantages


class Trpo(Stateless):
    """`max_kl` is the radius."""

    def update(self, learner: Learner, batch: Batch) -> tuple[dict[str, Any], list[float]]:
        settings, rows = learner.settings, list(range(len(batch.sequences)))
        advantages_N = group_advantages(learner, batch)

        def logits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            return completion_logits(learner.policy, batch.sequences, rows, settings.temperature, learner.pad_id)

        with torch.no_grad():
            logits_BTV, targets_BT, mask_BT = logits()
            old_BT = torch.log_softmax(logits_BTV, -1).gather(2, targets_BT[..., None])[..., 0]
        is_token_BT = mask_BT > 0
        weights_BT = token_weights(mask_BT, len(rows))
        advantages_BT = for_tokens(advantages_N, rows, mask_BT)[:, None].expand_as(mask_BT)
        step = trpo_step(
            [p for p in learner.policy.parameters() if p.requires_grad],
            lambda: torch.log_softmax(logits()[0][is_token_BT], -1),
            targets_BT[is_token_BT], advantages_BT[is_token_BT], weights_BT[is_token_BT], max_kl=settings.max_kl,
        )  # fmt: skip
        kl_BT = k3(old_BT, reference_logprobs(learner, batch, rows))
        figures = {
            "kl": float(completion_mean(kl_BT, mask_BT).mean()),
            "mean_logprob": float(completion_mean(old_BT, mask_BT).mean()), "clip_share": 0.0, "grad_norm": 0.0,
            "sampler_gap": sampler_gap(old_BT, mask_BT, [batch.sampled_logprobs(i) for i in rows]),
            "step_kl": step.kl,
        }  # fmt: skip
        return figures, advantages_N.tolist()
