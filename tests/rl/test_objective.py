import math
from typing import Any

import pytest
import torch

from dsmath_pipeline.rl.objective import completion_mean, grpo_loss, k3, token_objective

SETTINGS: dict[str, Any] = {"clip_range": 0.2, "kl_coefficient": 0.04}


def batch(rows=4, tokens=5, seed=0) -> Any:
    """Random log-probabilities around each other, advantages of both signs, completions of different lengths."""
    rng = torch.Generator().manual_seed(seed)
    policy = -torch.rand(rows, tokens, generator=rng, dtype=torch.float64)
    old = policy + 0.3 * torch.randn(rows, tokens, generator=rng, dtype=torch.float64)
    reference = policy + 0.3 * torch.randn(rows, tokens, generator=rng, dtype=torch.float64)
    advantages = torch.randn(rows, generator=rng, dtype=torch.float64)
    mask = torch.tensor([[float(t < 1 + (b % tokens)) for t in range(tokens)] for b in range(rows)])
    return policy, old, reference, advantages, mask.double()


def gradient(tensor) -> torch.Tensor:
    assert tensor.grad is not None
    return tensor.grad


def slow_loss(policy, old, reference, advantages, mask, clip_range, kl_coefficient):
    """Equation 3 token by token in plain Python."""
    total = 0.0
    for b in range(len(policy)):
        inner, length = 0.0, 0
        for t in range(policy.shape[1]):
            if not mask[b, t]:
                continue
            ratio = math.exp(policy[b, t] - old[b, t])
            a = float(advantages[b])
            clipped = min(max(ratio, 1 - clip_range), 1 + clip_range)
            to_reference = math.exp(reference[b, t] - policy[b, t])
            inner += min(ratio * a, clipped * a) - kl_coefficient * (to_reference - math.log(to_reference) - 1)
            length += 1
        total += inner / length
    return -total / len(policy)


def test_one_token_by_hand():
    # policy 0.5, old 0.4, reference 0.25, A = 2, epsilon 0.2, beta 0.1
    # ratio 1.25 is clipped to 1.2: 2.4; k3 = 0.5 - ln 0.5 - 1 = 0.193147; 2.4 - 0.0193147 = 2.380685
    values = [torch.tensor([[math.log(p)]]) for p in (0.5, 0.4, 0.25)]
    found = token_objective(*values, advantages_B=torch.tensor([2.0]), clip_range=0.2, kl_coefficient=0.1)
    assert float(found) == pytest.approx(2.3806853, rel=1e-6)


def test_a_negative_advantage_is_clipped_from_below_only():
    # A = -1, epsilon 0.2: ratio 0.5 -> min(-0.5, -0.8) = -0.8; ratio 2 -> min(-2, -1.2) = -2 (not clipped)
    policy = torch.tensor([[math.log(0.2), math.log(0.8)]])
    old = torch.full((1, 2), math.log(0.4))
    found = token_objective(policy, old, policy, torch.tensor([-1.0]), 0.2, 0.0)
    assert found.tolist()[0] == pytest.approx([-0.8, -2.0])


def test_the_loss_equals_equation_3_summed_token_by_token():
    values = batch()
    found = grpo_loss(*values, num_completions=4, **SETTINGS)
    assert float(found.loss) == pytest.approx(slow_loss(*values, **SETTINGS), rel=1e-12)


def test_every_completion_counts_the_same_whatever_its_length():
    # lengths 1 and 3, advantages 1 and 1, ratio 1, no KL: both contribute 1, the mean is 1 (a token mean would too,
    # so the second has advantage 0: 1/2, where a mean over all four tokens would give 1/4)
    zeros = torch.zeros(2, 3)
    mask = torch.tensor([[1.0, 0, 0], [1, 1, 1]])
    found = grpo_loss(zeros, zeros, zeros, torch.tensor([1.0, 0.0]), mask, 2, **SETTINGS)
    assert float(found.loss) == -0.5


@pytest.mark.parametrize("size", [1, 2, 3])
def test_micro_batches_add_up_to_the_whole_batch_with_their_gradients(size):
    policy, *rest = batch(rows=6)
    whole = policy.clone().requires_grad_()
    found = grpo_loss(whole, *rest, num_completions=6, **SETTINGS)
    found.loss.backward()
    split = policy.clone().requires_grad_()
    parts = []
    for first in range(0, 6, size):
        rows = slice(first, first + size)
        part = grpo_loss(split[rows], *[value[rows] for value in rest], num_completions=6, **SETTINGS)
        part.loss.backward()
        parts.append(part)
    assert sum(float(part.loss.detach()) for part in parts) == pytest.approx(float(found.loss.detach()), rel=1e-12)
    assert sum(part.kl for part in parts) == pytest.approx(found.kl)
    assert torch.allclose(gradient(split), gradient(whole), atol=1e-15)


def test_on_policy_the_gradient_is_equation_21():
    # ratio = 1: d loss / d logp = -(A + beta (reference / policy - 1)) / |o| / number of completions
    policy, _, reference, advantages, mask = batch()
    logprobs = policy.clone().requires_grad_()
    grpo_loss(logprobs, policy, reference, advantages, mask, 4, **SETTINGS).loss.backward()
    coefficient = advantages[:, None] + 0.04 * ((reference - policy).exp() - 1)
    expected = -coefficient * mask / mask.sum(1, keepdim=True) / 4
    assert torch.allclose(gradient(logprobs), expected, atol=1e-15)


def test_a_clipped_token_has_only_the_gradient_of_the_kl_term():
    policy = torch.tensor([[math.log(0.9)]], dtype=torch.float64, requires_grad=True)
    old = torch.tensor([[math.log(0.5)]], dtype=torch.float64)  # ratio 1.8, advantage positive: clipped
    found = grpo_loss(policy, old, old, torch.ones(1, dtype=torch.float64), torch.ones(1, 1), 1, **SETTINGS)
    found.loss.backward()
    # d(-J)/d logp = beta * d k3/d logp = 0.04 * (1 - 0.5 / 0.9)
    assert float(gradient(policy)) == pytest.approx(0.04 * (1 - 0.5 / 0.9))
    assert found.clip_share == 1.0


def test_k3_is_never_negative_and_zero_only_at_the_reference():
    policy, _, reference, _, _ = batch(rows=50)
    assert (k3(policy, reference) >= 0).all() and (k3(policy, policy) == 0).all()


def test_the_expected_gradient_of_k3_is_that_of_the_divergence_from_reference_to_policy():
    # exact expectation over a vocabulary of 5: sum_v policy(v) d k3(v)/d theta, policy weights held fixed
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn(5, generator=rng, dtype=torch.float64, requires_grad=True)
    reference = torch.log_softmax(torch.randn(5, generator=rng, dtype=torch.float64), 0)
    policy = torch.log_softmax(logits, 0)
    (policy.detach().exp() * k3(policy, reference)).sum().backward()
    found = gradient(logits).clone()
    logits.grad = None
    policy = torch.log_softmax(logits, 0)
    (reference.exp() * (reference - policy)).sum().backward()  # KL(reference || policy)
    assert torch.allclose(found, gradient(logits), atol=1e-14)
    logits.grad = None
    policy = torch.log_softmax(logits, 0)
    (policy.exp() * (policy - reference)).sum().backward()  # KL(policy || reference) is another one
    assert not torch.allclose(found, gradient(logits), atol=1e-3)


def test_padding_never_counts():
    values = torch.tensor([[1.0, 3.0, 100.0], [5.0, 100.0, 100.0]])
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert completion_mean(values, mask).tolist() == [2.0, 5.0]
