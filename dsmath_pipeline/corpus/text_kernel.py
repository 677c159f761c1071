"""Writing the text of one block, compiled by numba: white space, character references, scripts, placeholders.

`state` (int64) says what has been written and where the walk stands (layout_kernel.py); `path` holds the weight of the
path words here and at the block's first text; `out` (uint8) takes the text.
"""

from typing import NamedTuple

import numpy as np

from .compiled import compiled
from .html_nodes import END, START, STOP, TAG
from .html_tags import TAG_IDS, TEXT
from .markup_kernel import FNV_PRIME, FNV_START, look_up

ALNUM, LOWER, UPPER, LETTER = 1, 2, 4, 8
"""Bits of the character table."""

HOLDS_CODE, HOLDS_TEX_SIGN = 1, 2
"""Bits of a block."""
OPEN_MARK, CLOSE_MARK, DOLLAR_MARK, BACKSLASH_MARK = 0xE000, 0xE001, 0xE002, 0xE003
_MAX_SCRIPT_CHARS, _MAX_SCRIPT_BYTES = 12, 64
_A, _PRE, _SUP = TAG_IDS["a"], TAG_IDS["pre"], TAG_IDS["sup"]

# State of the walk (int64): the text being written ...
S_AT, S_BLOCK_START, S_LAST, S_NEWLINES, S_CHARS, S_LINK_CHARS, S_LINKS, S_FORMULAS, S_BITS, S_PLACED = range(10)
# ... where the walk stands ...
S_CUR_TAG, S_CUR_DEPTH, S_CUR_CONTAINER, S_CUR_CODE, S_CUR_LINK, S_WORDS = range(10, 16)
# ... and where the block's first text stood.
S_TAG, S_DEPTH, S_CONTAINER, S_NUM_BLOCKS, S_NUM_CONTAINERS, S_OPEN = range(16, 22)
S_STATE_SIZE = 24
# What was written last in the block.
_NOTHING, _SPACE, _TAB, _NEWLINE, _VISIBLE = range(5)


def _byte_kinds() -> np.ndarray:
    """_PLAIN: copied as it stands; _BLANK: ASCII white space; _SPECIAL: looked at one by one.

    Special are TeX signs, "&", control characters, and the first bytes of no-break space (C2), ideographic space (E3)
    and private use (EE, EF).
    """
    kinds = np.full(256, _PLAIN, np.uint8)
    kinds[:33] = _SPECIAL
    kinds[[9, 10, 11, 12, 13, 32]] = _BLANK
    kinds[list(b"&$\\[<") + [0x7F, 0xC2, 0xE3, 0xEE, 0xEF]] = _SPECIAL
    return kinds


_PLAIN, _BLANK, _SPECIAL = range(3)
_BYTE_KINDS = _byte_kinds()
_WINDOWS_1252 = np.array(
    [ord(bytes([byte]).decode("cp1252", "replace")) % 0xFFFD for byte in range(128, 160)], np.int32
)
"""0 where windows-1252 has no character."""


class WalkTables(NamedTuple):
    """Constant tables of the walk."""

    flags: np.ndarray
    """html_tags.TAG_FLAGS"""
    reference_keys: np.ndarray
    reference_rows: np.ndarray
    reference_points: np.ndarray
    characters: np.ndarray
    """uint8 of 65,536: bits ALNUM, LOWER, UPPER, LETTER"""
    word_keys: np.ndarray
    word_rows: np.ndarray
    word_weights: np.ndarray
    """float64: what each path word weighs"""
    tag_words: np.ndarray
    """int64 for each tag: the row of its path word, or -1"""
    hidden_word: int
    plain_scripts: np.ndarray
    """Texts that are never mathematics in sup or sub ("th", "TM"), one after the other (uint8), ..."""
    plain_script_starts: np.ndarray
    """... and where each starts (int64)."""


@compiled
def write_text(data, start, stop, in_link, is_raw, state, path, tables, out):
    """Write the text between two places: references decoded, white space collapsed except in pre."""
    is_pre = state[S_CUR_TAG] == _PRE
    before = state[S_CHARS]
    at = start
    while at < stop:
        kind = _BYTE_KINDS[data[at]]
        if kind == _PLAIN:
            if not state[S_PLACED]:
                place(state, path)
            end = state[S_AT]
            chars = 0
            while at < stop and _BYTE_KINDS[data[at]] == _PLAIN:
                out[end] = data[at]
                chars += data[at] & 0xC0 != 0x80
                end += 1
                at += 1
            state[S_AT] = end
            state[S_CHARS] += chars
            state[S_LAST] = _VISIBLE
            if state[S_CUR_CODE]:
                state[S_BITS] |= HOLDS_CODE
        elif kind == _BLANK and not is_pre:
            at += 1
            _space(state, out)
        else:
            at = _other(data, at, stop, is_pre, is_raw, state, path, tables, out)
    if in_link:
        written = state[S_CHARS] - before
        if written > 0 and state[S_LAST] == _SPACE:
            written -= 1
        state[S_LINK_CHARS] += max(written, 0)


@compiled
def _other(data, at, stop, is_pre, is_raw, state, path, tables, out):
    """Write the character at `at`, which is not plain; returns the place behind it."""
    byte = data[at]
    if byte == 91 and at + 1 < stop and (data[at + 1] > 64 or data[at + 1] == 59) and not state[S_CUR_CODE]:
        state[S_BITS] |= HOLDS_TEX_SIGN  # "[tex]", "[;", not "[1]"
    if byte == 38 and not is_raw:
        return _reference(data, at, stop, is_pre, state, path, tables, out)
    if byte < 0x80:
        if byte != 13 and byte != 0:
            _point(np.int64(byte), is_pre, state, path, out)
        return at + 1
    length = 2 if byte < 0xE0 else 3
    if at + length > stop:
        return stop
    _point(_decode(data, at, length), is_pre, state, path, out)
    return at + length


@compiled
def _decode(data, at, length):
    """Code point of a UTF-8 sequence of one to three bytes."""
    if length == 1:
        return np.int64(data[at])
    if length == 2:
        return ((np.int64(data[at]) & 0x1F) << 6) | (np.int64(data[at + 1]) & 0x3F)
    return (
        ((np.int64(data[at]) & 0x0F) << 12) | ((np.int64(data[at + 1]) & 0x3F) << 6) | (np.int64(data[at + 2]) & 0x3F)
    )


@compiled
def _last_point(state, out):
    """Code point of the last visible character of the block; 0 where there is none (or beyond three bytes)."""
    if state[S_LAST] != _VISIBLE:
        return np.int64(0)
    at = state[S_AT] - 1
    length = 1
    while at > state[S_BLOCK_START] and out[at] & 0xC0 == 0x80:
        at -= 1
        length += 1
    return _decode(out, at, length) if length <= 3 else np.int64(0)


@compiled
def _reference(data, at, stop, is_pre, state, path, tables, out):
    """Write what the character reference at `at` ("&") stands for; returns the place behind it."""
    if at + 2 < stop and data[at + 1] == 35:  # "#"
        place = at + 2
        is_hex = data[place] == 120 or data[place] == 88
        if is_hex:
            place += 1
        first = place
        number = np.int64(0)
        while place < stop:
            byte = data[place]
            if 48 <= byte <= 57:
                digit = byte - 48
            elif is_hex and 97 <= byte <= 102:
                digit = byte - 87
            elif is_hex and 65 <= byte <= 70:
                digit = byte - 55
            else:
                break
            number = min(number * (16 if is_hex else 10) + digit, 0x7FFFFFFF)
            place += 1
        if place > first:
            if place < stop and data[place] == 59:
                place += 1
            _point(_valid_point(number), is_pre, state, path, out)
            return place
    else:
        # The longest name that is known: names without ";" (old ones such as "&amp") also count.
        value = FNV_START
        place = at + 1
        best, best_stop = np.int64(-1), at
        while place < min(stop, at + 34):
            byte = data[place]
            value = (value ^ np.uint64(byte)) * FNV_PRIME
            place += 1
            found = look_up(value, tables.reference_keys, tables.reference_rows)
            if found >= 0:
                best, best_stop = found, place
            if not (48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122):
                break
        if best >= 0:
            _point(np.int64(tables.reference_points[best, 0]), is_pre, state, path, out)
            if tables.reference_points[best, 1]:
                _point(np.int64(tables.reference_points[best, 1]), is_pre, state, path, out)
            return best_stop
    _point(np.int64(38), is_pre, state, path, out)
    return at + 1


@compiled
def _valid_point(number):
    """Code point of a numeric reference. 128 to 159 mean windows-1252; no character is U+FFFD or 0 (nothing)."""
    if number == 0 or number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        return np.int64(0xFFFD)
    if 0x80 <= number <= 0x9F:
        return np.int64(_WINDOWS_1252[number - 0x80])
    if 0xFDD0 <= number <= 0xFDEF or number & 0xFFFE == 0xFFFE:
        return np.int64(0)
    return number


@compiled
def _point(point, is_pre, state, path, out):
    """Write one code point, or the white space it is; marks of our own and icon fonts (private use) are left out."""
    if point < 9 or 14 <= point < 32 or point == 0x7F:
        return
    if point == 0xA0 or point == 0x3000 or point <= 32:
        if not is_pre:
            _space(state, out)
            return
        if state[S_LAST] == _NOTHING and point == 10:
            return
    elif 0xE000 <= point <= 0xF8FF:
        return
    if point > 32 and not state[S_PLACED]:
        place(state, path)
    if state[S_CUR_CODE]:
        if point == 36 or point == 92:
            point = DOLLAR_MARK if point == 36 else BACKSLASH_MARK
    elif point == 36 or point == 92 or point == 60:
        state[S_BITS] |= HOLDS_TEX_SIGN
    if state[S_CUR_CODE] and point > 32:
        state[S_BITS] |= HOLDS_CODE
    _put(point, state, out)
    state[S_CHARS] += 1
    state[S_LAST] = _VISIBLE


@compiled
def _put(point, state, out):
    at = state[S_AT]
    if point < 0x80:
        out[at] = point
        at += 1
    elif point < 0x800:
        out[at] = 0xC0 | (point >> 6)
        out[at + 1] = 0x80 | (point & 0x3F)
        at += 2
    elif point < 0x10000:
        out[at] = 0xE0 | (point >> 12)
        out[at + 1] = 0x80 | ((point >> 6) & 0x3F)
        out[at + 2] = 0x80 | (point & 0x3F)
        at += 3
    else:
        out[at] = 0xF0 | (point >> 18)
        out[at + 1] = 0x80 | ((point >> 12) & 0x3F)
        out[at + 2] = 0x80 | ((point >> 6) & 0x3F)
        out[at + 3] = 0x80 | (point & 0x3F)
        at += 4
    state[S_AT] = at


@compiled
def _space(state, out):
    if state[S_LAST] == _VISIBLE:
        out[state[S_AT]] = 32
        state[S_AT] += 1
        state[S_CHARS] += 1
        state[S_LAST] = _SPACE


@compiled
def _drop_space(state):
    if state[S_LAST] == _SPACE:
        state[S_AT] -= 1
        state[S_CHARS] -= 1


@compiled
def write_tab(state, out):
    """A new table cell."""
    if state[S_LAST] == _NOTHING or state[S_LAST] == _TAB:
        return
    _drop_space(state)
    out[state[S_AT]] = 9
    state[S_AT] += 1
    state[S_CHARS] += 1
    state[S_LAST] = _TAB


@compiled
def write_newline(state, out):
    if state[S_LAST] == _NOTHING:
        return
    _drop_space(state)
    state[S_NEWLINES] = state[S_NEWLINES] + 1 if state[S_LAST] == _NEWLINE else 1
    if state[S_NEWLINES] > 2:
        return
    out[state[S_AT]] = 10
    state[S_AT] += 1
    state[S_CHARS] += 1
    state[S_LAST] = _NEWLINE


@compiled
def place(state, path):
    """The first text of a block decides where the block stands."""
    state[S_PLACED] = 1
    state[S_TAG] = state[S_CUR_TAG]
    state[S_DEPTH] = state[S_CUR_DEPTH]
    state[S_CONTAINER] = state[S_CUR_CONTAINER]
    path[1] = path[0]


@compiled
def write_formula(number, state, path, out):
    """Write the placeholder of a formula."""
    if not state[S_PLACED]:
        place(state, path)
    _put(np.int64(OPEN_MARK), state, out)
    divisor = np.int64(1)
    digits = 1
    while number // divisor >= 10:
        divisor *= 10
        digits += 1
    while divisor > 0:
        _put(48 + (number // divisor) % 10, state, out)
        divisor //= 10
    _put(np.int64(CLOSE_MARK), state, out)
    state[S_CHARS] += digits + 2
    state[S_FORMULAS] += 1
    state[S_LAST] = _VISIBLE


@compiled
def write_script(data, nodes, row, claims, state, path, tables, out):
    """`x<sup>2</sup>` as x^2; footnote marks and ordinals stay text. True when it was written."""
    point = _last_point(state, out)
    is_base = point == 41 or point == 93 or tables.characters[point] & ALNUM != 0
    if not is_base or state[S_CUR_TAG] == _PRE:
        return False
    length = np.int64(0)
    for below in range(row + 1, nodes[row, END]):
        if nodes[below, TAG] == _A or claims[below] != 0:
            return False
        if nodes[below, TAG] == TEXT:
            length += nodes[below, STOP] - nodes[below, START]
    if length == 0 or length > _MAX_SCRIPT_BYTES:
        return False
    before, chars_before, last_before = state[S_AT], state[S_CHARS], state[S_LAST]
    bits_before = state[S_BITS]
    _put(np.int64(94 if nodes[row, TAG] == _SUP else 95), state, out)
    start = state[S_AT]
    state[S_LAST] = _NOTHING
    for below in range(row + 1, nodes[row, END]):
        if nodes[below, TAG] == TEXT:
            write_text(data, nodes[below, START], nodes[below, STOP], False, False, state, path, tables, out)
    _drop_space(state)
    chars = state[S_CHARS] - chars_before
    stop = state[S_AT]
    if chars == 0 or chars > _MAX_SCRIPT_CHARS or _is_plain_script(out, start, stop, tables):
        state[S_AT], state[S_CHARS], state[S_LAST], state[S_BITS] = before, chars_before, last_before, bits_before
        return False
    if chars > 1:
        for at in range(stop, start, -1):
            out[at] = out[at - 1]
        out[start] = 123
        out[stop + 1] = 125
        state[S_AT] = stop + 2
        state[S_CHARS] += 2
    state[S_CHARS] += 1
    state[S_LAST] = _VISIBLE
    return True


@compiled
def _is_plain_script(out, start, stop, tables):
    for number in range(len(tables.plain_script_starts) - 1):
        begin = tables.plain_script_starts[number]
        length = tables.plain_script_starts[number + 1] - begin
        if length == stop - start:
            same = 0
            while same < length and out[start + same] == tables.plain_scripts[begin + same]:
                same += 1
            if same == length:
                return True
    return False
