import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.rl.advantage import outcome_advantages, without_spread


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
