"""The paper's own looser comparison, for reported numbers only: as a reward it can be exploited.

From the evaluation code published with the paper: a number counts when it is the reference, a hundredth or a hundred
times it, each within 10^-3; tuples are compared item by item whatever their brackets; expressions count when their
values differ by at most 10^-3. `equality.decide` asks here only after its own rules said no, so that everything strict
grading accepts is accepted too.
"""

import re
from fractions import Fraction

from ..records import Verdict
from .algebra import algebra_text, compare_expressions
from .forms import read_form
from .notation import unify
from .numbers import parse_number

TOLERANCE = Fraction(1, 1000)
"""Absolute; the published evaluation code."""

FACTORS = (Fraction(1, 100), Fraction(1), Fraction(100))
"""Percentages and shares are not told apart; the published evaluation code."""

_COLLECTIONS = ("row", "values", "set", "blanks", "interval", "matrix")


def is_close(reference: str, answer: str, symbolic: bool, deadline: float, depth: int = 0) -> bool:
    """Equality by the paper's rules; symmetric. `symbolic` and `deadline` as in `equality.decide`."""
    wanted, given = parse_number(reference), parse_number(answer)
    if wanted and given:
        a, b = wanted.value, given.value
        return any(abs(a * f - b) <= TOLERANCE for f in FACTORS) or any(abs(b * f - a) <= TOLERANCE for f in FACTORS)
    first, second = read_form(unify(reference)), read_form(unify(answer))
    if first.kind in _COLLECTIONS and second.kind in _COLLECTIONS and depth < 4:
        return len(first.items) == len(second.items) and all(
            is_close(a, b, symbolic, deadline, depth + 1) for a, b in zip(first.items, second.items, strict=True)
        )
    return symbolic and _values_are_close(reference, answer, deadline)


def _values_are_close(reference: str, answer: str, deadline: float) -> bool:
    texts = [algebra_text(re.sub(r"^[^=]*=", "", unify(text))) for text in (reference, answer)]
    if texts[0] is None or texts[1] is None:
        return False
    verdict = compare_expressions(texts[0], texts[1], deadline, 0.0, float(TOLERANCE))
    return verdict is Verdict.CORRECT
