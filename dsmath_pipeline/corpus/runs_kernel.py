"""Look-up of known runs of grams, compiled by numba: roll, filter, probe.

benchmark_index.py makes the table of runs; decontaminate.py confirms gram by gram what is found here.
"""

from typing import NamedTuple

import numpy as np

from .compiled import compiled, entry
from .grams_kernel import ROOM, normalise, split

MAX_WHOLE = 63
"""Longer texts that are matched whole are looked up by their first 63 grams."""
CLEAN, FOUND, NEEDS_PYTHON = 0, 1, 2
"""Answers of scan_texts."""

_BASE, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFF51AFD7ED558CCD)
_ONE, _LOW = np.uint64(1), np.uint64(63)
_HIGH, _MIDDLE = np.uint64(33), np.uint64(29)


class RunTable(NamedTuple):
    """Runs of grams to look for."""

    keys: np.ndarray
    """uint64, sorted: hashes of the long runs"""
    places: np.ndarray
    """int32: the first gram of each in the sequence of all benchmark grams"""
    whole_keys: np.ndarray
    """The same for texts that are matched whole (their first MAX_WHOLE grams): few, so that they stay in the cache."""
    whole_places: np.ndarray
    long_filter: np.ndarray
    """uint64, a power of two of them: two bits in one word for every part (see `stride`) of the long runs"""
    prefix_filter: np.ndarray
    """The same for the first `prefix` grams of the whole texts."""
    prefixes: np.ndarray
    """uint64, sorted: hashes of these first grams"""
    prefix_lengths: np.ndarray
    """uint64: bit i is set where a whole text of i grams begins so"""
    length: int
    stride: int
    """Every `stride` grams a part of `length - stride + 1` is looked up: each long run holds exactly one of them."""
    prefix: int


@compiled
def _spread(value):
    """Every bit of the input reaches every bit of the result."""
    value = (value ^ (value >> _HIGH)) * _MIX
    return value ^ (value >> _MIDDLE)


@compiled
def _run_hash(hashes, start, length):
    total = np.uint64(0)
    for at in range(start, start + length):
        total = total * _BASE + hashes[at]
    return _spread(total + np.uint64(length))


@compiled
def _bits(key):
    """Two of 64 bits, from the upper end of a key; its lower end names the word."""
    return (_ONE << (key >> np.uint64(58))) | (_ONE << ((key >> np.uint64(52)) & _LOW))


@compiled
def _may_hold(key, words):
    bits = _bits(key)
    return words[key & np.uint64(len(words) - 1)] & bits == bits


@entry
def fill_filter(keys, words):
    """Enter keys into a filter of zeros."""
    for key in keys:
        words[key & np.uint64(len(words) - 1)] |= _bits(key)


@entry
def run_hashes(hashes, starts, lengths):
    """Hashes (uint64) of the runs that begin at `starts` and have `lengths` grams."""
    found = np.empty(len(starts), np.uint64)
    for number in range(len(starts)):
        found[number] = _run_hash(hashes, starts[number], lengths[number])
    return found


@compiled
def _row(key, keys):
    """Where a key stands in a sorted array; -1 where it does not."""
    low = np.int64(0)
    high = np.int64(len(keys))
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(keys) and keys[low] == key else np.int64(-1)


@compiled
def _find(hashes, count, runs, found):
    """Known runs: rows of (position, length, place) in `found`, until it is full; returns how many."""
    prefix, part = runs.prefix, runs.length - runs.stride + 1
    drop_part, drop_prefix = _ONE, _ONE
    for _ in range(part):
        drop_part *= _BASE
    for _ in range(prefix):
        drop_prefix *= _BASE
    total, start = np.uint64(0), np.uint64(0)
    number = 0
    wait = part
    for at in range(count):
        value = hashes[at]
        total = total * _BASE + value
        if at >= part:
            total -= hashes[at - part] * drop_part
        wait -= 1
        if wait == 0:
            wait = runs.stride
            if _may_hold(_spread(total + np.uint64(part)), runs.long_filter):
                number = _find_long(hashes, at - part + 1, count, runs, found, number)
                if number == len(found):
                    return number
        start = start * _BASE + value
        if at >= prefix:
            start -= hashes[at - prefix] * drop_prefix
        if at >= prefix - 1:
            key = _spread(start + np.uint64(prefix))
            if _may_hold(key, runs.prefix_filter):
                number = _find_whole(key, hashes, at - prefix + 1, count, runs, found, number)
                if number == len(found):
                    return number
    return number


@compiled
def _find_long(hashes, part_start, count, runs, found, number):
    """Add the long runs that hold the part at `part_start`; returns how many rows `found` holds."""
    for first in range(max(0, part_start - runs.stride + 1), min(part_start, count - runs.length) + 1):
        row = _row(_run_hash(hashes, first, runs.length), runs.keys)
        if row >= 0:
            found[number, 0], found[number, 1], found[number, 2] = first, runs.length, runs.places[row]
            number += 1
            if number == len(found):
                break
    return number


@compiled
def _find_whole(prefix_key, hashes, first, count, runs, found, number):
    """Add the whole texts that stand at gram `first`; returns how many rows `found` holds."""
    row = _row(prefix_key, runs.prefixes)
    if row < 0:
        return number
    for length in range(runs.prefix, min(MAX_WHOLE, count - first) + 1):
        if (runs.prefix_lengths[row] >> np.uint64(length)) & _ONE == 0:
            continue
        at = _row(_run_hash(hashes, first, length), runs.whole_keys)
        if at >= 0:
            found[number, 0], found[number, 1], found[number, 2] = first, length, runs.whole_places[at]
            number += 1
            if number == len(found):
                break
    return number


@entry
def find_runs(hashes, runs):
    """All known runs of a text: int64 [number, 3] of position, length and place."""
    found = np.empty((64, 3), np.int64)
    number = _find(hashes, len(hashes), runs, found)
    while number == len(found):
        found = np.empty((8 * len(found), 3), np.int64)
        number = _find(hashes, len(hashes), runs, found)
    return found[:number].copy()


@entry
def scan_texts(data, offsets, tables, runs):
    """For every text CLEAN (no known run), FOUND or NEEDS_PYTHON: uint8.

    Text i is data[offsets[i] : offsets[i + 1]].
    """
    num_texts = len(offsets) - 1
    answers = np.zeros(num_texts, np.uint8)
    longest = np.int64(0)
    for number in range(num_texts):
        longest = max(longest, offsets[number + 1] - offsets[number])
    capacity = 4 * longest + 2 * ROOM
    text = np.empty(capacity, np.uint8)
    hashes = np.empty(capacity, np.uint64)
    starts, stops = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    found = np.empty((1, 3), np.int64)
    for number in range(num_texts):
        size = normalise(data, offsets[number], offsets[number + 1], tables, text)
        if size < 0:
            answers[number] = NEEDS_PYTHON
            continue
        count = split(text, size, tables, hashes, starts, stops)
        if _find(hashes, count, runs, found) > 0:
            answers[number] = FOUND
    return answers


@entry
def new_grams(gram_ids, text_starts, length, beside, has_letter, min_letters):
    """For every gram the number of new ones (evidence.py) in the run of `length` grams that it begins: uint8.

    0 where the run does not end in its text or has fewer than `min_letters` grams with letters.
    """
    counts = np.zeros(len(gram_ids), np.uint8)
    for text in range(len(text_starts) - 1):
        for start in range(text_starts[text], text_starts[text + 1] - length + 1):
            letters = new = 0
            for at in range(start, start + length):
                gram = gram_ids[at]
                letters += has_letter[gram]
                is_new = True
                for before in range(start, at):
                    other = gram_ids[before]
                    if other == gram or other == beside[gram, 0] or other == beside[gram, 1]:
                        is_new = False
                        break
                new += is_new
            if letters >= min_letters:
                counts[start] = min(new, 255)
    return counts
