"""Grams of texts, compiled by numba: normalise, split, hash. grams.py says what a gram is and fills the tables."""

from typing import NamedTuple

import numpy as np

from .compiled import compiled, entry

LETTER, DIGIT, CJK_CHARACTER = 1, 2, 3
"""Classes of normalised characters; 0 is everything else."""
CLASS_BITS, SCRIPT = 7, 8
"""SCRIPT: a raw character that is written raised, lowered or as a fraction."""
IN_CONTEXT = -1
"""In `rewrites`: what becomes of the character depends on its neighbours."""
NUM_POINTS = 0x30000
"""Code points in the tables; beyond them only CJK up to U+3134F counts."""
DROPPED, WITH_ARGUMENT, WITH_DIGITS, RENAMED = 1, 2, 3, 4
"""Kinds of known names: no gram; no gram and no `{argument}`; single digits may follow; the gram has another name."""
ROOM = 64
"""Bytes that one character may become."""

_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_ONE = np.uint64(1)
_LAST_CJK = 0x3134F
_MAX_TAG_CHARS, _MAX_REFERENCE_CHARS = 6, 7


class GramTables(NamedTuple):
    """Constant tables of grams.py."""

    classes: np.ndarray
    """uint8 of NUM_POINTS: class of the normalised character in CLASS_BITS, SCRIPT of the raw one."""
    rewrites: np.ndarray
    """int32 of NUM_POINTS: 0 stays as it is, IN_CONTEXT, else the number of its replacement."""
    replacements: np.ndarray
    replacement_starts: np.ndarray
    names: np.ndarray
    """uint64, open addressing, 0 is empty: hashes of TeX commands, `<tag` and `&reference`."""
    name_kinds: np.ndarray
    name_values: np.ndarray
    """uint64: hash of the gram that a command stands for"""


@compiled
def hash_bytes(data, start, stop):
    """64-bit FNV-1a."""
    value = _FNV_START
    for at in range(start, stop):
        value = (value ^ np.uint64(data[at])) * _FNV_PRIME
    return value


@entry
def hash_name(data):
    """Hash of a whole array of bytes."""
    return hash_bytes(data, 0, len(data))


@compiled
def _length(byte):
    return 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4


@compiled
def _point(text, at, length, size):
    """Code point at `at`; 0 where the text ends inside it."""
    if at + length > size:
        return np.int64(0)
    point = np.int64(text[at]) & (0xFF >> (length + 1))
    for place in range(at + 1, at + length):
        point = (point << 6) | (np.int64(text[place]) & 0x3F)
    return point


@compiled
def normalise(data, start, stop, tables, out):
    """Write the normalised text; returns its bytes, or -1 where Python has to do it (neighbours count, or no room)."""
    at = start
    end = 0
    limit = len(out) - ROOM
    in_script = False
    while at < stop:
        if end > limit:
            return -1
        byte = np.int64(data[at])
        if byte < 0x80:
            if in_script:
                out[end] = 32
                end += 1
                in_script = False
            last = min(stop, at + limit - end + 1)
            while at < last and data[at] < 0x80:
                byte = np.int64(data[at])
                out[end] = byte + (32 if 65 <= byte <= 90 else 0)
                end += 1
                at += 1
            continue
        length = _length(byte)
        point = _point(data, at, length, stop)
        number = np.int64(0)
        is_script = False
        if point < NUM_POINTS:
            number = np.int64(tables.rewrites[point])
            is_script = tables.classes[point] & SCRIPT != 0
        if number < 0:
            return -1
        first, last = tables.replacement_starts[number], tables.replacement_starts[number + 1]
        if number > 0 and first == last:
            at += length
            continue
        if is_script != in_script:
            out[end] = 32
            end += 1
            in_script = is_script
        if number > 0:
            for place in range(first, last):
                out[end] = tables.replacements[place]
                end += 1
        else:
            for place in range(at, min(at + length, stop)):
                out[end] = data[place]
                end += 1
        at += length
    return end


@compiled
def _class(text, at, length, size, tables):
    point = _point(text, at, length, size)
    if point < NUM_POINTS:
        return tables.classes[point] & CLASS_BITS
    return CJK_CHARACTER if point <= _LAST_CJK else 0


@compiled
def _is_digit(text, at, size):
    return at < size and 48 <= text[at] <= 57


@compiled
def _is_letter(text, at, size):
    return at < size and 97 <= text[at] <= 122


@compiled
def split(text, size, tables, hashes, starts, stops):
    """Hash and place of every gram of a normalised text; returns how many there are."""
    at = 0
    count = 0
    while at < size:
        byte = np.int64(text[at])
        length = _length(byte)
        kind = tables.classes[byte] & CLASS_BITS if byte < 0x80 else _class(text, at, length, size, tables)
        start = at
        if kind == LETTER:
            value = _FNV_START
            while at < size:
                byte = np.int64(text[at])
                if byte < 0x80:
                    if tables.classes[byte] != LETTER:
                        break
                    value = (value ^ np.uint64(byte)) * _FNV_PRIME
                    at += 1
                    continue
                length = _length(byte)
                if _class(text, at, length, size, tables) != LETTER:
                    break
                for _ in range(length):
                    value = (value ^ np.uint64(text[at])) * _FNV_PRIME
                    at += 1
        elif kind == DIGIT:
            value = _FNV_START
            while _is_digit(text, at, size):
                value = (value ^ np.uint64(text[at])) * _FNV_PRIME
                at += 1
            after = _thousands(text, at, size) if at - start <= 3 else -1
            while after > 0:
                for place in range(after - 3, after):
                    value = (value ^ np.uint64(text[place])) * _FNV_PRIME
                at = after
                after = _thousands(text, at, size)
        elif kind == CJK_CHARACTER:
            at += length
            value = hash_bytes(text, start, at)
        elif byte == 92:
            at, count = _command(text, at, size, tables, hashes, starts, stops, count)
            continue
        else:
            at = _skip_markup(text, at, size, tables) if byte == 60 or byte == 38 else at + length
            continue
        hashes[count], starts[count], stops[count] = value, start, at
        count += 1
    return count


@compiled
def _thousands(text, at, size):
    """Behind "," (or "{,}", ",\\!") and exactly three digits; -1 where something else stands."""
    if at >= size:
        return -1
    if text[at] == 123 and at + 2 < size and text[at + 1] == 44 and text[at + 2] == 125:
        at += 3
    elif text[at] == 44:
        at += 1
        if at + 1 < size and text[at] == 92 and text[at + 1] == 33:
            at += 2
    else:
        return -1
    for place in range(at, at + 3):
        if not _is_digit(text, place, size):
            return -1
    return -1 if _is_digit(text, at + 3, size) else at + 3


@compiled
def _known(value, tables):
    """Row of a name's hash; -1 where it is unknown."""
    mask = np.uint64(len(tables.names) - 1)
    slot = value & mask
    while tables.names[slot] != 0:
        if tables.names[slot] == value:
            return np.int64(slot)
        slot = (slot + _ONE) & mask
    return np.int64(-1)


@compiled
def _command(text, at, size, tables, hashes, starts, stops, count):
    """Read the backslash at `at` and what belongs to it; returns the place behind it and the number of grams."""
    start = at
    at += 1
    if at < size and text[at] == 92:  # a line break
        return at + 1, count
    value = _FNV_START
    while _is_letter(text, at, size):
        value = (value ^ np.uint64(text[at])) * _FNV_PRIME
        at += 1
    if at == start + 1:
        return at, count
    row = _known(value, tables)
    kind = np.int64(tables.name_kinds[row]) if row >= 0 else np.int64(0)
    if kind == DROPPED:
        return at, count
    if kind == WITH_ARGUMENT:
        place = at + 1
        while place < size and (_is_letter(text, place, size) or text[place] == 42):
            place += 1
        has_argument = place < size and text[at] == 123 and text[place] == 125
        return (place + 1 if has_argument else at), count
    hashes[count] = tables.name_values[row] if kind else value
    starts[count], stops[count] = start, at
    count += 1
    if kind == WITH_DIGITS:
        place = at
        while place < size and (text[place] == 32 or text[place] == 9):
            place += 1
        for _ in range(2):
            if _is_digit(text, place, size):
                at = place + 1
                hashes[count], starts[count], stops[count] = hash_bytes(text, place, at), place, at
                count += 1
                place = at
    return at, count


@compiled
def _skip_markup(text, at, size, tables):
    """Behind the tag (without attributes) or character reference at `at`; behind its first byte where it is none."""
    place = at + 1
    value = (_FNV_START ^ np.uint64(text[at])) * _FNV_PRIME
    if text[at] == 60:
        if place < size and text[place] == 47:
            place += 1
        first = place
        while place < size and place - first < _MAX_TAG_CHARS and tables.classes[text[place]] != 0:
            value = (value ^ np.uint64(text[place])) * _FNV_PRIME
            place += 1
        if place < size and text[place] == 32:
            place += 1
        if place < size and text[place] == 47:
            place += 1
        if place < size and text[place] == 62 and _known(value, tables) >= 0:
            return place + 1
        return at + 1
    is_number = place < size and text[place] == 35
    if is_number:
        place += 1
    first = place
    while place < size and place - first < _MAX_REFERENCE_CHARS:
        if not (_is_digit(text, place, size) or (not is_number and _is_letter(text, place, size))):
            break
        value = (value ^ np.uint64(text[place])) * _FNV_PRIME
        place += 1
    if place < size and text[place] == 59 and place > first and (is_number or _known(value, tables) >= 0):
        return place + 1
    return at + 1


@entry
def split_text(data, is_normalised, tables):
    """(normalised text, hashes, starts, stops of its grams); the first is empty where Python has to normalise."""
    size = len(data)
    text = data
    if not is_normalised:
        text = np.empty(4 * size + 2 * ROOM, np.uint8)
        size = normalise(data, 0, len(data), tables, text)
        if size < 0:
            nothing = np.empty(0, np.int32)
            return text[:0], np.empty(0, np.uint64), nothing, nothing
    hashes = np.empty(size + 1, np.uint64)
    starts, stops = np.empty(size + 1, np.int32), np.empty(size + 1, np.int32)
    count = split(text, size, tables, hashes, starts, stops)
    return text[:size], hashes[:count].copy(), starts[:count].copy(), stops[:count].copy()
