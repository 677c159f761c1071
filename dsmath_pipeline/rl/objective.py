"""The GRPO objective (equations 3 and 4). Pure functions of log-probabilities.

For a completion of |o| tokens with advantage A, to be maximised:

    1/|o| sum_t [ min(ratio_t A, clip(ratio_t, 1 - epsilon, 1 + epsilon) A) - beta k3_t ]
    ratio_t = policy_t / old_policy_t
    k3_t    = reference_t / policy_t - log(reference_t / policy_t) - 1          (never negative)

and then the mean over completions. The gradient of k3 with respect to the policy, averaged over its samples, is that
of KL(reference || policy), not of KL(policy || reference); the paper uses it as it stands and so do we.

Tensor letters: B completions, T tokens. Masks are 1 on completion tokens, 0 on padding.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class ObjectiveParts:
    """The loss and what to watch. All are sums over the rows given, divided by `num_completions`, so the parts of
    micro-batches add up to the value of the whole batch."""

    loss: torch.Tensor
    """Minus the objective, with gradient."""
    kl: float
    """Mean of k3 over the tokens of a completion, then over completions."""
    clip_share: float
    """Share of tokens on which the clipped branch was taken, 0-1, averaged in the same way."""
    mean_logprob: float
    """Mean log-probability of the sampled tokens under the policy: minus an estimate of its entropy."""


def token_objective(
    policy_logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    reference_logprobs_BT: torch.Tensor,
    advantages_B: torch.Tensor,
    clip_range: float,
    kl_coefficient: float,
) -> torch.Tensor:
    """Clipped surrogate minus the weighted KL term for every token: [B, T]."""
    ratio_BT = (policy_logprobs_BT - old_logprobs_BT).exp()
    gain_BT = ratio_BT * advantages_B[:, None]
    clipped_BT = ratio_BT.clamp(1 - clip_range, 1 + clip_range) * advantages_B[:, None]
    return torch.minimum(gain_BT, clipped_BT) - kl_coefficient * k3(policy_logprobs_BT, reference_logprobs_BT)


def k3(policy_logprobs_BT: torch.Tensor, reference_logprobs_BT: torch.Tensor) -> torch.Tensor:
    """The per-token estimate of the divergence from the reference (equation 4); non-negative."""
    difference_BT = reference_logprobs_BT - policy_logprobs_BT
    return torch.expm1(difference_BT) - difference_BT


def completion_mean(values_BT: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens of each completion: [B]."""
    return (values_BT * mask_BT).sum(1) / mask_BT.sum(1).clamp(min=1)


def grpo_loss(
    policy_logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    reference_logprobs_BT: torch.Tensor,
    advantages_B: torch.Tensor,
    mask_BT: torch.Tensor,
    num_completions: int,
    *,
    clip_range: float,
    kl_coefficient: float,
) -> ObjectiveParts:
    """Loss of the B completions of one micro-batch out of `num_completions` of the optimizer step."""
    objective_BT = token_objective(
        policy_logprobs_BT, old_logprobs_BT, reference_logprobs_BT, advantages_B, clip_range, kl_coefficient
    )
    with torch.no_grad():
        kl_BT = k3(policy_logprobs_BT, reference_logprobs_BT)
        ratio_BT, signs_B1 = (policy_logprobs_BT - old_logprobs_BT).exp(), advantages_B[:, None]
        clipped_BT = ((ratio_BT > 1 + clip_range) & (signs_B1 > 0)) | ((ratio_BT < 1 - clip_range) & (signs_B1 < 0))
        watched = [kl_BT, clipped_BT.float(), policy_logprobs_BT]
        kl, clip_share, mean_logprob = (
            float(completion_mean(values, mask_BT).sum() / num_completions) for values in watched
        )
    loss = -completion_mean(objective_BT, mask_BT).sum() / num_completions
    return ObjectiveParts(loss, kl, clip_share, mean_logprob)
