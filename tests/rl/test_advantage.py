import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.rl.advantage import (
    align_to_mask,
    informative_rows,
    outcome_advantages,
    process_advantages,
    step_tensors,
    without_spread,
)


def test_advantages_of_a_group_by_hand():
    # rewards 1 0 0 1: mean 1/2, sample variance 4 * (1/2)^2 / 3 = 1/3, std 0.577350; (1 - 1/2) / std = 0.866025
    found = outcome_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0]]), 0.0)
    assert found.tolist()[0] == pytest.approx([0.8660254, -0.8660254, -0.8660254, 0.8660254])


def test_epsilon_is_added_to_the_standard_deviation():
    # rewards 0 2: mean 1, sample std sqrt(2); (2 - 1) / (sqrt(2) + 0.5) = 0.522408
    found = outcome_advantages(torch.tensor([[0.0, 2.0]]), 0.5)
    assert found.tolist()[0] == pytest.approx([-0.5224077, 0.5224077])


@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1, 1 / 3])
def test_a_group_without_spread_gets_exactly_zero(reward):
    rewards = torch.full((1, 7), reward)
    assert outcome_advantages(rewards, 0.0).tolist() == [[0.0] * 7]
    assert without_spread(rewards).tolist() == [True]


@given(
    st.lists(st.integers(0, 20), min_size=3, max_size=8).filter(lambda r: len(set(r)) > 1),
    st.floats(0.5, 10),
    st.floats(-5, 5),
)
def test_scale_and_shift_of_the_rewards_do_not_matter(rewards, scale, shift):
    plain = torch.tensor([rewards], dtype=torch.float64)
    moved = outcome_advantages(plain * scale + shift, 0.0)
    assert torch.allclose(moved, outcome_advantages(plain, 0.0), atol=1e-9)


def test_groups_do_not_influence_each_other():
    first, second = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[5.0, 1.0, 9.0]])
    both = outcome_advantages(torch.cat([first, second]), 1e-6)
    assert torch.equal(both, torch.cat([outcome_advantages(first, 1e-6), outcome_advantages(second, 1e-6)]))


def test_a_group_of_one_is_refused():
    with pytest.raises(ValueError, match="at least two"):
        outcome_advantages(torch.zeros(3, 1), 1e-6)


def test_without_std_the_mean_alone_is_subtracted():
    # rewards 1 0 0 1, mean 1/2
    found = outcome_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0]]), 1e-6, divide_by_std=False)
    assert found.tolist() == [[0.5, -0.5, -0.5, 0.5]]


# --- process supervision


def slow_process_advantages(rewards, ends, num_tokens, width, epsilon):
    """Section 4.1.3 in plain Python, for one group: lists of step rewards and step ends for each completion."""
    every = [r for row in rewards for r in row]
    mean = sum(every) / len(every)
    std = math.sqrt(sum((r - mean) ** 2 for r in every) / (len(every) - 1))
    rows = []
    for row, row_ends, length in zip(rewards, ends, num_tokens, strict=True):
        row_ends = [*row_ends[:-1], length - 1] if row_ends else []
        steps = list(zip(row, row_ends, strict=True))
        rows.append([sum((r - mean) / (std + epsilon) for r, end in steps if end >= t) for t in range(width)])
    return rows


@st.composite
def step_groups(draw):
    """Step rewards, step ends and lengths of one group of 2 to 4 completions."""
    rewards, ends, lengths = [], [], []
    for _ in range(draw(st.integers(2, 4))):
        length = draw(st.integers(1, 8))
        found = sorted(draw(st.sets(st.integers(0, length - 1), min_size=1, max_size=4)))
        ends.append(found)
        rewards.append([draw(st.integers(0, 8)) / 8 for _ in found])
        lengths.append(length)
    return rewards, ends, lengths


def of_group(rewards, ends, lengths, epsilon=1e-6, **options):
    step_rewards, is_end = step_tensors(rewards, ends, lengths, 9)
    return process_advantages(step_rewards[None].double(), is_end[None], epsilon, **options)[0]


def test_process_advantages_by_hand():
    # two completions of 4 and 3 tokens; steps end at tokens 1 and 3, and at token 2. Step rewards 1 0 and 1:
    # mean 2/3, sample variance (1/9 + 4/9 + 1/9) / 2 = 1/3, std 0.577350; normalised 0.577350, -1.154701, 0.577350.
    # first: tokens 0 1 see both steps (-0.577350), tokens 2 3 the last (-1.154701); second: all see its one step
    found = of_group([[1.0, 0.0], [1.0]], [[1, 3], [2]], [4, 3], 0.0)
    low, high = -1 / math.sqrt(3), 1 / math.sqrt(3)
    assert found[0, :5].tolist() == pytest.approx([low, low, 2 * low, 2 * low, 0.0])
    assert found[1, :5].tolist() == pytest.approx([high, high, high, 0.0, 0.0])


@given(step_groups())
def test_process_advantages_equal_the_slow_ones(group):
    if len({r for row in group[0] for r in row}) < 2:
        assert (of_group(*group) == 0).all()
    else:
        expected = slow_process_advantages(*group, 9, 1e-6)
        assert torch.allclose(of_group(*group), torch.tensor(expected, dtype=torch.float64), atol=1e-9)


@given(step_groups(), st.floats(0.5, 10), st.floats(-5, 5), st.data())
def test_scale_shift_and_order_do_not_matter_to_process_advantages(group, scale, shift, data):
    rewards, ends, lengths = group
    order = data.draw(st.permutations(range(len(lengths))))
    step_rewards, is_end = step_tensors(rewards, ends, lengths, 9)
    plain = process_advantages(step_rewards[None].double(), is_end[None], 0.0)[0]
    moved = step_rewards[order].double() * scale + shift  # moves what stands between the steps too
    if len({r for row in rewards for r in row}) > 1:
        assert torch.allclose(process_advantages(moved[None], is_end[order][None], 0.0)[0], plain[order], atol=1e-7)


@given(st.lists(st.integers(0, 8), min_size=2, max_size=6))
def test_with_one_step_each_process_supervision_is_outcome_supervision(rewards):
    values = [r / 8 for r in rewards]
    found = of_group([[r] for r in values], [[0]] * len(values), [3] * len(values))
    expected = outcome_advantages(torch.tensor([values]).double(), 1e-6)[0]
    # the single step reaches to the last token, so every token gets the completion's advantage
    assert torch.allclose(found[:, :3], expected[:, None].expand(-1, 3), atol=1e-9)
    assert (found[:, 3:] == 0).all()


def test_process_advantages_without_std_by_hand():
    # steps 1 0 and 1, mean 2/3: 1/3, -2/3 and 1/3
    found = of_group([[1.0, 0.0], [1.0]], [[1, 3], [2]], [4, 3], divide_by_std=False)
    assert found[0, :4].tolist() == pytest.approx([-1 / 3, -1 / 3, -2 / 3, -2 / 3], abs=1e-7)


def test_averaged_process_advantages_by_hand():
    # as above, normalised 0.577350, -1.154701 and 0.577350: tokens 0 1 of the first see two steps, so half their sum
    found = of_group([[1.0, 0.0], [1.0]], [[1, 3], [2]], [4, 3], 0.0, average_steps=True)
    third = 1 / math.sqrt(3)
    assert found[0, :5].tolist() == pytest.approx([-third / 2, -third / 2, -2 * third, -2 * third, 0.0])
    assert found[1, :5].tolist() == pytest.approx([third, third, third, 0.0, 0.0])


@given(step_groups())
def test_averaged_process_advantages_equal_the_slow_ones(group):
    found = of_group(*group, average_steps=True)
    if len({r for row in group[0] for r in row}) < 2:
        assert (found == 0).all()
        return
    sums = slow_process_advantages(*group, 9, 1e-6)
    for n, (ends, length) in enumerate(zip(group[1], group[2], strict=True)):
        moved = [*ends[:-1], length - 1]
        counts = [max(1, sum(end >= t for end in moved)) for t in range(9)]
        expected = [value / count for value, count in zip(sums[n], counts, strict=True)]
        assert found[n].tolist() == pytest.approx(expected, abs=1e-9)


def test_the_sum_prefers_many_middling_steps_and_the_mean_the_better_one():
    # mean of all step rewards: (4 * 0.6 + 0.7 + 2 * 0.1) / 7 = 0.4714; sums of the differences from it, at token 0
    rewards, ends, lengths = [[0.6] * 4, [0.7], [0.1, 0.1]], [[0, 1, 2, 3], [3], [0, 1]], [4, 4, 2]
    summed = of_group(rewards, ends, lengths, divide_by_std=False)[:, 0]
    averaged = of_group(rewards, ends, lengths, divide_by_std=False, average_steps=True)[:, 0]
    assert summed.tolist() == pytest.approx([0.5143, 0.2286, -0.7429], abs=1e-4)
    assert averaged.tolist() == pytest.approx([0.1286, 0.2286, -0.3714], abs=1e-4)


def test_groups_of_steps_do_not_influence_each_other():
    rewards, is_end = torch.rand(3, 2, 4, generator=torch.Generator().manual_seed(0)), torch.ones(3, 2, 4)
    together = process_advantages(rewards, is_end, 1e-6)
    for b in range(3):
        assert torch.equal(process_advantages(rewards[b : b + 1], is_end[b : b + 1], 1e-6)[0], together[b])


def test_a_completion_without_steps_gets_zero_and_leaves_the_others_alone():
    alone = of_group([[1.0, 0.0], [0.5]], [[0, 1], [1]], [2, 2])
    with_empty = of_group([[1.0, 0.0], [0.5], []], [[0, 1], [1], []], [2, 2, 2])
    assert torch.equal(with_empty[:2], alone) and (with_empty[2] == 0).all()


def test_the_end_token_belongs_to_the_last_step():
    # the second step's text ends at token 2, the end token is token 3
    rewards, is_end = step_tensors([[0.5, 1.0]], [[0, 2]], [4], 5)
    assert rewards.tolist() == [[0.5, 0.0, 0.0, 1.0, 0.0]]
    assert is_end.tolist() == [[True, False, False, True, False]]


@pytest.mark.parametrize(
    ("rewards", "ends", "length"), [([1.0], [0, 1], 3), ([1.0, 0.0], [1, 1], 3), ([1.0], [3], 3), ([1.0], [0], 9)]
)
def test_steps_that_do_not_fit_are_refused(rewards, ends, length):
    with pytest.raises(ValueError, match="completion 0"):
        step_tensors([rewards], [ends], [length], 4)


def test_rows_of_groups_without_spread_are_not_informative():
    rewards = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    assert informative_rows(rewards).tolist() == [False, False, True, True, False, False]


def test_values_are_moved_to_their_tokens():
    values = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    mask = torch.tensor([[0.0, 0, 1, 1, 0], [1, 1, 1, 0, 0]])
    assert align_to_mask(values, mask).tolist() == [[0, 0, 1, 2, 0], [4, 5, 6, 0, 0]]
    with pytest.raises(ValueError, match="4 tokens, values are given for 3"):
        align_to_mask(values, torch.ones(2, 4))
