"""TRPO: one natural-gradient step inside a trust region for each exploration stage. For small models; not in the paper.

Advantages are GRPO's group-relative ones. The whole batch is one graph with a distribution over the vocabulary at every
token: micro-batches and the optimizer are not used. Only some completions, spread over the batch, make the Fisher
matrix, which is differentiated twice.

There is no optimizer that averages over stages, and each step is as long as the last, however little its batch says:
few stages of large batches, and a radius that falls, learn where many small ones wander (docs/rl.md).
"""

from typing import Any

import torch

from ...training.schedule import linear_tail_factor
from ..kl import k3
from ..learner import Batch, Learner
from ..objective import completion_mean, token_weights
from ..rollout import completion_logits, for_tokens, sampler_gap
from ..trpo import Distributions, trpo_step
from ..update import reference_logprobs
from .base import Stateless
from .grpo import group_advantages

_FISHER_COMPLETIONS = 128
"""About so many make the Fisher matrix."""


class Trpo(Stateless):
    """`max_kl` is the radius; it falls with the square of the factor by which learning rates do (`decay_from`)."""

    def update(self, learner: Learner, batch: Batch) -> tuple[dict[str, Any], list[float]]:
        settings, rows = learner.settings, list(range(len(batch.sequences)))
        advantages_N = group_advantages(learner, batch)

        def logits(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            return completion_logits(learner.policy, batch.sequences, rows, settings.temperature, learner.pad_id)

        def states(rows: list[int]) -> tuple[Distributions, torch.Tensor]:
            with torch.no_grad():
                mask_BT = logits(rows)[2]
            weights_N = token_weights(mask_BT, len(rows))[mask_BT > 0]
            return lambda: torch.log_softmax(logits(rows)[0][mask_BT > 0], -1), weights_N

        with torch.no_grad():
            logits_BTV, targets_BT, mask_BT = logits(rows)
            old_BT = torch.log_softmax(logits_BTV, -1).gather(2, targets_BT[..., None])[..., 0]
        is_token_BT = mask_BT > 0
        advantages_BT = for_tokens(advantages_N, rows, mask_BT)[:, None].expand_as(mask_BT)
        distributions, weights_N = states(rows)
        step = trpo_step(
            [p for p in learner.policy.parameters() if p.requires_grad],
            distributions, targets_BT[is_token_BT], advantages_BT[is_token_BT], weights_N,
            fisher_states=states(rows[:: max(1, len(rows) // _FISHER_COMPLETIONS)]),
            max_kl=settings.max_kl * linear_tail_factor(learner.step, learner.num_steps, settings.decay_from) ** 2,
        )  # fmt: skip
        kl_BT = k3(old_BT, reference_logprobs(learner, batch, rows))
        figures = {
            "kl": float(completion_mean(kl_BT, mask_BT).mean()),
            "mean_logprob": float(completion_mean(old_BT, mask_BT).mean()), "clip_share": 0.0, "grad_norm": 0.0,
            "sampler_gap": sampler_gap(old_BT, mask_BT, [batch.sampled_logprobs(i) for i in rows]),
            "step_kl": step.kl,
        }  # fmt: skip
        return figures, advantages_N.tolist()
