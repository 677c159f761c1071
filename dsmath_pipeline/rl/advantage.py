"""Group-relative advantages: how much better than its group (sections 4.1.2 and 4.1.3).

Outcome supervision, one reward r_i for each of the G completions of a group:

    A_it = (r_i - mean(r)) / (std(r) + epsilon)                      the same for every token t

Process supervision, a reward for every step j of every completion, ending at token end(j). All step rewards of the
group form one set R:

    A_it = sum of (r_ij - mean(R)) / (std(R) + epsilon) over the steps j of completion i with end(j) >= t

What the paper leaves open, and what was chosen: std is the sample standard deviation (divides by the count minus 1);
epsilon is added to it; a group whose rewards are all equal tells nothing, and its advantages are exactly 0; a last
step reaches to the completion's last token, so that stopping is rewarded with it. The sum over steps grows with their
number; the paper does not normalise it; `average_steps` does.

Tensor letters: B groups, G completions of a group, N completions, T tokens.
"""

from collections.abc import Sequence

import torch


def outcome_advantages(rewards_BG: torch.Tensor, epsilon: float, *, divide_by_std: bool = True) -> torch.Tensor:
    """Advantages [B, G] of the rewards [B, G] (section 4.1.2).

    `divide_by_std=False` only subtracts the mean, so that easy and hard questions are not weighted up (Dr. GRPO; not
    in the paper). Raises ValueError for groups of one, which have no spread to compare with.
    """
    _check_group(rewards_BG)
    advantages_BG = rewards_BG - rewards_BG.mean(1, keepdim=True)
    if divide_by_std:
        advantages_BG = advantages_BG / (rewards_BG.std(1, keepdim=True, unbiased=True) + epsilon)
    # The mean of equal floats may differ from them in the last bit, which a tiny std would blow up.
    return advantages_BG.masked_fill(without_spread(rewards_BG)[:, None], 0.0)


def process_advantages(
    rewards_BGT: torch.Tensor, is_step_end_BGT: torch.Tensor, epsilon: float, *, divide_by_std: bool = True,
    average_steps: bool = False,
) -> torch.Tensor:  # fmt: skip
    """Advantages [B, G, T] of step rewards, each at its step's last token (section 4.1.3).

    `is_step_end_BGT` is true on these tokens; rewards elsewhere are not read. Tokens behind the last step get 0.
    `divide_by_std=False` as in `outcome_advantages`. `average_steps` divides every sum by the number of its steps (not
    in the paper): with the sum, a completion of many middling steps beats a short one that ends badly. Raises
    ValueError for groups of one.
    """
    _check_group(rewards_BGT)
    is_end_BGT = is_step_end_BGT.bool()
    rewards_BGT = rewards_BGT.masked_fill(~is_end_BGT, 0.0)
    count_B11 = is_end_BGT.sum((1, 2), keepdim=True).clamp(min=1)
    mean_B11 = rewards_BGT.sum((1, 2), keepdim=True) / count_B11
    scaled_BGT = (rewards_BGT - mean_B11).masked_fill(~is_end_BGT, 0.0)
    if divide_by_std:
        variance_B11 = scaled_BGT.square().sum((1, 2), keepdim=True) / (count_B11 - 1).clamp(min=1)
        scaled_BGT = scaled_BGT / (variance_B11.sqrt() + epsilon)
    scaled_BGT = scaled_BGT.masked_fill(_steps_without_spread(rewards_BGT, is_end_BGT)[:, None, None], 0.0)
    return _from_here_on(scaled_BGT) / (_from_here_on(is_end_BGT.to(scaled_BGT)).clamp(min=1) if average_steps else 1)


def step_tensors(
    step_rewards: Sequence[Sequence[float]],
    step_ends: Sequence[Sequence[int]],
    num_tokens: Sequence[int],
    width: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Step rewards and step ends as tensors [N, T], from lists with one entry for each of N completions.

    `step_ends` are token positions in the completion, rising; `num_tokens` are the completions' lengths with the end
    token; T is `width`. The last step is moved to the completion's last token, so the end token belongs to it.
    Raises ValueError where rewards and ends do not match or ends leave the completion.
    """
    rewards_NT = torch.zeros(len(num_tokens), width)
    is_step_end_NT = torch.zeros(len(num_tokens), width, dtype=torch.bool)
    for n, (rewards, ends, length) in enumerate(zip(step_rewards, step_ends, num_tokens, strict=True)):
        rising = all(a < b for a, b in zip([-1, *ends], [*ends, length], strict=True))
        if len(rewards) != len(ends) or not rising or length > width:
            raise ValueError(
                f"completion {n}: {len(rewards)} step rewards for steps that end at {list(ends)} of {length} tokens "
                f"(width {width}): give one reward for each step, ends rising and inside the completion"
            )
        if not ends:
            continue
        positions = torch.tensor([*ends[:-1], length - 1])
        rewards_NT[n, positions] = torch.tensor(rewards, dtype=rewards_NT.dtype)
        is_step_end_NT[n, positions] = True
    return rewards_NT, is_step_end_NT


def align_to_mask(values_NT: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """Values by position in the completion, moved to where the mask has these tokens: [N, T] to the mask's [B, T].

    For `rollout.completion_logprobs`, whose rows begin at different columns. Raises ValueError when a row of the mask
    has more tokens than there are values.
    """
    longest = int(mask_BT.sum(1).max())
    if longest > values_NT.shape[1]:
        raise ValueError(f"the mask has a completion of {longest} tokens, values are given for {values_NT.shape[1]}")
    position_BT = (mask_BT.cumsum(1) - 1).clamp(min=0).long()
    return values_NT.gather(1, position_BT) * mask_BT


def without_spread(rewards_BG: torch.Tensor) -> torch.Tensor:
    """Which groups have equal rewards: bool [B]."""
    return rewards_BG.amax(1) == rewards_BG.amin(1)


def informative_rows(rewards_BG: torch.Tensor) -> torch.Tensor:
    """Which completions stand in a group with spread: bool [B * G], in the order of the groups.

    For skipping the other groups, as DAPO does (not in the paper, where their KL term still counts): take these rows
    alone, and their number as `num_completions`.
    """
    return (~without_spread(rewards_BG)).repeat_interleave(rewards_BG.shape[1])


def _from_here_on(values_BGT: torch.Tensor) -> torch.Tensor:
    """The sum over this and all later tokens."""
    return values_BGT.flip(2).cumsum(2).flip(2)


def _steps_without_spread(rewards_BGT: torch.Tensor, is_end_BGT: torch.Tensor) -> torch.Tensor:
    """Which groups have at most one distinct step reward: bool [B]."""
    highest_B = rewards_BGT.masked_fill(~is_end_BGT, -torch.inf).amax((1, 2))
    lowest_B = rewards_BGT.masked_fill(~is_end_BGT, torch.inf).amin((1, 2))
    return highest_B <= lowest_B


def _check_group(rewards_BG: torch.Tensor) -> None:
    if rewards_BG.shape[1] < 2:
        raise ValueError("a group needs at least two completions to be compared with each other")
