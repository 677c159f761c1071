"""PPO (section 4.1.1): per-token rewards with the KL penalty, the policy loss and the value loss.

    r_t      = score_t - beta log(policy_t / reference_t)                                (equation 2)
    policy   1/|o| sum_t min(ratio_t A_t, clip(ratio_t) A_t), to be maximised            (equation 1)
    A_t      GAE of r_t and the value function (returns.py)

What the paper leaves open: the value loss (squared error, halved, as in PPO's own paper), its clipping (off), where an
outcome score lands (on the last token), and the policy of the penalty (the one that sampled: the reward is fixed
before the first update).

Tensor letters: B completions, T tokens. Masks are 1 on completion tokens, 0 on padding.
"""

import torch

from .kl import k1
from .objective import clipped_surrogate, token_weights


def penalised_rewards(
    scores: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    reference_logprobs_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    kl_coefficient: float,
) -> torch.Tensor:
    """The reward of every token: [B, T], without gradient (equation 2).

    `scores` is [B], one for a completion, put on its last token; or [B, T], one for a token (0 where there is none).
    Raises ValueError when a completion without tokens has a score.
    """
    if scores.dim() == 1:
        scores = last_token_scores(scores, mask_BT)
    return ((scores - kl_coefficient * k1(old_logprobs_BT, reference_logprobs_BT)) * mask_BT).detach()


def last_token_scores(scores_B: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """One score for a completion as [B, T]: at its last token, 0 elsewhere. Raises ValueError for an empty one."""
    is_token_BT = mask_BT > 0
    if not bool(is_token_BT.any(1).all()):
        empty = (~is_token_BT.any(1)).nonzero().flatten().tolist()
        raise ValueError(f"completions {empty} have no token to carry their score: leave them out of the batch")
    last_B = mask_BT.shape[1] - 1 - is_token_BT.flip(1).int().argmax(1)
    scores_BT = torch.zeros_like(mask_BT, dtype=scores_B.dtype)
    return scores_BT.scatter(1, last_B[:, None], scores_B[:, None])


def ppo_loss(
    policy_logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    advantages_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    num_completions: int,
    *,
    clip_range: float,
) -> torch.Tensor:
    """Minus the clipped surrogate of one micro-batch out of `num_completions` of the optimizer step (equation 1)."""
    surrogate_BT = clipped_surrogate(policy_logprobs_BT, old_logprobs_BT, advantages_BT, clip_range)
    return -(surrogate_BT * token_weights(mask_BT, num_completions)).sum()


def value_loss(
    values_BT: torch.Tensor,
    old_values_BT: torch.Tensor,
    returns_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    num_completions: int,
    *,
    clip_range: float | None = None,
) -> torch.Tensor:
    """Half the squared error of the value function, averaged as the policy loss is. Not in the paper.

    With `clip_range` a value may move only so far from the one that made the advantages, and the larger of both errors
    counts, so that clipping never makes the loss smaller.
    """
    error_BT = (values_BT - returns_BT).square()
    if clip_range is not None:
        near_BT = old_values_BT + (values_BT - old_values_BT).clamp(-clip_range, clip_range)
        error_BT = torch.maximum(error_BT, (near_BT - returns_BT).square())
    return (error_BT / 2 * token_weights(mask_BT, num_completions)).sum()
