"""Writing tokens, compiled by numba: bytes with a space before each token, or the hashes of each, or both.

`state` (int64) says where a walk over a text stands, so that it can stop when the place for tokens is full, and go on.
"""

import numpy as np

from .compiled import compiled
from .nfkc_kernel import (
    APOSTROPHE,
    BACKSLASH,
    DOLLAR,
    IN_CONTEXT,
    LETTER,
    NON_ASCII,
    OTHER,
    SPACE,
    WORD,
    decode,
    kind_of,
    rewrite,
)
from .token_keys import FNV_PRIME, FNV_START, SECOND_PRIME, SECOND_START, join_key, key_of

AT, END, COUNT, MODE, FNV, SECOND, CLOSE, RUN = range(8)
"""`state`: place in the data, in the output, tokens begun, what the last of them is, its hashes; the place of the
dollar that ends a formula; up to where there is only ASCII."""
STATE_SIZE = 8
ROOM = 64
"""One step of a walk begins fewer tokens and, with spaces, writes fewer than four times as many bytes."""


BREAK, IN_WORD, IN_WORD_TAIL, BEHIND_BACKSLASH, IN_COMMAND = (mode << 3 for mode in range(5))
"""Modes: any character begins a token; in a word; behind its apostrophe; behind a backslash; in a TeX command."""
_NEW = 0x80
_ONE = np.uint64(1)
_MODE_MASK, _NEW_SHIFT = np.uint64(0x78), np.uint64(7)


def _ascii_kinds() -> np.ndarray:
    kinds = np.full(256, OTHER, np.uint8)
    kinds[128:] = NON_ASCII
    for byte in range(128):
        if chr(byte).isspace():
            kinds[byte] = SPACE
        elif chr(byte).isalpha():
            kinds[byte] = LETTER
        elif chr(byte).isdigit():
            kinds[byte] = WORD
    kinds[0] = NON_ASCII  # a token of its own in text, yet nothing but a gap to fastText: not for the fast loop
    kinds[[ord("'"), ord("\\"), ord("$")]] = APOSTROPHE, BACKSLASH, DOLLAR
    return kinds


def _steps() -> np.ndarray:
    """For mode | kind: the next mode, and _NEW where the character begins a token; the same for mode | _NEW | kind."""
    steps = np.zeros(128, np.uint8)
    for mode in (BREAK, IN_WORD, IN_WORD_TAIL, BEHIND_BACKSLASH, IN_COMMAND):
        steps[mode | SPACE] = BREAK
        steps[mode | LETTER] = steps[mode | WORD] = IN_WORD | _NEW
        for kind in (OTHER, APOSTROPHE, DOLLAR):
            steps[mode | kind] = BREAK | _NEW
        steps[mode | BACKSLASH] = BEHIND_BACKSLASH | _NEW
    for mode in (IN_WORD, IN_WORD_TAIL):
        steps[mode | LETTER] = steps[mode | WORD] = mode
    steps[BEHIND_BACKSLASH | LETTER] = steps[IN_COMMAND | LETTER] = IN_COMMAND
    return np.concatenate((steps, steps))


ASCII_KINDS, _STEPS = _ascii_kinds(), _steps()
_LOWER = np.array([ord(chr(byte).lower()) if byte < 128 else byte for byte in range(256)], np.uint8)
_FORMULA = np.frombuffer(b" \\formula", np.uint8)
_FORMULA_KEY = np.uint64(key_of(b"\\formula"))


@compiled
def begin_text(state, start, end):
    """A text begins at `start` of the data; tokens are written from `end` on."""
    state[:] = 0
    state[AT], state[END], state[CLOSE], state[RUN] = start, end, -1, start


@compiled
def ascii_run(data, stop, state, out, keys):
    """Take ASCII characters up to `stop`, a special one, or while there is room."""
    at, end, count = np.uint64(state[AT]), np.uint64(state[END]), np.uint64(state[COUNT])
    step = np.uint64(state[MODE])
    fnv, second = np.uint32(state[FNV]), np.uint32(state[SECOND])
    last = np.int64(stop)
    if keys is not None:
        last = min(last, state[AT] + len(keys) - state[COUNT] - 2)
    if out is not None:
        last = min(last, state[AT] + (len(out) - state[END]) // 2 - 2)
    last = np.uint64(last)
    while at < last:
        byte = data[at]
        kind = np.uint64(ASCII_KINDS[byte])
        if kind >= np.uint64(APOSTROPHE):
            break
        step = np.uint64(_STEPS[step | kind])
        is_new = step >> _NEW_SHIFT
        is_seen = np.uint64(kind != np.uint64(SPACE))
        lower = _LOWER[byte]
        if out is not None:
            out[end] = 32
            end += is_new
            out[end] = lower
            end += is_seen
        if keys is not None:
            count += is_new
            fnv = FNV_START if is_new else fnv
            second = SECOND_START if is_new else second
            fnv = np.uint32((fnv ^ np.uint32(lower)) * FNV_PRIME)
            second = np.uint32(second * SECOND_PRIME + np.uint32(lower))
            keys[count - is_seen] = join_key(fnv, second)
        at += _ONE
    state[AT], state[END], state[COUNT], state[MODE] = at, end, count, step & _MODE_MASK
    state[FNV], state[SECOND] = fnv, second


@compiled
def foreign_run(data, stop, state, tables, out, keys):
    """Take characters beyond ASCII that stay as they are, while there is room; those that marks follow are left."""
    at, end, count, mode = state[AT], state[END], state[COUNT], state[MODE]
    fnv, second = np.uint32(state[FNV]), np.uint32(state[SECOND])
    last = np.int64(stop)
    if keys is not None:
        last = min(last, at + len(keys) - count - 2)
    if out is not None:
        last = min(last, at + (len(out) - end) // 4 - 8)
    point, length = decode(data, at, stop)
    number = rewrite(point, tables)
    while at < last and number == 0:
        after = at + length
        next_point, next_length, next_number = np.int64(0), 1, np.int64(1)
        if after < stop and data[after] >= 0x80:
            next_point, next_length = decode(data, after, stop)
            next_number = rewrite(next_point, tables)
            if next_number == IN_CONTEXT:
                break
        kind = kind_of(point, tables)
        if kind == SPACE:
            break
        step = np.int64(_STEPS[mode | kind])
        mode = step & 0x78
        is_new = step >> 7
        if out is not None:
            out[end] = 32
            end += is_new
            for place in range(at, after):
                out[end] = data[place]
                end += 1
        if keys is not None:
            count += is_new
            fnv = FNV_START if is_new else fnv
            second = SECOND_START if is_new else second
            for place in range(at, after):
                fnv = np.uint32((fnv ^ np.uint32(np.int8(data[place]))) * FNV_PRIME)
                second = np.uint32(second * SECOND_PRIME + np.uint32(data[place]))
            keys[count - 1] = join_key(fnv, second)
        at, point, length, number = after, next_point, next_length, next_number
    state[AT], state[END], state[COUNT], state[MODE] = at, end, count, mode
    state[FNV], state[SECOND] = fnv, second


@compiled
def _byte(value, state, out, keys):
    if out is not None:
        out[state[END]] = value
        state[END] += 1
    if keys is not None:
        state[FNV] = np.uint32((np.uint32(state[FNV]) ^ np.uint32(np.int8(value))) * FNV_PRIME)
        state[SECOND] = np.uint32(np.uint32(state[SECOND]) * SECOND_PRIME + np.uint32(value))


@compiled
def push(point, kind, state, out, keys):
    """Append a normalised character. NUL, which is a token in text, is a gap to fastText and has no key."""
    if keys is not None:
        if point == 0:
            state[MODE] = BREAK
            return
    step = np.int64(_STEPS[state[MODE] | kind])
    state[MODE] = step & 0x78
    if kind == SPACE:
        return
    if step & _NEW:
        if out is not None:
            out[state[END]] = 32
            state[END] += 1
        state[COUNT] += 1
        state[FNV], state[SECOND] = FNV_START, SECOND_START
    if point < 0x80:
        _byte(point, state, out, keys)
    elif point < 0x800:
        _byte(0xC0 | point >> 6, state, out, keys)
        _byte(0x80 | point & 0x3F, state, out, keys)
    else:
        if point < 0x10000:
            _byte(0xE0 | point >> 12, state, out, keys)
        else:
            _byte(0xF0 | point >> 18, state, out, keys)
            _byte(0x80 | point >> 12 & 0x3F, state, out, keys)
        _byte(0x80 | point >> 6 & 0x3F, state, out, keys)
        _byte(0x80 | point & 0x3F, state, out, keys)
    if keys is not None:
        keys[state[COUNT] - 1] = join_key(np.uint32(state[FNV]), np.uint32(state[SECOND]))


@compiled
def push_formula(state, out, keys):
    if out is not None:
        for byte in _FORMULA:
            out[state[END]] = byte
            state[END] += 1
    if keys is not None:
        keys[state[COUNT]] = _FORMULA_KEY
    state[COUNT] += 1
    state[MODE] = BREAK
