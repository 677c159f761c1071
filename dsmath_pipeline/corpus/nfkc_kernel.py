"""Characters as NFKC and lower case see them: UTF-8, tables by code point, marks composed with what they stand on.

Compiled by numba; segmentation.py fills the tables.
"""

from typing import NamedTuple

import numpy as np

from .compiled import compiled

SPACE, LETTER, WORD, OTHER, APOSTROPHE, BACKSLASH, DOLLAR, NON_ASCII = range(8)
"""Kinds of normalised characters: LETTER is a-z, WORD any other letter or digit, OTHER a token of its own."""
DIGIT = 8
"""Bit beside the kind: a decimal digit."""
CASED, IGNORED = 1, 2
"""What a neighbour is to the final sigma."""
IN_CONTEXT, SIGMA, INVALID = -1, -2, -3
"""In `rewrites`: depends on what stands before; depends on its neighbours' case; no character."""
NUM_POINTS = 0x34000
"""Code points in the tables; those beyond are tokens of their own (tags, variation selectors, private use)."""
MAX_CLUSTER = 64
"""Code points of a character with its marks, decomposed; more are left to Python."""

_KIND_BITS = 7
_SHIFT = np.uint64(32)


class SegmentTables(NamedTuple):
    """Constant tables of segmentation.py; the first four and `marks` have NUM_POINTS entries."""

    kinds: np.ndarray
    """uint8: kind of the normalised character, DIGIT"""
    borders: np.ndarray
    """uint8: CASED or IGNORED, as seen from the left, and shifted by two from the right"""
    rewrites: np.ndarray
    """int32: 0 stays as it is, IN_CONTEXT, SIGMA, INVALID, else the number of its replacement"""
    decompositions: np.ndarray
    """int32: 0 has none, else the number of its compatibility decomposition"""
    marks: np.ndarray
    """uint8: canonical combining class"""
    pairs: np.ndarray
    """uint64, sorted: two code points that become one ..."""
    wholes: np.ndarray
    """int32: ... and which"""
    pool: np.ndarray
    """int32: code points of all replacements"""
    pool_starts: np.ndarray
    """int32"""


@compiled
def decode(data, at, stop):
    """Code point at `at` and its number of bytes; -1 for what is not UTF-8."""
    byte = np.int64(data[at])
    if byte < 0x80:
        return byte, 1
    length = 0 if byte < 0xC2 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF5 else 0
    if length == 0 or at + length > stop:
        return np.int64(-1), 1
    point = byte & (0xFF >> (length + 1))
    for place in range(at + 1, at + length):
        byte = np.int64(data[place])
        if byte & 0xC0 != 0x80:
            return np.int64(-1), 1
        point = (point << 6) | (byte & 0x3F)
    if (length == 3 and point < 0x800) or (length == 4 and not 0x10000 <= point <= 0x10FFFF):
        return np.int64(-1), 1
    return point, length


@compiled
def rewrite(point, tables):
    """Entry of `rewrites`; INVALID for what is no character, 0 beyond the table."""
    return INVALID if point < 0 else np.int64(tables.rewrites[point]) if point < NUM_POINTS else 0


@compiled
def kind_of(point, tables):
    """Kind of a normalised character."""
    return np.int64(tables.kinds[point]) & _KIND_BITS if point < NUM_POINTS else OTHER


@compiled
def joins_before(data, at, stop, tables):
    """Does a character stand at `at` that may combine with the one before it?"""
    if at >= stop or data[at] < 0xCC:
        return False
    point, _ = decode(data, at, stop)
    return rewrite(point, tables) == IN_CONTEXT


@compiled
def compose_cluster(data, at, stop, tables, points):
    """NFKC of the character at `at` and of all that combines with it, in `points` (int64).

    Returns how many code points it has, and the place behind; -1 where Python has to do it.
    """
    size = 0
    while True:
        point, length = decode(data, at, stop)
        number = np.int64(tables.decompositions[point]) if 0 <= point < NUM_POINTS else 0
        if point < 0 or rewrite(point, tables) == INVALID or size + 20 > MAX_CLUSTER:
            return -1, at
        if number == 0:
            points[size] = point
            size += 1
        for place in range(tables.pool_starts[number], tables.pool_starts[number + 1]):
            points[size] = tables.pool[place]
            size += 1
        at += length
        if not joins_before(data, at, stop, tables):
            break
    _order_marks(points, size, tables)
    return _compose(points, size, tables), at


@compiled
def _mark(point, tables):
    return np.int64(tables.marks[point]) if point < NUM_POINTS else 0


@compiled
def _order_marks(points, size, tables):
    """Sort each run of marks by combining class; equal ones keep their order."""
    for i in range(1, size):
        point = points[i]
        mark = _mark(point, tables)
        at = i
        while mark > 0 and at > 0 and _mark(points[at - 1], tables) > mark:
            points[at] = points[at - 1]
            at -= 1
        points[at] = point


@compiled
def _compose(points, size, tables):
    """Join what can be joined; returns how many code points are left."""
    kept = 0
    starter = -1
    last_mark = 0
    for i in range(size):
        point = points[i]
        mark = _mark(point, tables)
        if starter >= 0 and (last_mark == 0 or last_mark < mark):
            whole = _whole(points[starter], point, tables)
            if whole > 0:
                points[starter] = whole
                continue
        if mark == 0:
            starter = kept
        last_mark = mark
        points[kept] = point
        kept += 1
    return kept


@compiled
def _whole(first, second, tables):
    """The character that two become; 0 where they stay two."""
    key = (np.uint64(first) << _SHIFT) | np.uint64(second)
    low = 0
    high = len(tables.pairs)
    while low < high:
        middle = (low + high) >> 1
        if tables.pairs[middle] < key:
            low = middle + 1
        else:
            high = middle
    return np.int64(tables.wholes[low]) if low < len(tables.pairs) and tables.pairs[low] == key else 0
