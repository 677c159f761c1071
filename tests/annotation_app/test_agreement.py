"""Cohen's kappa against values worked out by hand."""

import pytest

from dsmath_pipeline.annotation_app.agreement import Agreement, agreements, cohen_kappa, mean_kappa
from dsmath_pipeline.annotation_app.label_store import Event
from dsmath_pipeline.annotation_app.votes import Votes


def pairs(**counts):
    """pairs(mm=3, mn=1): three times both math, once math and not_math."""
    names = {"m": "math", "n": "not_math", "u": "unsure"}
    return [(names[key[0]], names[key[1]]) for key, number in counts.items() for _ in range(number)]


@pytest.mark.parametrize(
    ("given", "kappa"),
    [
        # 35 of 50 equal; first: 25 m, 25 n; second: 30 m, 20 n; expected 0.5*0.6 + 0.5*0.4 = 0.5; (0.7-0.5)/0.5
        (pairs(mm=20, mn=5, nm=10, nn=15), 0.4),
        # 6 of 10 equal; first m 5, n 3, u 2; second m 4, n 4, u 2; expected 0.20 + 0.12 + 0.04 = 0.36; 0.24/0.64
        (pairs(mm=3, mn=2, nn=2, nu=1, uu=1, um=1), 0.375),
        (pairs(mm=2, nn=3), 1.0),
        # never equal, first half m, second the other: observed 0, expected 0.5; -1
        (pairs(mn=4, nm=4), -1.0),
        # observed = expected = 0.5: chance
        (pairs(mm=1, mn=1, nm=1, nn=1), 0.0),
        # second says math always: expected = share of math of the first = observed
        (pairs(mm=3, nm=1), 0.0),
        (pairs(mm=5), None),
        ([], None),
    ],
)
def test_kappa(given, kappa):
    found = cohen_kappa(given)
    assert found is None if kappa is None else found == pytest.approx(kappa, abs=1e-12)
    swapped = cohen_kappa([(b, a) for a, b in given])
    assert swapped == found or swapped == pytest.approx(found)


def test_agreement_counts_prefixes_that_both_labelled_by_their_first_labels():
    rows = [("ana", "a", "math"), ("ben", "a", "math"), ("ana", "b", "not_math"), ("ben", "b", "math"),
            ("ben", "b", "not_math"), ("ana", "c", "math"), ("eve", "z", "math")]  # fmt: skip
    votes = Votes(Event(f"{i}", "label", p, label, who, number=i) for i, (who, p, label) in enumerate(rows, 1))
    # a: equal; b: ben's first label differs; c only ana. Observed 1/2, expected 1/2 * 1 = 1/2.
    assert agreements(votes) == [Agreement("ana", "ben", 2, 1, 0.0)]


def test_the_mean_weighs_by_common_prefixes_and_skips_undefined_kappas():
    rows = [Agreement("a", "b", 30, 20, 0.5), Agreement("a", "c", 10, 9, 0.9), Agreement("b", "c", 99, 99, None)]
    assert mean_kappa(rows) == pytest.approx((30 * 0.5 + 10 * 0.9) / 40)
    assert mean_kappa([]) is None
