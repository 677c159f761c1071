"""Accuracy, Maj@K and Pass@K (section 5.2.2 and figure 7).

Pure functions of verdicts and answers; who sampled and who graded does not matter here.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import comb

from ..grading.equality import canonical_text
from ..grading.numbers import parse_number


@dataclass(frozen=True, slots=True)
class Sample:
    """One graded sample of a problem; `answer` is "" when the completion states none."""

    answer: str
    is_correct: bool


def accuracy(grades: Sequence[bool]) -> float:
    """Share of correct grades, 0-1; 0 for none."""
    return sum(grades) / len(grades) if grades else 0.0


def majority(samples: Sequence[Sample]) -> Sample | None:
    """The sample that speaks for the most frequent answer, None when no sample states one.

    A missing answer never votes (it would win against scattered answers). Equal numbers are one answer however they
    are written. Ties go to the answer that was given first, so the vote does not depend on anything but the order.
    """
    votes: dict[Hashable, list[Sample]] = {}
    for sample in samples:
        if sample.answer:
            votes.setdefault(vote_key(sample.answer), []).append(sample)
    if not votes:
        return None
    return max(votes.values(), key=len)[0]  # max keeps the first of equals, and dicts keep insertion order


def vote_key(answer: str) -> Hashable:
    """What makes two answers the same vote: their exact number, else their text without decoration."""
    number = parse_number(answer)
    return (number.value, number.is_percent) if number else canonical_text(answer)


def maj_at_k(problems: Sequence[Sequence[Sample]], k: int) -> float:
    """Share of problems whose majority answer among the first `k` samples is correct, 0-1.

    Raises ValueError when a problem has fewer than `k` samples.
    """
    _check_counts(problems, k)
    winners = [majority(samples[:k]) for samples in problems]
    return accuracy([winner is not None and winner.is_correct for winner in winners])


def mean_maj_at_k(problems: Sequence[Sequence[Sample]], k: int) -> float:
    """Maj@k over every whole run of `k` samples, not only the first: less noise where k is small, 0-1.

    Equal to `maj_at_k` where every problem has fewer than 2k samples. Raises ValueError as `maj_at_k` does.
    """
    _check_counts(problems, k)
    shares = []
    for samples in problems:
        winners = [majority(samples[first : first + k]) for first in range(0, len(samples) - k + 1, k)]
        shares.append(accuracy([winner is not None and winner.is_correct for winner in winners]))
    return sum(shares) / len(shares) if shares else 0.0


def pass_at_k(problems: Sequence[Sequence[Sample]], k: int) -> float:
    """Mean over problems of the chance that at least one of `k` samples is correct, 0-1 (unbiased).

    Raises ValueError when a problem has fewer than `k` samples.
    """
    _check_counts(problems, k)
    chances = [pass_chance(len(samples), sum(s.is_correct for s in samples), k) for samples in problems]
    return sum(chances) / len(chances) if chances else 0.0


def pass_chance(num_samples: int, num_correct: int, k: int) -> float:
    """1 - C(n - c, k) / C(n, k): the chance that `k` of `n` samples, drawn without replacement, hold a correct one."""
    if not 1 <= k <= num_samples or not 0 <= num_correct <= num_samples:
        raise ValueError(f"pass@{k} needs 1 <= k <= n and 0 <= c <= n, got n={num_samples}, c={num_correct}")
    return 1 - comb(num_samples - num_correct, k) / comb(num_samples, k)


def _check_counts(problems: Sequence[Sequence[Sample]], k: int) -> None:
    short = [len(samples) for samples in problems if len(samples) < k]
    if k < 1 or short:
        raise ValueError(f"k={k} needs at least {max(k, 1)} samples of every problem, one has {min(short, default=0)}")
