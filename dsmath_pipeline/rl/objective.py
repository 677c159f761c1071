"""The clipped surrogate and the GRPO objective (equations 1, 3 and 4). Pure functions of log-probabilities.

For a completion of |o| tokens with advantages A_t, to be maximised:

    1/|o| sum_t [ min(ratio_t A_t, clip(ratio_t, 1 - epsilon, 1 + epsilon) A_t) - beta k3_t ]
    ratio_t = policy_t / old_policy_t
    k3_t    = reference_t / policy_t - log(reference_t / policy_t) - 1          (never negative; kl.py)

and then the mean over completions. The paper does not state epsilon. What else is known to matter is in
`ObjectiveOptions`, off by default.

Tensor letters: B completions, T tokens. Masks are 1 on completion tokens, 0 on padding. Advantages are [B], one for a
completion (outcome supervision), or [B, T], one for a token (process supervision, PPO).
"""

from dataclasses import dataclass
from typing import Literal

import torch

from .kl import KlEstimator, k3, kl_term

Normalization = Literal["completion", "token", "constant"]


@dataclass(frozen=True, slots=True)
class ObjectiveOptions:
    """Departures from the paper's objective; the defaults are the paper. None of them is in the paper."""

    clip_range_high: float | None = None
    """Upper clip range where it is another than the lower one (DAPO's clip-higher)."""
    normalization: Normalization = "completion"
    """How tokens are averaged, see `token_weights`."""
    max_completion_tokens: int | None = None
    """The constant of normalization "constant"."""
    kl_estimator: KlEstimator = "k3"
    kl_ratio_corrected: bool = False
    """Multiplies the KL term by the ratio, see kl.py."""


PAPER = ObjectiveOptions()


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


def per_token(advantages: torch.Tensor) -> torch.Tensor:
    """Advantages [B] as [B, 1], which fits every token; [B, T] unchanged."""
    return advantages[:, None] if advantages.dim() == 1 else advantages


def clipped_surrogate(
    policy_logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    advantages: torch.Tensor,
    clip_range: float,
    clip_range_high: float | None = None,
) -> torch.Tensor:
    """min(ratio A, clip(ratio) A) of every token: [B, T] (equation 1); at ratio 1, the policy gradient."""
    high = clip_range if clip_range_high is None else clip_range_high
    advantages_BT = per_token(advantages)
    ratio_BT = (policy_logprobs_BT - old_logprobs_BT).exp()
    return torch.minimum(ratio_BT * advantages_BT, ratio_BT.clamp(1 - clip_range, 1 + high) * advantages_BT)


@torch.no_grad()
def is_clipped(
    policy_logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    advantages: torch.Tensor,
    clip_range: float,
    clip_range_high: float | None = None,
) -> torch.Tensor:
    """Where the clipped branch holds and the surrogate has no gradient: bool [B, T]."""
    high = clip_range if clip_range_high is None else clip_range_high
    ratio_BT, advantages_BT = (policy_logprobs_BT - old_logprobs_BT).exp(), per_token(advantages)
    return ((ratio_BT > 1 + high) & (advantages_BT > 0)) | ((ratio_BT < 1 - clip_range) & (advantages_BT < 0))


def token_objective(
    policy_logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    reference_logprobs_BT: torch.Tensor,
    advantages: torch.Tensor,
    clip_range: float,
    kl_coefficient: float,
    options: ObjectiveOptions = PAPER,
) -> torch.Tensor:
    """Clipped surrogate minus the weighted KL term for every token: [B, T] (the inner part of equation 3)."""
    surrogate_BT = clipped_surrogate(
        policy_logprobs_BT, old_logprobs_BT, advantages, clip_range, options.clip_range_high
    )  # fmt: skip
    kl_BT = kl_term(
        policy_logprobs_BT, old_logprobs_BT, reference_logprobs_BT, options.kl_estimator,
        ratio_corrected=options.kl_ratio_corrected,
    )  # fmt: skip
    return surrogate_BT - kl_coefficient * kl_BT


def token_weights(
    mask_BT: torch.Tensor,
    num_completions: int,
    normalization: Normalization = "completion",
    *,
    num_tokens: int | None = None,
    max_completion_tokens: int | None = None,
) -> torch.Tensor:
    """Weight of every token in the mean of the whole batch: [B, T], 0 on padding.

    | normalization | weight of a token | from |
    |---|---|---|
    | completion | 1 / |o| / num_completions | the paper (equations 1 and 3) |
    | token | 1 / num_tokens | DAPO: long completions weigh more |
    | constant | 1 / max_completion_tokens / num_completions | Dr. GRPO: long wrong ones are not let off |

    `num_completions` and `num_tokens` count the whole optimizer step, of which `mask_BT` may be a micro-batch.
    Raises ValueError when the number that a normalization divides by is missing, or for an unknown one.
    """
    if normalization == "completion":
        return mask_BT / mask_BT.sum(1, keepdim=True).clamp(min=1) / num_completions
    if normalization == "token" and num_tokens:
        return mask_BT / num_tokens
    if normalization == "constant" and max_completion_tokens:
        return mask_BT / max_completion_tokens / num_completions
    needed = {"token": "num_tokens", "constant": "max_completion_tokens"}
    if normalization in needed:
        raise ValueError(f"normalization {normalization!r} divides by {needed[normalization]}: give a positive number")
    raise ValueError(f"unknown normalization {normalization!r}: choose completion, token or constant")


def mask_truncated(mask_BT: torch.Tensor, is_truncated_B: torch.Tensor) -> torch.Tensor:
    """The mask without completions that were cut off at the length limit: [B, T].

    They still count in `num_completions` (as in TRL), so the step gets smaller, not noisier. Not in the paper, which
    says nothing of truncation; without this call a truncated completion trains like any other.
    """
    return mask_BT * (~is_truncated_B.bool())[:, None]


def completion_mean(values_BT: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens of each completion: [B]; 0 for a completion without tokens."""
    return (values_BT * mask_BT).sum(1) / mask_BT.sum(1).clamp(min=1)


def grpo_loss(
    policy_logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    reference_logprobs_BT: torch.Tensor,
    advantages: torch.Tensor,
    mask_BT: torch.Tensor,
    num_completions: int,
    *,
    clip_range: float,
    kl_coefficient: float,
    options: ObjectiveOptions = PAPER,
    num_tokens: int | None = None,
) -> ObjectiveParts:
    """Loss of the B completions of one micro-batch out of `num_completions` of the optimizer step (equation 3).

    `num_tokens` is the completion tokens of the optimizer step, read by normalization "token" alone.
    """
    objective_BT = token_objective(
        policy_logprobs_BT, old_logprobs_BT, reference_logprobs_BT, advantages, clip_range, kl_coefficient, options
    )
    weights_BT = token_weights(
        mask_BT, num_completions, options.normalization, num_tokens=num_tokens,
        max_completion_tokens=options.max_completion_tokens,
    )  # fmt: skip
    with torch.no_grad():
        kl_BT = k3(policy_logprobs_BT, reference_logprobs_BT)
        clipped_BT = is_clipped(policy_logprobs_BT, old_logprobs_BT, advantages, clip_range, options.clip_range_high)
        watched = [kl_BT, clipped_BT.float(), policy_logprobs_BT]
        kl, clip_share, mean_logprob = (
            float(completion_mean(values, mask_BT).sum() / num_completions) for values in watched
        )
    return ObjectiveParts(-(objective_BT * weights_BT).sum(), kl, clip_share, mean_logprob)
