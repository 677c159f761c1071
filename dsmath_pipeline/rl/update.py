"""Gradient steps of the policy on one batch: micro-batches, frozen log-probabilities, clipping, and what to watch.

Every gradient method gives a loss of one micro-batch and gets the rest from here. Tensor letters: B completions of a
micro-batch, T tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ..training.schedule import linear_tail_factor
from .kl import k3
from .learner import Batch, Learner
from .objective import ObjectiveOptions, completion_mean, mask_truncated
from .rollout import completion_logprobs, micro_batches, sampler_gap


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Some completions of a batch. `old` is the policy that the batch's first update started from."""

    rows: list[int]
    policy_BT: torch.Tensor
    """Log-probabilities with gradient."""
    old_BT: torch.Tensor
    reference_BT: torch.Tensor
    mask_BT: torch.Tensor
    num_completions: int
    """Of the optimizer step."""
    num_tokens: int
    """Of the optimizer step."""


MicroLoss = Callable[[MicroBatch], tuple[torch.Tensor, float]]
"""The loss, and the share of tokens whose ratio was clipped (as in ObjectiveParts)."""


def objective_options(learner: Learner) -> ObjectiveOptions:
    """The recipe's departures from the paper's objective."""
    settings = learner.settings
    return ObjectiveOptions(
        settings.clip_range_high, settings.normalization, settings.max_completion_tokens, settings.kl_estimator,
        settings.kl_ratio_corrected,
    )  # fmt: skip


def set_learning_rate(learner: Learner, optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The rate of the running step: `rate` times the schedule."""
    factor = linear_tail_factor(learner.step, learner.num_steps, learner.settings.decay_from)
    for group in optimizer.param_groups:
        group["lr"] = rate * factor


def update_policy(
    learner: Learner, batch: Batch, loss: MicroLoss, *, chosen: Sequence[int] | None = None,
    micro: Sequence[Sequence[int]] | None = None, num_completions: int | None = None,
) -> dict[str, float]:  # fmt: skip
    """mu optimizer steps on the completions `chosen` (all without it); returns their figures.

    `micro` gives the micro-batches themselves. `num_completions` is what the loss divides by, where it is not the
    number of completions. Figures: kl, clip_share, mean_logprob, grad_norm (means over the mu updates), sampler_gap.
    """
    settings, sequences = learner.settings, batch.sequences
    parts = list(micro if micro is not None else micro_batches(sequences, settings.micro_batch_completions, chosen))
    used = [i for part in parts for i in part]
    count = num_completions or len(used)
    num_tokens = sum(sum(sequences.mask(i)) for i in used)
    fixed: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    totals = {"kl": 0.0, "clip_share": 0.0, "mean_logprob": 0.0, "grad_norm": 0.0}
    gap = 0.0
    set_learning_rate(learner, learner.optimizer, settings.learning_rate)
    learner.policy.train()
    for _ in range(settings.updates_per_exploration if used else 0):
        learner.optimizer.zero_grad()
        for n, rows in enumerate(parts):
            policy_BT, mask_BT = completion_logprobs(
                learner.policy, sequences, rows, settings.temperature, learner.pad_id
            )
            if n not in fixed:
                # Before the first update the policy is the old policy: no second forward pass is needed.
                fixed[n] = policy_BT.detach(), reference_logprobs(learner, batch, rows)
                sampler_BT = fixed[n][0 if batch.samples_from == "policy" else 1]
                gap = max(gap, sampler_gap(sampler_BT, mask_BT, [batch.sampled_logprobs(i) for i in rows]))
            old_BT, reference_BT = fixed[n]
            trained_BT = mask_truncated(mask_BT, batch.is_truncated_N[list(rows)].to(mask_BT.device))
            micro_batch = MicroBatch(
                list(rows), policy_BT, old_BT, reference_BT, trained_BT if settings.mask_truncated else mask_BT, count,
                num_tokens,
            )  # fmt: skip
            value, clip_share = loss(micro_batch)
            value.backward()
            totals["clip_share"] += clip_share
            for name, mean in _watched(micro_batch, mask_BT, len(used)).items():
                totals[name] += mean
        totals["grad_norm"] += float(
            torch.nn.utils.clip_grad_norm_(learner.policy.parameters(), settings.max_grad_norm)
        )
        learner.optimizer.step()
    learner.policy.eval()
    return {name: value / settings.updates_per_exploration for name, value in totals.items()} | {"sampler_gap": gap}


@torch.no_grad()
def reference_logprobs(learner: Learner, batch: Batch, rows: Sequence[int]) -> torch.Tensor:
    """Log-probabilities [B, T] under the reference."""
    found, _ = completion_logprobs(
        learner.reference, batch.sequences, rows, learner.settings.temperature, learner.pad_id
    )
    return found


@torch.no_grad()
def _watched(micro: MicroBatch, mask_BT: torch.Tensor, num_completions: int) -> dict[str, float]:
    watched = {"kl": k3(micro.policy_BT, micro.reference_BT), "mean_logprob": micro.policy_BT}
    return {name: float(completion_mean(values, mask_BT).sum() / num_completions) for name, values in watched.items()}
