"""Losses that raise the likelihood of chosen completions: SFT, RFT, Online RFT, and REINFORCE (appendix A.1).

    SFT              1/|o| sum_t log policy_t                     o from the fine-tuning data
    RFT              1/|o| sum_t I(o) log policy_t                o from the SFT model; I(o) = 1 if right, else 0
    Online RFT       the same                                     o from the policy as it is now
    REINFORCE        1/|o| sum_t A_t log policy_t                 o from the policy; not in the paper's table

all to be maximised. RFT's expectation runs over all sampled completions, wrong ones too: `num_completions` counts them,
which only scales the step. The paper divides every completion by its length; `ObjectiveOptions.normalization` offers
the others.

Tensor letters: B completions, T tokens. Masks are 1 on completion tokens, 0 on padding.
"""

import torch

from .objective import PAPER, ObjectiveOptions, per_token, token_weights


def weighted_likelihood_loss(
    policy_logprobs_BT: torch.Tensor,
    weights: torch.Tensor,
    mask_BT: torch.Tensor,
    num_completions: int,
    *,
    options: ObjectiveOptions = PAPER,
    num_tokens: int | None = None,
) -> torch.Tensor:
    """Minus the weighted log-likelihood; weights [B] or [B, T] carry no gradient.

    This is the unified paradigm (equation 5): with a method's gradient coefficients as weights its gradient is that
    method's; with advantages it is REINFORCE.
    """
    shares_BT = token_weights(
        mask_BT, num_completions, options.normalization, num_tokens=num_tokens,
        max_completion_tokens=options.max_completion_tokens,
    )  # fmt: skip
    return -(per_token(weights.detach()) * policy_logprobs_BT * shares_BT).sum()


def sft_loss(
    policy_logprobs_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    num_completions: int,
    *,
    options: ObjectiveOptions = PAPER,
    num_tokens: int | None = None,
) -> torch.Tensor:
    """Minus the log-likelihood of given completions (appendix A.1, SFT)."""
    ones_B = torch.ones_like(policy_logprobs_BT[:, 0])
    return weighted_likelihood_loss(
        policy_logprobs_BT, ones_B, mask_BT, num_completions, options=options, num_tokens=num_tokens
    )


def rft_loss(
    policy_logprobs_BT: torch.Tensor,
    is_correct_B: torch.Tensor,
    mask_BT: torch.Tensor,
    num_completions: int,
    *,
    options: ObjectiveOptions = PAPER,
    num_tokens: int | None = None,
) -> torch.Tensor:
    """Minus the log-likelihood of the right ones among sampled completions (equation 10 as the weight).

    RFT and Online RFT differ in who sampled, not in this formula.
    """
    weights_B = is_correct_B.to(policy_logprobs_BT.dtype)
    return weighted_likelihood_loss(
        policy_logprobs_BT, weights_B, mask_BT, num_completions, options=options, num_tokens=num_tokens
    )
