import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.rl.returns import (
    batch_mean_advantages,
    generalized_advantages,
    leave_one_out_advantages,
    rewards_to_go,
    value_baseline_advantages,
    whiten,
)


def random_episode(seed=0, rows=4, tokens=6):
    """Rewards, values and a mask with padding before, between and behind the tokens."""
    rng = torch.Generator().manual_seed(seed)
    rewards, values = torch.randn(2, rows, tokens, generator=rng, dtype=torch.float64)
    mask = (torch.rand(rows, tokens, generator=rng) < 0.7).double()
    return rewards, values, mask


def slow_advantages(rewards, values, mask, gamma, gae_lambda):
    """The double sum of the definition, over the tokens of each row."""
    found = torch.zeros_like(values)
    for b in range(len(rewards)):
        at = [t for t in range(rewards.shape[1]) if mask[b, t]]
        value = [float(values[b, t]) for t in at] + [0.0]
        delta = [float(rewards[b, t]) + gamma * value[i + 1] - value[i] for i, t in enumerate(at)]
        for i, t in enumerate(at):
            found[b, t] = sum((gamma * gae_lambda) ** k * delta[i + k] for k in range(len(at) - i))
    return found


def test_advantages_of_three_tokens_by_hand():
    # rewards 0 0 1, values 1/2 1/4 1/2, gamma 1, lambda 1/2: deltas -1/4, 1/4, 1/2
    # A_3 = 1/2; A_2 = 1/4 + 1/4 = 1/2; A_1 = -1/4 + 1/4 = 0; returns A + V
    rewards, values = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.25, 0.5]])
    advantages, returns = generalized_advantages(rewards, values, torch.ones(1, 3), 1.0, 0.5)
    assert advantages.tolist() == [[0.0, 0.5, 0.5]] and returns.tolist() == [[0.5, 0.75, 1.0]]


@given(st.integers(0, 500), st.floats(0, 1), st.floats(0, 1))
def test_advantages_equal_the_double_sum(seed, gamma, gae_lambda):
    rewards, values, mask = random_episode(seed)
    found, returns = generalized_advantages(rewards, values, mask, gamma, gae_lambda)
    assert torch.allclose(found, slow_advantages(rewards, values, mask, gamma, gae_lambda), atol=1e-12)
    assert torch.allclose(returns, (found + values) * mask, atol=1e-12)


@given(st.integers(0, 500), st.floats(0.1, 1))
def test_with_lambda_one_the_advantage_is_the_return_minus_the_value(seed, gamma):
    rewards, values, mask = random_episode(seed)
    found, returns = generalized_advantages(rewards, values, mask, gamma, 1.0)
    to_go = rewards_to_go(rewards, mask, gamma)
    assert torch.allclose(found, value_baseline_advantages(to_go, values, mask), atol=1e-12)
    assert torch.allclose(returns, to_go, atol=1e-12)


def test_a_perfect_value_function_leaves_no_advantage():
    rewards, _, mask = random_episode()
    values = rewards_to_go(rewards, mask, 0.9)
    found, _ = generalized_advantages(rewards, values, mask, 0.9, 0.95)
    assert torch.allclose(found, torch.zeros_like(found), atol=1e-12)


def test_rewards_to_go_by_hand():
    # rewards 1 (padding) 2 4, gamma 1/2: 4; 2 + 2 = 4; 1 + 2 = 3
    rewards = torch.tensor([[1.0, 100.0, 2.0, 4.0]])
    assert rewards_to_go(rewards, torch.tensor([[1.0, 0, 1, 1]]), 0.5).tolist() == [[3.0, 0.0, 4.0, 4.0]]


def test_no_gradient_reaches_the_values():
    rewards, values, mask = random_episode()
    values.requires_grad_()
    assert not generalized_advantages(rewards, values, mask)[0].requires_grad
    assert not value_baseline_advantages(rewards_to_go(rewards, mask), values, mask).requires_grad


def test_leave_one_out_by_hand():
    # 1 - mean(0, 0) = 1; 0 - mean(1, 0) = -1/2 twice
    assert leave_one_out_advantages(torch.tensor([[1.0, 0.0, 0.0]])).tolist() == [[1.0, -0.5, -0.5]]
    with pytest.raises(ValueError, match="at least two"):
        leave_one_out_advantages(torch.ones(3, 1))


@given(st.lists(st.integers(-8, 8), min_size=2, max_size=7))
def test_leave_one_out_is_the_group_mean_stretched(rewards):
    values = torch.tensor([rewards], dtype=torch.float64)
    expected = (values - values.mean()) * len(rewards) / (len(rewards) - 1)
    assert torch.allclose(leave_one_out_advantages(values), expected, atol=1e-12)


def test_baselines_in_expectation_over_all_groups_of_a_small_policy():
    """Exact: every group of 3 actions of a softmax policy over 3 actions, with its probability."""
    logits = torch.tensor([0.3, -0.5, 1.0], dtype=torch.float64, requires_grad=True)
    reward = torch.tensor([1.0, 3.0, -2.0], dtype=torch.float64)
    logprobs = torch.log_softmax(logits, 0)
    true = torch.autograd.grad((logprobs.exp() * reward).sum(), logits, retain_graph=True)[0]
    totals = {"leave one out": torch.zeros(3).double(), "batch mean": torch.zeros(3).double()}
    for group in itertools.product(range(3), repeat=3):
        chosen = logprobs[list(group)]
        probability = float(chosen.sum().exp().detach())
        advantages = {
            "leave one out": leave_one_out_advantages(reward[list(group)][None])[0],
            "batch mean": batch_mean_advantages(reward[list(group)]),
        }
        for name, values in advantages.items():
            totals[name] += probability * torch.autograd.grad((values * chosen).mean(), logits, retain_graph=True)[0]
    assert torch.allclose(totals["leave one out"], true, atol=1e-14)  # unbiased
    assert torch.allclose(totals["batch mean"], true * (1 - 1 / 3), atol=1e-14)  # its own reward is in the mean


def test_whitened_advantages_have_mean_0_and_standard_deviation_1_over_tokens():
    advantages, _, mask = random_episode(3)
    found = whiten(advantages, mask)
    tokens = found[mask > 0]
    assert float(tokens.mean()) == pytest.approx(0, abs=1e-12) and float(tokens.std()) == pytest.approx(1, abs=1e-6)
    assert (found[mask == 0] == 0).all()
