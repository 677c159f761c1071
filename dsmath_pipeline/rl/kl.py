"""How far the policy is from the reference: three estimates from the sampled token, and the exact value.

With p the policy's probability of the sampled token and r the reference's, and the token sampled from p:

    k1 = log(p / r)                     mean KL(p || r); the penalty in PPO's reward (equation 2); may be negative
    k2 = 1/2 log(p / r)^2               biased, never negative (not in the paper)
    k3 = r / p - log(r / p) - 1         mean KL(p || r), never negative; GRPO's KL term (equation 4)

A mean is one thing, the gradient of a sampled mean another. Differentiated on samples of the policy, k1 gives zero in
expectation, k2 the gradient of KL(p || r), k3 that of KL(r || p). The paper differentiates k3 as it stands, and so do
we; multiplied by the differentiable ratio p / p_old, k3 gives the gradient of KL(p || r) (`ratio_corrected`; not in
the paper).

Tensor letters: B completions, T tokens, V vocabulary; a `...` is any leading shape. Divergences are in nats.
"""

from typing import Literal

import torch

KlEstimator = Literal["k1", "k2", "k3"]


def k1(policy_logprobs_BT: torch.Tensor, reference_logprobs_BT: torch.Tensor) -> torch.Tensor:
    """log(p / r) of every token: [B, T] (the penalty of equation 2)."""
    return policy_logprobs_BT - reference_logprobs_BT


def k2(policy_logprobs_BT: torch.Tensor, reference_logprobs_BT: torch.Tensor) -> torch.Tensor:
    """Half the squared log-ratio of every token: [B, T]; not in the paper."""
    return (policy_logprobs_BT - reference_logprobs_BT).square() / 2


def k3(policy_logprobs_BT: torch.Tensor, reference_logprobs_BT: torch.Tensor) -> torch.Tensor:
    """r / p - log(r / p) - 1 of every token: [B, T] (equation 4); never negative."""
    difference_BT = reference_logprobs_BT - policy_logprobs_BT
    return torch.expm1(difference_BT) - difference_BT


def kl_term(
    policy_logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    reference_logprobs_BT: torch.Tensor,
    estimator: KlEstimator = "k3",
    *,
    ratio_corrected: bool = False,
) -> torch.Tensor:
    """The KL term of every token in a loss: [B, T]; the defaults are the paper's (equation 4).

    Raises ValueError for an unknown estimator.
    """
    estimators = {"k1": k1, "k2": k2, "k3": k3}
    if estimator not in estimators:
        raise ValueError(f"unknown KL estimator {estimator!r}: choose one of {', '.join(estimators)}")
    values_BT = estimators[estimator](policy_logprobs_BT, reference_logprobs_BT)
    return (policy_logprobs_BT - old_logprobs_BT).exp() * values_BT if ratio_corrected else values_BT


def exact_kl(first_logprobs_V: torch.Tensor, second_logprobs_V: torch.Tensor) -> torch.Tensor:
    """KL(first || second) over the whole vocabulary, [..., V] to [...]: what TRPO bounds (not in the paper)."""
    return (first_logprobs_V.exp() * (first_logprobs_V - second_logprobs_V)).sum(-1)
