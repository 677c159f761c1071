"""How much a run of grams says: the guards of decontamination against what anybody may write.

The paper drops every segment that shares ten grams with a benchmark. Taken alone, that drops pages for a row of numbers
(`1 & 2 & 3 & ...`), an alphabet, `x_1 + x_2 + x_3 + ...` or `f(n) = f(n - 1) + f(n - 2)`: runs that name no benchmark,
because each gram follows from those before it. So grams are counted that are *new* in their run: neither said before in
it, nor the number or the single Latin letter next to one said before in it (7 beside 6 or 8, b beside a or c). Of a
question taken at random nearly all runs have five new grams or more; of the runs that a crawl shares with benchmarks by
chance nearly none has. Words count the same in every language, and there is no list of words.

Not in the paper: it names no guard.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from ..text import CJK

EVIDENCE_VERSION = "1"
"""1 (2026-11): new grams, in place of the word lists before."""

MIN_LETTER_GRAMS = 2
"""A run needs as many grams with letters, counted as often as they occur: rows of numbers alone are no evidence."""

_CJK = re.compile(f"[{CJK}]")
_MAX_DIGITS = 9


def neighbours(gram: str) -> tuple[str, ...]:
    """The grams that a number or a single Latin letter may follow from by counting up or down; none for others.

    >>> neighbours("7"), neighbours("b"), neighbours("seven")
    (('6', '8'), ('a', 'c'), ())
    """
    if gram.isascii() and gram.isdecimal() and len(gram) <= _MAX_DIGITS:
        return str(int(gram) - 1), str(int(gram) + 1)
    if is_letter(gram):
        return chr(ord(gram) - 1), chr(ord(gram) + 1)
    return ()


def num_new(grams: Iterable[str]) -> int:
    """How many grams are new in this run; see the top of this file.

    >>> num_new("1 2 3 4 5".split()), num_new("f n f n 1 f n 2".split()), num_new("what is 7 times 8".split())
    (1, 3, 4)
    """
    seen: set[str] = set()
    count = 0
    for gram in grams:
        count += gram not in seen and not seen.intersection(neighbours(gram))
        seen.add(gram)
    return count


def is_letter(gram: str) -> bool:
    """A single letter from a to z."""
    return len(gram) == 1 and "a" <= gram <= "z"


def is_word(gram: str) -> bool:
    """A word of two letters or more, or a CJK character; single Latin letters and numbers are not."""
    return _CJK.match(gram) is not None or sum(c.isalpha() for c in gram) >= 2


def has_letter(gram: str) -> bool:
    """Is any character a letter? (Numbers have none.)"""
    return any(c.isalpha() for c in gram)


def gram_facts(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """What the kernel needs of the distinct grams `names`, for `runs_kernel.new_grams`.

    Neighbours (int32 [N, 2]): numbers of the grams next to each in counting, -1 where there is none. Letters (bool
    [N]): has_letter.
    """
    number = {name: at for at, name in enumerate(names)}
    beside = np.full((len(names), 2), -1, np.int32)
    for at, name in enumerate(names):
        for side, other in enumerate(neighbours(name)):
            beside[at, side] = number.get(other, -1)
    return beside, np.array([has_letter(name) for name in names], np.bool_)
