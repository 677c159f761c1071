import math
from typing import Any

import pytest
import torch

from dsmath_pipeline.rl.likelihood import rft_loss, sft_loss, weighted_likelihood_loss
from dsmath_pipeline.rl.objective import PAPER, ObjectiveOptions
from tests.rl.random_batch import batch, gradient

# completions of 1 and 2 tokens with probabilities 1/2; 1/4 1/2
LOGPROBS = torch.tensor([[0.5, 1.0], [0.25, 0.5]]).log()
MASK = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
LN2 = math.log(2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PAPER, (LN2 + 1.5 * LN2) / 2),  # mean over tokens, then over completions
        (ObjectiveOptions(normalization="token"), 4 * LN2 / 3),
        (ObjectiveOptions(normalization="constant", max_completion_tokens=1), 4 * LN2 / 2),  # whole sequences
    ],
)
def test_likelihood_of_two_completions_by_hand(options, expected):
    assert float(sft_loss(LOGPROBS, MASK, 2, options=options, num_tokens=3)) == pytest.approx(expected)


def test_rejection_by_hand():
    # only the second is right; the first still counts in the mean: 1.5 ln 2 / 2
    found = rft_loss(LOGPROBS, torch.tensor([False, True]), MASK, 2)
    assert float(found) == pytest.approx(0.75 * LN2)


def slow_loss(policy, weights, mask):
    total = 0.0
    for b in range(len(policy)):
        tokens = [t for t in range(policy.shape[1]) if mask[b, t]]
        w = [float(weights[b]) if weights.dim() == 1 else float(weights[b, t]) for t in tokens]
        total -= sum(x * float(policy[b, t]) for x, t in zip(w, tokens, strict=True)) / len(tokens)
    return total / len(policy)


@pytest.mark.parametrize("per_token", [False, True])
def test_the_weighted_loss_equals_the_slow_one(per_token):
    policy, old, _, advantages, mask = batch()
    weights = old if per_token else advantages
    assert float(weighted_likelihood_loss(policy, weights, mask, 4)) == pytest.approx(slow_loss(policy, weights, mask))


def test_rejection_with_every_answer_right_is_fine_tuning_and_with_none_is_nothing():
    policy, _, _, _, mask = batch()
    assert float(rft_loss(policy, torch.ones(4), mask, 4)) == float(sft_loss(policy, mask, 4))
    logprobs = policy.clone().requires_grad_()
    rft_loss(logprobs, torch.zeros(4, dtype=torch.bool), mask, 4).backward()
    assert (gradient(logprobs) == 0).all()


def test_rejection_has_the_gradient_of_fine_tuning_on_the_right_completions():
    policy, _, _, _, mask = batch()
    is_correct = torch.tensor([True, False, True, False])
    sampled, kept = policy.clone().requires_grad_(), policy[is_correct].clone().requires_grad_()
    rft_loss(sampled, is_correct, mask, 4).backward()
    sft_loss(kept, mask[is_correct], 2).backward()
    assert torch.allclose(gradient(sampled)[is_correct], gradient(kept) / 2, atol=1e-15)  # 2 of 4 are right


def test_weights_get_no_gradient():
    policy, _, _, advantages, mask = batch()
    weights: Any = advantages.requires_grad_()
    assert not weighted_likelihood_loss(policy, weights, mask, 4).requires_grad
