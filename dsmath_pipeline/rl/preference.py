"""DPO: prefer the right completion of a pair to the wrong one (appendix A.1, equation 12).

    log sigmoid( beta (m+ - m-) ),    m = 1/|o| sum_t log(policy_t / reference_t),    to be maximised

The paper divides each log-ratio by the completion's length; DPO's own paper does not (`length_normalised=False`). The
same beta then acts |o| times as strongly. The paper states no beta.

Tensor letters: P pairs, T tokens (each side may have its own T). Masks are 1 on completion tokens, 0 on padding.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .objective import completion_mean


@dataclass(frozen=True, slots=True)
class PreferenceParts:
    """The loss and what to watch; sums over the pairs given, divided by `num_pairs`."""

    loss: torch.Tensor
    """Minus the objective, with gradient."""
    margin: float
    """Mean of beta (m+ - m-)."""
    accuracy: float
    """Share of pairs with a positive margin, 0-1."""


def dpo_loss(
    chosen_logprobs_PT: torch.Tensor,
    chosen_reference_PT: torch.Tensor,
    chosen_mask_PT: torch.Tensor,
    rejected_logprobs_PT: torch.Tensor,
    rejected_reference_PT: torch.Tensor,
    rejected_mask_PT: torch.Tensor,
    num_pairs: int,
    *,
    kl_coefficient: float,
    length_normalised: bool = True,
) -> PreferenceParts:
    """Loss of the P pairs of one micro-batch out of `num_pairs` of the optimizer step; beta is `kl_coefficient`."""
    chosen_P = log_ratio(chosen_logprobs_PT, chosen_reference_PT, chosen_mask_PT, length_normalised)
    rejected_P = log_ratio(rejected_logprobs_PT, rejected_reference_PT, rejected_mask_PT, length_normalised)
    margin_P = kl_coefficient * (chosen_P - rejected_P)
    with torch.no_grad():
        margin, accuracy = (float(values.sum() / num_pairs) for values in (margin_P, (margin_P > 0).double()))
    return PreferenceParts(-F.logsigmoid(margin_P).sum() / num_pairs, margin, accuracy)


def log_ratio(
    logprobs_PT: torch.Tensor, reference_PT: torch.Tensor, mask_PT: torch.Tensor, length_normalised: bool = True
) -> torch.Tensor:
    """m of the formula above, [P]: mean log-ratio of a completion's tokens, or their sum."""
    ratio_PT = logprobs_PT - reference_PT
    return completion_mean(ratio_PT, mask_PT) if length_normalised else (ratio_PT * mask_PT).sum(1)
