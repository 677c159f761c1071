"""Words, grams and MinHash values straight from UTF-8 bytes, and the merging of LSH buckets, compiled by numba.

minhash.py (for `write_plain`: dedup.py) says what is computed and why; this file must give exactly that. `data` is
uint8, texts lie between offsets. A broken UTF-8 sequence separates words; nothing is read outside a text.
"""

import numpy as np

from .compiled import compiled, entry

SEPARATOR, IGNORED = 0, 1
"""Entries of the character table that are no characters."""
TOKEN = np.uint32(1 << 31)
"""Bit of an entry: this character is a word of its own."""
TABLE_POINTS = 0x20000
_WIDE_CJK_START, _WIDE_CJK_STOP = 0x20000, 0x31350
"""Beyond the table: ideographs of planes 2 and 3, all words of their own."""

HASH_START, HASH_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
GRAM_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2, _33, _32 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53), np.uint64(33), np.uint64(32)
_ZERO, _ONE = np.uint64(0), np.uint64(1)
NO_GRAM = np.uint32(0xFFFFFFFF)


@compiled
def mix(value):
    """Spread a 64-bit value so that every input bit reaches every output bit."""
    value ^= value >> _33
    value *= _MIX_1
    value ^= value >> _33
    value *= _MIX_2
    return value ^ (value >> _33)


@compiled
def _wide_point(data, at, stop):
    """(code point, length in bytes) of the character at `at`, whose first byte is >= 0x80; (0, 1) when it is broken."""
    first = np.int64(data[at])
    if 0xC0 <= first < 0xE0 and at + 1 < stop and data[at + 1] & 0xC0 == 0x80:
        return ((first & 0x1F) << 6) | (np.int64(data[at + 1]) & 0x3F), np.int64(2)
    if at + 2 < stop and data[at + 1] & 0xC0 == 0x80 and data[at + 2] & 0xC0 == 0x80:
        low = ((np.int64(data[at + 1]) & 0x3F) << 6) | (np.int64(data[at + 2]) & 0x3F)
        if 0xE0 <= first < 0xF0:
            return ((first & 0x0F) << 12) | low, np.int64(3)
        if 0xF0 <= first < 0xF8 and at + 3 < stop and data[at + 3] & 0xC0 == 0x80:
            return ((first & 0x07) << 18) | (low << 6) | (np.int64(data[at + 3]) & 0x3F), np.int64(4)
    return np.int64(0), np.int64(1)


@compiled
def _next_word(data, at, stop, table):
    """(place behind the next word at or after `at`, its hash, never 0); (stop, 0) when there is none."""
    value = HASH_START
    has_character = False
    while at < stop:
        byte = data[at]
        if byte < 0x80:
            sign = table[byte]
            length = np.int64(1)
        else:
            point, length = _wide_point(data, at, stop)
            if point < TABLE_POINTS:
                sign = table[point]
            elif _WIDE_CJK_START <= point < _WIDE_CJK_STOP:
                sign = np.uint32(point) | TOKEN
            else:
                sign = np.uint32(SEPARATOR)
        if sign > IGNORED:
            if sign & TOKEN:
                if has_character:  # it comes next
                    return at, max(mix(value), _ONE)
                value = (HASH_START ^ np.uint64(sign ^ TOKEN)) * HASH_PRIME
                return at + length, max(mix(value), _ONE)
            value = (value ^ np.uint64(sign)) * HASH_PRIME
            has_character = True
        elif sign == SEPARATOR and has_character:
            return at + length, max(mix(value), _ONE)
        at += length
    return stop, max(mix(value), _ONE) if has_character else _ZERO


@compiled
def _power(n):
    """GRAM_BASE ** n modulo 2^64."""
    value = _ONE
    for _ in range(n):
        value *= GRAM_BASE
    return value


@compiled
def _write_grams(data, start, stop, table, n, ring, out):
    """The work of `grams`; `ring` (uint64 of `n`) is scratch."""
    ring[:] = _ZERO
    oldest = _power(n)
    total = _ZERO
    num_words = np.int64(0)
    count = np.int64(0)
    at = np.int64(start)
    while True:
        at, word = _next_word(data, at, stop, table)
        if word == _ZERO:
            break
        slot = num_words % n
        total = total * GRAM_BASE + word - ring[slot] * oldest
        ring[slot] = word
        num_words += 1
        if num_words >= n:
            out[count] = mix(total)
            count += 1
    if count == 0 and num_words > 0:
        out[0] = mix(total)
        count = np.int64(1)
    return count


@entry
def grams(data, start, stop, table, n, out):
    """Write the hash of every run of `n` words to `out` (uint64), in order; returns how many.

    A text of fewer words is one gram of all its words; one without words has none.
    """
    return _write_grams(data, start, stop, table, n, np.empty(n, np.uint64), out)


@compiled
def _lower(values, count, multipliers, offsets, best):
    """Lower each of `best` to the smallest of the permuted upper halves of the values."""
    for q in range(count):
        value = np.uint32(values[q] >> _32)
        for k in range(len(best)):
            permuted = np.uint32(value * multipliers[k] + offsets[k])
            best[k] = min(best[k], permuted)


@entry
def write_signatures(data, bounds, first, last, table, n, multipliers, offsets, out):
    """Write the MinHash values (uint32) of the texts `first` to `last` - 1; text i ends where text i + 1 starts."""
    longest = np.int64(0)
    for row in range(first, last):
        longest = max(longest, np.int64(bounds[row + 1]) - np.int64(bounds[row]))
    ring = np.empty(n, np.uint64)
    values = np.empty(longest + 1, np.uint64)
    for row in range(first, last):
        out[row][:] = NO_GRAM
        count = _write_grams(data, np.int64(bounds[row]), np.int64(bounds[row + 1]), table, n, ring, values)
        _lower(values, count, multipliers, offsets, out[row])


@entry
def band_keys(signatures, num_bands, num_rows):
    """LSH bucket of every signature in every band (uint64 [N, b]); 0, which is no bucket, for a text without words."""
    keys = np.zeros((len(signatures), num_bands), np.uint64)
    for page in range(len(signatures)):
        is_empty = True
        for k in range(signatures.shape[1]):
            is_empty &= signatures[page, k] == NO_GRAM
        if is_empty:
            continue
        for band in range(num_bands):
            total = np.uint64(band + 1)
            for row in range(num_rows):
                total = mix(total * GRAM_BASE + np.uint64(signatures[page, band * num_rows + row]))
            keys[page, band] = max(total, _ONE)
    return keys


@compiled
def root(parents, page):
    """The smallest page of a page's cluster; halves the way there."""
    while parents[page] != page:
        parents[page] = parents[parents[page]]
        page = parents[page]
    return page


@compiled
def num_equal(signatures, left, right):
    """How many MinHash values two pages share."""
    count = np.int64(0)
    for k in range(signatures.shape[1]):
        count += signatures[left, k] == signatures[right, k]
    return count


@entry
def merge_buckets(keys, pages, signatures, least_equal, max_bucket_pairs, parents):
    """Merge the pages of LSH buckets whose signatures agree in at least `least_equal` values.

    `keys` (sorted) are the buckets of `pages`, which are in rising order in each; `parents` (int64) is the union-find
    forest, changed in place. A page is compared with the first `max_bucket_pairs` pages of its bucket that are not in
    its cluster yet. Returns (pairs compared, merges).
    """
    compared = np.int64(0)
    merged = np.int64(0)
    start = np.int64(0)
    while start < len(keys):
        key = keys[start]
        stop = start + 1
        while stop < len(keys) and keys[stop] == key:
            stop += 1
        if key != _ZERO:
            for place in range(start + 1, stop):
                page = pages[place]
                own = root(parents, page)
                for other_place in range(start, min(place, start + max_bucket_pairs)):
                    other = root(parents, pages[other_place])
                    if other == own:
                        continue
                    compared += 1
                    if num_equal(signatures, pages[other_place], page) >= least_equal:
                        parents[max(own, other)] = min(own, other)
                        own = min(own, other)
                        merged += 1
        start = stop
    return compared, merged


@entry
def connect(left, right, parents):
    """Merge the clusters of `left[i]` and `right[i]`, for every i."""
    for number in range(len(left)):
        one, other = root(parents, left[number]), root(parents, right[number])
        parents[max(one, other)] = min(one, other)


@entry
def flatten(parents):
    """Let every page of the forest point to the smallest page of its cluster."""
    for page in range(len(parents)):  # a parent is smaller than its page, so it is done already
        parents[page] = parents[parents[page]]


@entry
def choose_leaders(order, clusters, signatures, least_equal, max_leaders):
    """The page that is kept in each page's place (int64), itself where it stays.

    `order` has the pages by cluster, the best of each first. A page goes when its signature agrees in `least_equal`
    values with one of the first `max_leaders` pages of its cluster that stay.
    """
    kept = np.empty(len(order), np.int64)
    leaders = np.empty(max_leaders, np.int64)
    num_leaders = np.int64(0)
    for place in range(len(order)):
        page = order[place]
        if place == 0 or clusters[page] != clusters[order[place - 1]]:
            num_leaders = np.int64(0)
        kept[page] = page
        for number in range(num_leaders):
            if num_equal(signatures, leaders[number], page) >= least_equal:
                kept[page] = leaders[number]
                break
        if kept[page] == page and num_leaders < max_leaders:
            leaders[num_leaders] = page
            num_leaders += 1
    return kept


@compiled
def _is_space(point):
    """White space as `str.isspace` has it, and control characters."""
    if point < 0x80:
        return point <= 32 or point == 0x7F
    return (
        0x80 <= point <= 0xA0
        or point == 0x1680
        or 0x2000 <= point <= 0x200B
        or point == 0x2028
        or point == 0x2029
        or point == 0x202F
        or point == 0x205F
        or point == 0x3000
        or point == 0xFEFF
    )


@entry
def write_plain(data, bounds, out, out_bounds):
    """Write every text without the differences that exact comparison ignores; `out` has room for all of `data`.

    A to Z in lower case, runs of white space and control characters as one space, none at the ends.
    """
    end = np.int64(0)
    out_bounds[0] = 0
    for row in range(len(bounds) - 1):
        start = end
        at = np.int64(bounds[row])
        stop = np.int64(bounds[row + 1])
        has_space = False
        while at < stop:
            byte = data[at]
            length = np.int64(1)
            point = np.int64(byte)
            if byte >= 0x80:
                point, length = _wide_point(data, at, stop)
                if point == 0:  # a broken sequence is copied
                    point = np.int64(0xFFFD)
            if _is_space(point):
                has_space = True
                at += length
                continue
            if has_space and end > start:
                out[end] = 32
                end += 1
            has_space = False
            out[end] = byte + 32 if 65 <= byte <= 90 else byte
            for place in range(1, length):
                out[end + place] = data[at + place]
            end += length
            at += length
        out_bounds[row + 1] = end
