"""How well annotators agree: Cohen's kappa (Cohen, "A coefficient of agreement for nominal scales", 1960).

kappa = (observed - expected) / (1 - expected): `observed` is the share of prefixes on which two people gave the same
label, `expected` the share on which they would by chance, each with their own frequencies of the labels. 1 is perfect
agreement, 0 is chance. The first label that each person gave is compared: it was given without seeing the other's.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from .votes import Votes


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two annotators. `num_common` prefixes were labelled by both; `kappa` is None where it is not defined."""

    first: str
    second: str
    num_common: int
    num_equal: int
    kappa: float | None


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Kappa of pairs of labels (first annotator's, second annotator's).

    None when there is no pair, or when both gave one and the same label throughout: chance alone would then agree
    everywhere, and kappa is 0 / 0.

    >>> cohen_kappa([("math", "math"), ("math", "not_math"), ("not_math", "not_math"), ("not_math", "not_math")])
    0.5
    """
    total = len(pairs)
    if not total:
        return None
    observed = sum(a == b for a, b in pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(first[label] * second[label] for label in first)  # times total**2
    if expected == total * total:
        return None
    return (observed * total - expected) / (total * total - expected)


def agreements(votes: Votes) -> list[Agreement]:
    """Every two annotators who labelled at least one prefix in common."""
    first_votes = [votes.first_votes(prefix) for prefix in votes.prefixes()]
    found = []
    for a, b in combinations(votes.annotators(), 2):
        pairs = [(labels[a], labels[b]) for labels in first_votes if a in labels and b in labels]
        if pairs:
            found.append(Agreement(a, b, len(pairs), sum(x == y for x, y in pairs), cohen_kappa(pairs)))
    return found


def mean_kappa(found: Sequence[Agreement]) -> float | None:
    """Mean of the defined kappas, weighted by the number of common prefixes; None when none is defined."""
    defined = [(row.kappa, row.num_common) for row in found if row.kappa is not None]
    total = sum(weight for _, weight in defined)
    return sum(kappa * weight for kappa, weight in defined) / total if total else None
