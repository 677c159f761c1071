import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.rl.advantage import outcome_advantages
from dsmath_pipeline.rl.objective import (
    PAPER,
    ObjectiveOptions,
    clipped_surrogate,
    completion_mean,
    grpo_loss,
    is_clipped,
    mask_truncated,
    token_objective,
    token_weights,
)
from tests.rl.random_batch import batch, gradient

SETTINGS: dict[str, Any] = {"clip_range": 0.2, "kl_coefficient": 0.04}


def slow_loss(policy, old, reference, advantages, mask, clip_range, kl_coefficient, options=PAPER):
    """Equation 3 and its variants token by token in plain Python; per-token advantages are [B, T]."""
    rows, width = mask.shape
    high = clip_range if options.clip_range_high is None else options.clip_range_high
    num_tokens = int(mask.sum())
    total = 0.0
    for b in range(rows):
        length = int(mask[b].sum())
        for t in range(width):
            if not mask[b, t]:
                continue
            p, r = math.exp(policy[b, t]), math.exp(reference[b, t])
            ratio = p / math.exp(old[b, t])
            a = float(advantages[b]) if advantages.dim() == 1 else float(advantages[b, t])
            clipped = min(max(ratio, 1 - clip_range), 1 + high)
            kl = {"k1": math.log(p / r), "k2": math.log(p / r) ** 2 / 2, "k3": r / p - math.log(r / p) - 1}
            kl_term = kl[options.kl_estimator] * (ratio if options.kl_ratio_corrected else 1)
            value = min(ratio * a, clipped * a) - kl_coefficient * kl_term
            if options.normalization == "completion":
                total += value / length / rows
            elif options.normalization == "token":
                total += value / num_tokens
            else:
                total += value / options.max_completion_tokens / rows
    return -total


def test_one_token_by_hand():
    # policy 0.5, old 0.4, reference 0.25, A = 2, epsilon 0.2, beta 0.1
    # ratio 1.25 is clipped to 1.2: 2.4; k3 = 0.5 - ln 0.5 - 1 = 0.193147; 2.4 - 0.0193147 = 2.380685
    values = [torch.tensor([[math.log(p)]]) for p in (0.5, 0.4, 0.25)]
    found = token_objective(*values, advantages=torch.tensor([2.0]), clip_range=0.2, kl_coefficient=0.1)
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


VARIANTS = [
    PAPER,
    ObjectiveOptions(clip_range_high=0.28),
    ObjectiveOptions(normalization="token"),
    ObjectiveOptions(normalization="constant", max_completion_tokens=7),
    ObjectiveOptions(kl_estimator="k1"),
    ObjectiveOptions(kl_estimator="k2"),
    ObjectiveOptions(kl_ratio_corrected=True),
    ObjectiveOptions(0.5, "token", None, "k2", True),
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("per_token", [False, True])
def test_every_variant_equals_the_slow_loss(options, per_token):
    policy, old, reference, advantages, mask = batch(rows=5, spread=0.6)
    if per_token:
        advantages = batch(rows=5, seed=3)[0] + 0.5  # both signs
    found = grpo_loss(policy, old, reference, advantages, mask, 5, options=options, num_tokens=int(mask.sum()),
                      clip_range=0.2, kl_coefficient=0.3)  # fmt: skip
    expected = slow_loss(policy, old, reference, advantages, mask, 0.2, 0.3, options)
    assert float(found.loss) == pytest.approx(expected, rel=1e-12)


def test_the_variants_differ_from_each_other():
    values = batch(rows=5, spread=0.6)
    losses = {round(slow_loss(*values, 0.2, 0.3, options), 9) for options in VARIANTS}
    assert len(losses) == len(VARIANTS)


def test_an_advantage_for_every_token_may_be_the_same_for_all():
    policy, old, reference, advantages, mask = batch()
    wide = advantages[:, None].expand_as(policy)
    one = grpo_loss(policy, old, reference, advantages, mask, 4, **SETTINGS)
    many = grpo_loss(policy, old, reference, wide, mask, 4, **SETTINGS)
    assert float(one.loss) == float(many.loss) and one.clip_share == many.clip_share


def test_clip_higher_by_hand():
    # ratio 2: upper bound 1.5 for A = 1; for A = -1 the minimum is the unclipped -2
    ratio = torch.tensor([[math.log(2.0)]])
    zero = torch.zeros(1, 1)
    assert float(clipped_surrogate(ratio, zero, torch.tensor([1.0]), 0.2, 0.5)) == pytest.approx(1.5)
    assert float(clipped_surrogate(ratio, zero, torch.tensor([-1.0]), 0.2, 0.5)) == pytest.approx(-2.0)
    assert is_clipped(ratio, zero, torch.tensor([1.0]), 0.2, 0.5).item()
    assert not is_clipped(ratio, zero, torch.tensor([-1.0]), 0.2, 0.5).item()


def test_token_weights_by_hand():
    # completions of 1 and 3 tokens
    mask = torch.tensor([[1.0, 0, 0], [1, 1, 1]])
    sixth = 1 / 6  # 1/3 of a completion, 1/2 of the batch
    assert token_weights(mask, 2).flatten().tolist() == pytest.approx([0.5, 0, 0, sixth, sixth, sixth])
    by_token = token_weights(mask, 2, "token", num_tokens=4)
    assert by_token.flatten().tolist() == [0.25, 0, 0, 0.25, 0.25, 0.25]
    constant = token_weights(mask, 2, "constant", max_completion_tokens=5)
    assert constant.flatten().tolist() == pytest.approx([0.1, 0, 0, 0.1, 0.1, 0.1])


@pytest.mark.parametrize(
    ("normalization", "message"),
    [("token", "num_tokens"), ("constant", "max_completion_tokens"), ("row", "choose completion, token or constant")],
)
def test_a_missing_divisor_and_an_unknown_normalization_are_refused(normalization, message):
    with pytest.raises(ValueError, match=message):
        token_weights(torch.ones(2, 3), 2, normalization)


@pytest.mark.parametrize("normalization", ["completion", "token", "constant"])
def test_micro_batches_add_up_in_every_normalization(normalization):
    values = batch(rows=6)
    options = ObjectiveOptions(normalization=normalization, max_completion_tokens=9)
    sizes: dict[str, Any] = {"num_completions": 6, "num_tokens": int(values[4].sum()), "options": options}
    whole = grpo_loss(*values, **sizes, **SETTINGS)
    parts = [grpo_loss(*[v[n : n + 2] for v in values], **sizes, **SETTINGS) for n in (0, 2, 4)]
    assert sum(float(part.loss) for part in parts) == pytest.approx(float(whole.loss), rel=1e-12)


def test_a_truncated_completion_that_is_masked_has_no_gradient_and_still_counts():
    policy, old, reference, advantages, mask = batch()
    logprobs = policy.clone().requires_grad_()
    is_truncated = torch.tensor([False, True, False, False])
    found = grpo_loss(logprobs, old, reference, advantages, mask_truncated(mask, is_truncated), 4, **SETTINGS)
    found.loss.backward()
    rest = [0, 2, 3]
    others = slow_loss(*[value[rest] for value in (policy, old, reference, advantages, mask)], **SETTINGS)
    assert float(found.loss.detach()) == pytest.approx(others * 3 / 4, rel=1e-12)
    assert gradient(logprobs)[1].abs().sum() == 0 and (gradient(logprobs)[rest] != 0).any(1).all()


def test_equal_rewards_without_kl_give_no_gradient():
    policy, old, reference, _, mask = batch()
    logprobs = policy.clone().requires_grad_()
    advantages = outcome_advantages(torch.full((2, 2), 0.3, dtype=torch.float64), 1e-6).flatten()
    grpo_loss(logprobs, old, reference, advantages, mask, 4, clip_range=0.2, kl_coefficient=0.0).loss.backward()
    assert (gradient(logprobs) == 0).all()


@given(st.permutations(range(4)), st.floats(0.1, 10), st.floats(-5, 5))
def test_order_in_the_group_and_scale_and_shift_of_its_rewards_do_not_matter(order, scale, shift):
    policy, old, reference, _, mask = batch()
    rewards = torch.tensor([[0.0, 1.0, 0.25, 1.0]], dtype=torch.float64)

    def loss(rows, rewards):
        values = [value[rows] for value in (policy, old, reference)]
        advantages = outcome_advantages(rewards[:, rows], 0.0).flatten()
        return float(grpo_loss(*values, advantages, mask[rows], 4, **SETTINGS).loss)

    assert loss(order, rewards * scale + shift) == pytest.approx(loss(list(range(4)), rewards), rel=1e-9)


@given(st.integers(0, 1000))
def test_at_ratio_one_the_surrogate_has_the_policy_gradient(seed):
    policy, _, _, advantages, _ = batch(seed=seed)
    logprobs = policy.clone().requires_grad_()
    clipped_surrogate(logprobs, policy, advantages, 0.2).sum().backward()
    assert torch.allclose(gradient(logprobs), advantages[:, None].expand_as(policy), atol=1e-15)


@given(st.integers(0, 1000))
def test_the_surrogate_never_exceeds_the_unclipped_one(seed):
    policy, old, _, advantages, _ = batch(seed=seed, spread=1.0)
    unclipped = (policy - old).exp() * advantages[:, None]
    found = clipped_surrogate(policy, old, advantages, 0.2)
    assert (found <= unclipped).all()
    assert torch.equal(found < unclipped, is_clipped(policy, old, advantages, 0.2))


def test_an_upper_clip_range_equal_to_the_lower_changes_nothing():
    values = batch()
    plain = grpo_loss(*values, num_completions=4, **SETTINGS)
    same = grpo_loss(*values, num_completions=4, options=replace(PAPER, clip_range_high=0.2), **SETTINGS)
    assert float(plain.loss) == float(same.loss)


def test_padding_never_counts():
    values = torch.tensor([[1.0, 3.0, 100.0], [5.0, 100.0, 100.0]])
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert completion_mean(values, mask).tolist() == [2.0, 5.0]
