"""Group-relative advantages (section 4.1.2, outcome supervision).

    A_i = (r_i - mean(r)) / (std(r) + epsilon)          r: the rewards of one group of G completions

std is the sample standard deviation (divides by G - 1); the paper does not say which. A group whose rewards are all
equal tells nothing: its advantages are exactly 0. Tensor letters: B groups, G completions of a group.
"""

import torch


def outcome_advantages(rewards_BG: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Advantages [B, G] of the rewards [B, G]; the same for every token of a completion.

    Raises ValueError for groups of one, which have no spread to compare with.
    """
    if rewards_BG.shape[1] < 2:
        raise ValueError("a group needs at least two completions to be compared with each other")
    centred_BG = rewards_BG - rewards_BG.mean(1, keepdim=True)
    advantages_BG = centred_BG / (rewards_BG.std(1, keepdim=True, unbiased=True) + epsilon)
    # The mean of equal floats may differ from them in the last bit, which a tiny std would blow up.
    return advantages_BG.masked_fill(without_spread(rewards_BG)[:, None], 0.0)


def without_spread(rewards_BG: torch.Tensor) -> torch.Tensor:
    """Which groups have equal rewards: bool [B]."""
    return rewards_BG.amax(1) == rewards_BG.amin(1)
