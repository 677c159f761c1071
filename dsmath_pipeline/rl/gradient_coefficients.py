"""The unified paradigm: every method is a data source, a reward and a gradient coefficient (section 5.2.1, table 10).

    gradient of J = mean over sampled completions of 1/|o| sum_t GC_t * gradient of log policy_t         (equation 5)

`METHODS` is the paper's table as code. A method's `coefficients` are GC [B, T] in closed form, its `loss` the method's
own loss from the other files; the gradient of the loss with respect to every log-probability is
-GC_t / |o| / num_completions. With them as weights, `likelihood.weighted_likelihood_loss` trains any method.

| method | GC | paper |
|---|---|---|
| SFT | 1 | appendix A.1 |
| RFT, Online RFT | 1 where the answer is right, else 0 | equation 10 |
| DPO | +s on the chosen, -s on the rejected completion, s = beta sigmoid(-margin) | equation 14 |
| REINFORCE | A_t | not in the paper |
| PPO | ratio_t A_t, 0 where clipped; A_t by GAE | equation 18 at ratio 1 |
| GRPO | the same with group-relative A_t, plus beta (reference_t / policy_t - 1) | equation 21 at ratio 1 |

The paper takes one update after each exploration, so its coefficients have ratio 1; these hold for every ratio.
Equation 14 prints sigmoid of one token's log-ratios without beta, which is not the gradient of its equation 12: there
is one margin for a pair, of the completions' mean log-ratios, and the inner derivative beta. Here GC is that gradient.

Tensor letters: B completions, T tokens. Masks are 1 on completion tokens, 0 on padding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from .likelihood import rft_loss, sft_loss, weighted_likelihood_loss
from .objective import grpo_loss, is_clipped, per_token
from .ppo import ppo_loss
from .preference import dpo_loss, log_ratio


@dataclass(frozen=True, slots=True)
class MethodBatch:
    """Sampled tokens and what a method may read of them; a field that a method does not read may be None.

    Of DPO the first half of the rows are the chosen completions, the second half the rejected ones of the same pairs.
    """

    policy_logprobs_BT: torch.Tensor
    mask_BT: torch.Tensor
    num_completions: int
    """Of the optimizer step; of DPO its pairs."""
    old_logprobs_BT: torch.Tensor | None = None
    reference_logprobs_BT: torch.Tensor | None = None
    advantages: torch.Tensor | None = None
    """[B] or [B, T]."""
    is_correct_B: torch.Tensor | None = None
    clip_range: float = 0.2
    """Not in the paper: PPO's usual value."""
    kl_coefficient: float = 0.04
    """beta: of GRPO (section 4.2), and of DPO, where the paper states none."""


@dataclass(frozen=True, slots=True)
class Method:
    """One row of table 10."""

    name: str
    outputs_from: Literal["sft_data", "sft_model", "policy"]
    """The data source; questions come from the fine-tuning data in every method."""
    reward: Literal["none", "rule", "model"]
    """The reward function of the paper; `grade` or any model may stand in."""
    rewarded: Literal["nothing", "completion", "pair", "step"]
    """What gets a reward."""
    coefficients: Callable[[MethodBatch], torch.Tensor]
    """GC [B, T], 0 on padding, without gradient."""
    loss: Callable[[MethodBatch], torch.Tensor]
    """The method's own loss, a scalar with gradient."""
    source: str


def sft_coefficients(batch: MethodBatch) -> torch.Tensor:
    """1 on every token."""
    return torch.ones_like(batch.policy_logprobs_BT) * batch.mask_BT


def rft_coefficients(batch: MethodBatch) -> torch.Tensor:
    """1 on the tokens of right completions, else 0 (equation 10)."""
    return per_token(_given(batch, "is_correct_B").to(batch.mask_BT.dtype)) * batch.mask_BT


@torch.no_grad()
def dpo_coefficients(batch: MethodBatch) -> torch.Tensor:
    """+s on chosen tokens, -s on rejected ones: s = beta sigmoid(beta (m- - m+)), the gradient of equation 12."""
    ratio_B = log_ratio(batch.policy_logprobs_BT, _given(batch, "reference_logprobs_BT"), batch.mask_BT)
    chosen_P, rejected_P = ratio_B.chunk(2)
    pull_P = batch.kl_coefficient * torch.sigmoid(batch.kl_coefficient * (rejected_P - chosen_P))
    return per_token(torch.cat([pull_P, -pull_P])) * batch.mask_BT


def reinforce_coefficients(batch: MethodBatch) -> torch.Tensor:
    """The advantage."""
    return per_token(_given(batch, "advantages")) * batch.mask_BT


@torch.no_grad()
def ppo_coefficients(batch: MethodBatch) -> torch.Tensor:
    """The advantage times the ratio, 0 where the surrogate is clipped (equation 18 at ratio 1)."""
    old_BT, advantages = _given(batch, "old_logprobs_BT"), _given(batch, "advantages")
    ratio_BT = (batch.policy_logprobs_BT - old_BT).exp()
    clipped_BT = is_clipped(batch.policy_logprobs_BT, old_BT, advantages, batch.clip_range)
    return (ratio_BT * per_token(advantages)).masked_fill(clipped_BT, 0.0) * batch.mask_BT


@torch.no_grad()
def grpo_coefficients(batch: MethodBatch) -> torch.Tensor:
    """PPO's plus beta (reference / policy - 1) (equation 21 at ratio 1)."""
    difference_BT = _given(batch, "reference_logprobs_BT") - batch.policy_logprobs_BT
    return ppo_coefficients(batch) + batch.kl_coefficient * torch.expm1(difference_BT) * batch.mask_BT


def _sft_loss(batch: MethodBatch) -> torch.Tensor:
    return sft_loss(batch.policy_logprobs_BT, batch.mask_BT, batch.num_completions)


def _rft_loss(batch: MethodBatch) -> torch.Tensor:
    return rft_loss(batch.policy_logprobs_BT, _given(batch, "is_correct_B"), batch.mask_BT, batch.num_completions)


def _dpo_loss(batch: MethodBatch) -> torch.Tensor:
    chosen_PT, rejected_PT = batch.policy_logprobs_BT.chunk(2)
    chosen_reference_PT, rejected_reference_PT = _given(batch, "reference_logprobs_BT").chunk(2)
    chosen_mask_PT, rejected_mask_PT = batch.mask_BT.chunk(2)
    return dpo_loss(
        chosen_PT, chosen_reference_PT, chosen_mask_PT, rejected_PT, rejected_reference_PT, rejected_mask_PT,
        batch.num_completions, kl_coefficient=batch.kl_coefficient,
    ).loss  # fmt: skip


def _reinforce_loss(batch: MethodBatch) -> torch.Tensor:
    return weighted_likelihood_loss(
        batch.policy_logprobs_BT, _given(batch, "advantages"), batch.mask_BT, batch.num_completions
    )


def _ppo_loss(batch: MethodBatch) -> torch.Tensor:
    return ppo_loss(
        batch.policy_logprobs_BT, _given(batch, "old_logprobs_BT"), _given(batch, "advantages"), batch.mask_BT,
        batch.num_completions, clip_range=batch.clip_range,
    )  # fmt: skip


def _grpo_loss(batch: MethodBatch) -> torch.Tensor:
    return grpo_loss(
        batch.policy_logprobs_BT, _given(batch, "old_logprobs_BT"), _given(batch, "reference_logprobs_BT"),
        _given(batch, "advantages"), batch.mask_BT, batch.num_completions, clip_range=batch.clip_range,
        kl_coefficient=batch.kl_coefficient,
    ).loss  # fmt: skip


def _given(batch: MethodBatch, name: str) -> torch.Tensor:
    """A field that the method reads. Raises ValueError when it is missing."""
    value = getattr(batch, name)
    if value is None:
        raise ValueError(f"this method reads {name}, and the batch has none: fill the field")
    return value


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("sft", "sft_data", "none", "nothing", sft_coefficients, _sft_loss, "appendix A.1"),
        Method("rft", "sft_model", "rule", "completion", rft_coefficients, _rft_loss, "equation 10"),
        Method("dpo", "sft_model", "rule", "pair", dpo_coefficients, _dpo_loss, "equations 12 and 14"),
        Method("online_rft", "policy", "rule", "completion", rft_coefficients, _rft_loss, "equation 10"),
        Method(
            "reinforce", "policy", "model", "completion", reinforce_coefficients, _reinforce_loss, "not in the paper"
        ),
        Method("ppo", "policy", "model", "completion", ppo_coefficients, _ppo_loss, "equations 1 and 18"),
        Method("grpo_outcome", "policy", "model", "completion", grpo_coefficients, _grpo_loss, "equations 3 and 21"),
        Method("grpo_process", "policy", "model", "step", grpo_coefficients, _grpo_loss, "section 4.1.3, equation 21"),
    )
}
"""Table 10 by method name."""
