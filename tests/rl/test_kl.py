import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.rl.kl import exact_kl, k1, k2, k3, kl_term
from tests.rl.random_batch import gradient

ESTIMATORS = {"k1": k1, "k2": k2, "k3": k3}


def distributions(seed=1, size=5):
    """Logits of a policy that take gradients, and log-probabilities of a reference."""
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, generator=rng, dtype=torch.float64, requires_grad=True)
    return logits, torch.log_softmax(torch.randn(size, generator=rng, dtype=torch.float64), 0)


def gradient_of(value_of, logits):
    """Gradient with respect to the logits of a function of the policy's log-probabilities."""
    logits.grad = None
    value_of(torch.log_softmax(logits, 0)).backward()
    return gradient(logits).clone()


def test_estimates_of_one_token_by_hand():
    # policy 0.5, reference 0.25: log-ratio ln 2; k2 = ln(2)^2 / 2; k3 = 0.5 + ln 2 - 1
    policy, reference = torch.tensor([math.log(0.5)]).double(), torch.tensor([math.log(0.25)]).double()
    assert float(k1(policy, reference)) == pytest.approx(0.6931472, rel=1e-6)
    assert float(k2(policy, reference)) == pytest.approx(0.2402265, rel=1e-6)
    assert float(k3(policy, reference)) == pytest.approx(0.1931472, rel=1e-6)


def test_the_ratio_correction_by_hand():
    # policy 0.5, old 0.4: ratio 1.25 times the k3 above
    policy, old, reference = (torch.tensor([math.log(p)]).double() for p in (0.5, 0.4, 0.25))
    assert float(kl_term(policy, old, reference, ratio_corrected=True)) == pytest.approx(1.25 * 0.1931472, rel=1e-6)
    assert float(kl_term(policy, old, reference)) == float(k3(policy, reference))


def test_the_exact_divergence_by_hand():
    # KL((3/4, 1/4) || (1/2, 1/2)) = 3/4 ln(3/2) + 1/4 ln(1/2) = 0.130812
    first, second = torch.tensor([0.75, 0.25]).log(), torch.tensor([0.5, 0.5]).log()
    assert float(exact_kl(first, second)) == pytest.approx(0.1308123, rel=1e-5)


@given(st.floats(-20, 0), st.floats(-20, 0))
def test_k3_is_never_negative_and_zero_only_at_the_reference(policy, reference):
    found = float(k3(torch.tensor(policy).double(), torch.tensor(reference).double()))
    assert found >= 0
    if abs(policy - reference) > 1e-6:
        assert found > 0
    assert float(k3(torch.tensor(policy), torch.tensor(policy))) == 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["k1", "k3"])
def test_the_mean_of_k1_and_k3_over_the_policy_is_the_divergence(name, seed):
    logits, reference = distributions(seed)
    policy = torch.log_softmax(logits.detach(), 0)
    mean = float((policy.exp() * ESTIMATORS[name](policy, reference)).sum())
    assert mean == pytest.approx(float(exact_kl(policy, reference)), rel=1e-12)


def expected_gradient(term, logits):
    """Exact expectation over the vocabulary: sampling weights held fixed, as training on samples does."""
    return gradient_of(lambda p: (p.detach().exp() * term(p)).sum(), logits)


def test_expected_gradients_of_the_estimates():
    logits, reference = distributions()
    to_reference = gradient_of(lambda p: exact_kl(p, reference), logits)  # of KL(policy || reference)
    from_reference = gradient_of(lambda p: exact_kl(reference, p), logits)  # of KL(reference || policy)
    assert not torch.allclose(to_reference, from_reference, atol=1e-3)

    assert torch.allclose(expected_gradient(lambda p: k1(p, reference), logits), torch.zeros(5).double(), atol=1e-14)
    assert torch.allclose(expected_gradient(lambda p: k2(p, reference), logits), to_reference, atol=1e-14)
    assert torch.allclose(expected_gradient(lambda p: k3(p, reference), logits), from_reference, atol=1e-14)
    for name in ("k1", "k3"):
        corrected = expected_gradient(
            lambda p, name=name: kl_term(p, p.detach(), reference, name, ratio_corrected=True), logits
        )
        assert torch.allclose(corrected, to_reference, atol=1e-14), name


def test_an_unknown_estimator_is_refused():
    one = torch.zeros(1, 1)
    with pytest.raises(ValueError, match="choose one of k1, k2, k3"):
        kl_term(one, one, one, "k4")
