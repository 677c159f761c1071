"""Where formulas begin and end in a text, compiled by numba: the rules of text.py over bytes."""

import numpy as np

from .compiled import compiled
from .nfkc_kernel import DIGIT, NUM_POINTS, SPACE, decode, kind_of

_MAX_BODY_CHARS, _MARK_CHARS = 402, 10
"""Characters between two dollars at most; of the ` \\formula ` that stands for a mark."""


@compiled
def formula_end(data, at, start, stop, max_masked):
    """Behind the formula mark at `at` ("$$", "\\(", "\\["), or behind its formula where it is masked; 0: no mark."""
    if at + 1 >= stop:
        return 0
    first, second = data[at], data[at + 1]
    if first == 36:
        if second != 36:
            return 0
        closing = 36
    else:
        if not (second == 40 or second == 41 or second == 91 or second == 93) or (at > start and data[at - 1] == 92):
            return 0
        closing = 41 if second == 40 else 93 if second == 91 else 0
    if max_masked == 0 or closing == 0:
        return at + 2
    chars = 0
    place = at + 2
    while place + 1 < stop:
        if data[place] == first and data[place + 1] == closing and (first == 36 or data[place - 1] != 92):
            return place + 2
        place += 1
        while place < stop and data[place] & 0xC0 == 0x80:
            place += 1
        chars += 1
        if chars > max_masked:
            break
    return at + 2


@compiled
def closing_dollar(data, at, start, stop, tables, max_masked):
    """The dollar that ends the formula which the one at `at` begins; -1: it begins none."""
    if at > start and data[at - 1] == 92:
        return -1
    place = at + 1
    chars = 0
    is_bad_last = True
    while place < stop and chars <= _MAX_BODY_CHARS:
        byte = data[place]
        end = formula_end(data, place, start, stop, max_masked) if byte == 36 or byte == 92 else 0
        if end > 0:
            if chars == 0:
                return -1
            chars += _MARK_CHARS
            is_bad_last = True
            place = end
            continue
        if byte == 36:
            if chars == 0 or (chars > 1 and is_bad_last):
                return -1
            point = np.int64(0)
            if place + 1 < stop:
                point, _ = decode(data, place + 1, stop)
            return -1 if 0 <= point < NUM_POINTS and tables.kinds[point] & DIGIT else place
        point, length = decode(data, place, stop)
        if point < 0:
            return -1
        is_space = kind_of(point, tables) == SPACE
        if chars == 0 and is_space:
            return -1
        is_bad_last = is_space or byte == 92
        chars += 1
        place += length
    return -1
