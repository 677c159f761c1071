import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.rl.objective import grpo_loss
from dsmath_pipeline.rl.ppo import last_token_scores, penalised_rewards, ppo_loss, value_loss
from tests.rl.random_batch import batch, gradient


def test_rewards_of_equation_2_by_hand():
    # policy 0.5 and 0.5, reference 0.25 and 1, beta 0.1, score 2 on the last token, then padding:
    # -0.1 ln 2 = -0.0693147; 2 - 0.1 ln(1/2) = 2.0693147
    old = torch.tensor([[0.5, 0.5, 0.1]]).log()
    reference = torch.tensor([[0.25, 1.0, 0.9]]).log()
    mask = torch.tensor([[1.0, 1.0, 0.0]])
    found = penalised_rewards(torch.tensor([2.0]), old, reference, mask, 0.1)
    assert found.tolist()[0] == pytest.approx([-0.0693147, 2.0693147, 0.0])
    # a score for every token (a process reward model) is added where it stands
    found = penalised_rewards(torch.tensor([[1.0, 2.0, 7.0]]), old, reference, mask, 0.1)
    assert found.tolist()[0] == pytest.approx([0.9306853, 2.0693147, 0.0])


def test_rewards_carry_no_gradient():
    policy, _, reference, advantages, mask = batch()
    assert not penalised_rewards(advantages, policy.requires_grad_(), reference, mask, 0.1).requires_grad


def test_a_score_stands_on_the_last_token_wherever_padding_is():
    mask = torch.tensor([[0.0, 1, 1, 0], [1, 1, 1, 1], [1, 0, 1, 0]])
    found = last_token_scores(torch.tensor([3.0, 4.0, 5.0]), mask)
    assert found.tolist() == [[0, 0, 3, 0], [0, 0, 0, 4], [0, 0, 5, 0]]


def test_a_completion_without_tokens_cannot_carry_a_score():
    with pytest.raises(ValueError, match=r"completions \[1\] have no token"):
        last_token_scores(torch.ones(2), torch.tensor([[1.0, 0], [0, 0]]))


def test_the_penalties_of_a_completion_add_up_to_beta_times_its_log_ratio():
    policy, _, reference, advantages, mask = batch()
    found = penalised_rewards(advantages, policy, reference, mask, 0.3).sum(1)
    assert torch.allclose(found, advantages - 0.3 * ((policy - reference) * mask).sum(1), atol=1e-12)


@given(st.integers(0, 200))
def test_ppo_is_grpo_without_its_kl_term(seed):
    policy, old, reference, advantages, mask = batch(seed=seed, spread=0.6)
    per_token = advantages[:, None] * (policy + 0.5)
    expected = grpo_loss(policy, old, reference, per_token, mask, 4, clip_range=0.2, kl_coefficient=0.0).loss
    assert float(ppo_loss(policy, old, per_token, mask, 4, clip_range=0.2)) == pytest.approx(float(expected))


def slow_value_loss(values, old, returns, mask, clip_range):
    total = 0.0
    for b in range(len(values)):
        inner = []
        for t in range(values.shape[1]):
            if not mask[b, t]:
                continue
            v, o, target = float(values[b, t]), float(old[b, t]), float(returns[b, t])
            error = (v - target) ** 2
            if clip_range is not None:
                error = max(error, (min(max(v, o - clip_range), o + clip_range) - target) ** 2)
            inner.append(error / 2)
        total += sum(inner) / len(inner)
    return total / len(values)


@given(st.integers(0, 200), st.sampled_from([None, 0.1, 0.5]))
def test_the_value_loss_equals_the_slow_one(seed, clip_range):
    values, old, returns, _, mask = batch(seed=seed, spread=0.6)
    found = value_loss(values, old, returns, mask, 4, clip_range=clip_range)
    assert float(found) == pytest.approx(slow_value_loss(values, old, returns, mask, clip_range), rel=1e-12)


def test_value_clipping_by_hand():
    # value 2, old 0, return 1, range 1/2: near value 1/2; errors 1 and 1/4: the larger counts, 1/2 * 1.
    # return 3: errors 1 and 6.25, the clipped one counts and has no gradient
    one = torch.ones(1, 1)
    value = torch.tensor([[2.0]], requires_grad=True)
    assert value_loss(value, 0 * one, one, one, 1, clip_range=0.5).item() == pytest.approx(0.5)
    loss = value_loss(value, 0 * one, 3 * one, one, 1, clip_range=0.5)
    loss.backward()
    assert loss.item() == pytest.approx(3.125) and gradient(value).item() == 0


def test_the_value_loss_has_the_error_as_gradient():
    values, _, returns, _, mask = batch()
    values.requires_grad_()
    value_loss(values, values.detach(), returns, mask, 4).backward()
    expected = (values.detach() - returns) * mask / mask.sum(1, keepdim=True) / 4
    assert torch.allclose(gradient(values), expected, atol=1e-15)
    assert math.isclose(float(gradient(values)[0, 1:].abs().sum()), 0)  # padding
