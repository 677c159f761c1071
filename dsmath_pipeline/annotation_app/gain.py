"""How many pages labels bring: counted on the tree of labelled prefixes, never page by page.

The longest labelled prefix of a page decides, as in `corpus.annotation.UrlLabels`. A labelled prefix therefore decides
the pages below it, less those below the next labelled prefixes under it.
"""

from collections.abc import Callable, Mapping

Count = Callable[[str], int]
"""Pages below a prefix, itself included."""


def deciding_prefix(prefix: str, labels: Mapping[str, object]) -> str | None:
    """The longest labelled prefix at or above `prefix`, or None.

    >>> deciding_prefix("a.org/x/y", {"a.org": "math", "a.org/x": "not_math"})
    'a.org/x'
    """
    while prefix not in labels:
        prefix, slash, _ = prefix.rpartition("/")
        if not slash:
            return None
    return prefix


def decided_pages(labels: Mapping[str, str], count: Count) -> dict[str, int]:
    """How many pages each labelled prefix decides."""
    decided = {prefix: count(prefix) for prefix in labels}
    for prefix in labels:
        parent, slash, _ = prefix.rpartition("/")
        above = deciding_prefix(parent, labels) if slash else None
        if above is not None:
            decided[above] -= count(prefix)
    return decided


def pages_gained(labels: Mapping[str, str], num_uncollected: Count) -> int:
    """Pages that join the next seed: not collected, and the longest labelled prefix says math."""
    decided = decided_pages(labels, num_uncollected)
    return sum(number for prefix, number in decided.items() if labels[prefix] == "math")


def pages_covered(labels: Mapping[str, str], num_pages: Count) -> int:
    """Pages that some label decides."""
    return sum(decided_pages(labels, num_pages).values())
