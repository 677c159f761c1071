import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.rl.preference import dpo_loss
from tests.rl.random_batch import batch


def pairs(seed=0, rows=4):
    """Chosen and rejected: policy, reference, mask each; the rejected ones are longer or shorter."""
    chosen, _, chosen_reference, _, chosen_mask = batch(rows, 5, seed)
    rejected, _, rejected_reference, _, rejected_mask = batch(rows, 7, seed + 1000)
    return chosen, chosen_reference, chosen_mask, rejected, rejected_reference, rejected_mask.flip(0)


def slow_loss(chosen, chosen_reference, chosen_mask, rejected, rejected_reference, rejected_mask, beta, normalised):
    total = 0.0
    for p in range(len(chosen)):
        sides = []
        for policy, reference, mask in (
            (chosen, chosen_reference, chosen_mask),
            (rejected, rejected_reference, rejected_mask),
        ):
            ratios = [float(policy[p, t] - reference[p, t]) for t in range(policy.shape[1]) if mask[p, t]]
            sides.append(sum(ratios) / (len(ratios) if normalised else 1))
        total += math.log(1 + math.exp(-beta * (sides[0] - sides[1])))
    return total / len(chosen)


@given(st.integers(0, 200), st.floats(0.01, 2), st.booleans())
def test_the_loss_equals_the_slow_one(seed, beta, normalised):
    values = pairs(seed)
    found = dpo_loss(*values, 4, kl_coefficient=beta, length_normalised=normalised)
    assert float(found.loss) == pytest.approx(slow_loss(*values, beta, normalised), rel=1e-10)


@pytest.mark.parametrize(("normalised", "expected"), [(True, math.log(4 / 3)), (False, math.log(10 / 9))])
def test_one_pair_by_hand(normalised, expected):
    # beta 1. Chosen, two tokens: log-ratios ln 3 each, mean ln 3, sum ln 9. Rejected, one token: 0.
    # -log sigmoid(ln 3) = ln(1 + 1/3); -log sigmoid(ln 9) = ln(1 + 1/9)
    one, two = torch.ones(1, 1), torch.ones(1, 2)
    found = dpo_loss(0 * two, -math.log(3) * two, two, 0 * one, 0 * one, one, 1, kl_coefficient=1.0,
                     length_normalised=normalised)  # fmt: skip
    assert float(found.loss) == pytest.approx(expected)
    assert found.margin == pytest.approx(math.log(3 if normalised else 9)) and found.accuracy == 1.0


def test_at_the_reference_the_loss_is_ln_2():
    chosen, _, chosen_mask, rejected, _, rejected_mask = pairs()
    found = dpo_loss(chosen, chosen, chosen_mask, rejected, rejected, rejected_mask, 4, kl_coefficient=0.5)
    assert float(found.loss) == pytest.approx(math.log(2)) and found.margin == 0 and found.accuracy == 0


@given(st.integers(0, 200))
def test_swapping_the_sides_turns_the_margin_round(seed):
    chosen, rejected = pairs(seed)[:3], pairs(seed)[3:]
    found = dpo_loss(*chosen, *rejected, 4, kl_coefficient=0.3)
    swapped = dpo_loss(*rejected, *chosen, 4, kl_coefficient=0.3)
    assert swapped.margin == pytest.approx(-found.margin)
    # -log sigmoid(-m) = m - log sigmoid(m), in the mean too
    assert float(swapped.loss) == pytest.approx(float(found.loss) + found.margin)


def test_micro_batches_add_up():
    values = pairs(rows=6)
    whole = dpo_loss(*values, 6, kl_coefficient=0.3)
    parts = [dpo_loss(*(v[n : n + 2] for v in values), 6, kl_coefficient=0.3) for n in (0, 2, 4)]
    for name in ("loss", "margin", "accuracy"):
        assert sum(float(getattr(part, name)) for part in parts) == pytest.approx(float(getattr(whole, name)))
