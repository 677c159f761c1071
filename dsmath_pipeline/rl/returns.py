"""Returns and baselines: the advantages of REINFORCE and PPO (the road to GRPO).

    return           R_t = r_t + gamma R_(t+1)
    with a baseline  A   = R - b            any b that does not depend on the sampled token leaves the gradient unbiased
    GAE              A_t = sum over l of (gamma lambda)^l delta_(t+l),   delta_t = r_t + gamma V_(t+1) - V_t

The paper names GAE with a learned value function (section 4.1.1) and gives neither gamma nor lambda; 1 and 0.95 are
PPO's usual values for language models. REINFORCE and its baselines are not in the paper. A completion ends its episode:
the value behind its last token is 0, also where it was cut off at the length limit.

Tensor letters: B completions (groups where G stands beside it), G completions of a group, T tokens. Masks are 1 on
completion tokens, 0 on padding, which may stand before, behind or between them.
"""

import torch


def rewards_to_go(rewards_BT: torch.Tensor, mask_BT: torch.Tensor, gamma: float = 1.0) -> torch.Tensor:
    """Discounted return from every token on: [B, T]; 0 on padding."""
    following_B = torch.zeros_like(rewards_BT[:, 0])
    returns_BT = torch.zeros_like(rewards_BT)
    for t in reversed(range(rewards_BT.shape[1])):
        is_token_B = mask_BT[:, t] > 0
        following_B = torch.where(is_token_B, rewards_BT[:, t] + gamma * following_B, following_B)
        returns_BT[:, t] = torch.where(is_token_B, following_B, 0.0)
    return returns_BT


def value_baseline_advantages(returns_BT: torch.Tensor, values_BT: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """Return minus predicted value of every token: [B, T]; no gradient reaches the values."""
    return (returns_BT - values_BT.detach()) * mask_BT


def batch_mean_advantages(rewards_B: torch.Tensor) -> torch.Tensor:
    """Reward minus the mean reward of the batch, any shape. The mean holds the completion's own reward, which shortens
    the expected gradient by the factor 1 - 1/B."""
    return rewards_B - rewards_B.mean()


def leave_one_out_advantages(rewards_BG: torch.Tensor) -> torch.Tensor:
    """Reward minus the mean reward of the other completions of its group, [B, G] (RLOO): unbiased for every G.

    Equal to G / (G - 1) (r - mean). Raises ValueError for groups of one, which have no others.
    """
    size = rewards_BG.shape[1]
    if size < 2:
        raise ValueError("leave-one-out needs at least two completions in a group")
    others_BG = (rewards_BG.sum(1, keepdim=True) - rewards_BG) / (size - 1)
    return rewards_BG - others_BG


def generalized_advantages(
    rewards_BT: torch.Tensor,
    values_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    gamma: float = 1.0,
    gae_lambda: float = 0.95,
) -> tuple[torch.Tensor, torch.Tensor]:
    """GAE: the advantages [B, T] and the returns [B, T] a value function is fitted to (advantage plus value).

    `values_BT` predicts at every token the return from that token on, before it is sampled. With lambda 1 the returns
    are the discounted rewards to go; with lambda 0 the advantage is the one-step error delta. Both are 0 on padding
    and carry no gradient.
    """
    rewards_BT, values_BT = rewards_BT.detach(), values_BT.detach()
    next_value_B = next_advantage_B = torch.zeros_like(values_BT[:, 0])
    advantages_BT = torch.zeros_like(values_BT)
    for t in reversed(range(values_BT.shape[1])):
        is_token_B = mask_BT[:, t] > 0
        delta_B = rewards_BT[:, t] + gamma * next_value_B - values_BT[:, t]
        advantage_B = delta_B + gamma * gae_lambda * next_advantage_B
        advantages_BT[:, t] = torch.where(is_token_B, advantage_B, 0.0)
        next_advantage_B = torch.where(is_token_B, advantage_B, next_advantage_B)
        next_value_B = torch.where(is_token_B, values_BT[:, t], next_value_B)
    return advantages_BT, torch.where(mask_BT > 0, advantages_BT + values_BT, 0.0)


def whiten(advantages_BT: torch.Tensor, mask_BT: torch.Tensor, epsilon: float = 1e-8) -> torch.Tensor:
    """Advantages with mean 0 and sample standard deviation 1 over all tokens of the batch; 0 on padding.

    Usual in PPO, not in the paper. Call it on the whole batch, never on a micro-batch.
    """
    count = mask_BT.sum()
    centred_BT = (advantages_BT - (advantages_BT * mask_BT).sum() / count) * mask_BT
    std = (centred_BT.square().sum() / (count - 1).clamp(min=1)).sqrt()
    return centred_BT / (std + epsilon)
