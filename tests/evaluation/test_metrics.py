import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.evaluation.metrics import (
    Sample,
    accuracy,
    maj_at_k,
    majority,
    mean_maj_at_k,
    pass_at_k,
    pass_chance,
)

RIGHT, WRONG, NONE = Sample("18", True), Sample("19", False), Sample("", False)


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_equals_counting_all_draws(case):
    # The slow oracle: the share of k-subsets of n samples that hold at least one of the first c.
    n, c, k = case
    draws = list(itertools.combinations(range(n), k))
    assert pass_chance(n, c, k) == pytest.approx(sum(min(draw) < c for draw in draws) / len(draws))


def test_pass_at_k_by_hand():
    # Two problems, 4 samples each: 1 correct of 4 gives pass@2 = 1 - C(3,2)/C(4,2) = 1/2; none gives 0. Mean 1/4.
    problems = [[RIGHT, WRONG, WRONG, WRONG], [WRONG] * 4]
    assert pass_at_k(problems, 2) == 0.25
    assert pass_at_k(problems, 1) == 0.125  # pass@1 is the accuracy
    assert pass_at_k(problems, 4) == 0.5


@given(st.lists(st.sampled_from([RIGHT, WRONG, NONE]), min_size=1, max_size=12))
def test_pass_at_k_grows_with_k_and_starts_at_accuracy(samples):
    chances = [pass_at_k([samples], k) for k in range(1, len(samples) + 1)]
    assert chances == sorted(chances)
    assert chances[0] == pytest.approx(accuracy([s.is_correct for s in samples]))


def test_a_missing_answer_never_votes():
    # Three of five give no answer; of the rest, 18 and 19 tie and 18 came first.
    assert majority([NONE, NONE, RIGHT, NONE, WRONG]) is RIGHT
    assert majority([NONE, NONE]) is None
    assert maj_at_k([[NONE, NONE, RIGHT, NONE, WRONG], [NONE] * 5], 5) == 0.5


def test_equal_numbers_vote_together_however_they_are_written():
    samples = [Sample("19", False), Sample("$18.00$", True), Sample("18", True), Sample("19.5", False)]
    assert majority(samples) == samples[1]
    texts = [Sample("x+1", False), Sample("\\text{East}", True), Sample("east", True)]
    assert majority(texts) == texts[1]


@given(st.lists(st.sampled_from(["1", "2", "3", ""]), min_size=1, max_size=9))
def test_the_majority_equals_a_slow_count(answers):
    samples = [Sample(answer, False) for answer in answers]
    voting = [answer for answer in answers if answer]
    best = min(set(voting), key=lambda a: (-voting.count(a), voting.index(a)), default=None)
    winner = majority(samples)
    assert (winner.answer if winner else None) == best


def test_only_the_first_k_samples_vote_and_too_few_are_an_error():
    assert maj_at_k([[RIGHT, WRONG, WRONG]], 1) == 1.0
    assert maj_at_k([[RIGHT, WRONG, WRONG]], 3) == 0.0
    with pytest.raises(ValueError, match="k=4 needs at least 4 samples of every problem, one has 3"):
        maj_at_k([[RIGHT] * 3], 4)
    with pytest.raises(ValueError, match="pass@5"):
        pass_chance(4, 1, 5)


def test_maj_over_every_run_of_k_samples_counts_each_once():
    # Runs of two: (right, right) is right; (wrong, right) is a tie and the first wins; the fifth sample has no partner.
    samples = [RIGHT, RIGHT, WRONG, RIGHT, RIGHT]
    assert mean_maj_at_k([samples], 2) == 0.5
    assert mean_maj_at_k([samples], 1) == accuracy([s.is_correct for s in samples]) == 0.8
    assert mean_maj_at_k([samples, [WRONG] * 5], 5) == maj_at_k([samples, [WRONG] * 5], 5) == 0.5
    with pytest.raises(ValueError, match="k=6"):
        mean_maj_at_k([samples], 6)
