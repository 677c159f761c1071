"""Match two unordered collections one to one, with a comparison that may be costly or undecided."""

from collections.abc import Callable, Sequence

from ..records import Verdict

MAX_UNORDERED = 24
"""Longer collections are compared in their order: n^2 comparisons of algebra would cost too much."""


def match_all(first: Sequence[str], second: Sequence[str], same: Callable[[str, str], Verdict]) -> Verdict:
    """CORRECT when some order of `second` equals `first` item by item; TIMEOUT when undecided pairs prevent an answer.

    A maximum matching by augmenting paths: "equal" need not be transitive (50 % equals 50 and 0.5), so taking the first
    partner that fits would depend on the order.
    """
    if len(first) != len(second):
        return Verdict.WRONG
    if len(first) > MAX_UNORDERED:
        verdicts = [same(a, b) for a, b in zip(first, second, strict=True)]
        return next((v for v in verdicts if v is not Verdict.CORRECT), Verdict.CORRECT)
    known: dict[tuple[int, int], Verdict] = {}

    def fits(i: int, j: int) -> bool:
        if (i, j) not in known:
            known[i, j] = same(first[i], second[j])
        return known[i, j] is Verdict.CORRECT

    partner: dict[int, int] = {}

    def place(i: int, tried: set[int]) -> bool:
        for j in [*range(i, len(second)), *range(i)]:  # most lists come in the same order
            if j in tried or not fits(i, j):
                continue
            tried.add(j)
            if j not in partner or place(partner[j], tried):
                partner[j] = i
                return True
        return False

    for i in range(len(first)):
        if not place(i, set()):
            undecided = any(verdict is Verdict.TIMEOUT for verdict in known.values())
            return Verdict.TIMEOUT if undecided else Verdict.WRONG
    return Verdict.CORRECT
