"""`text.segment` over the UTF-8 bytes of a column, compiled by numba.

A text is read by characters. ASCII runs through a table of steps without a branch at the ends of tokens; a character
that has another normal form is replaced from a table; one that combines with the character before it is composed with
it. What only Python can do (broken UTF-8, a tower of marks) ends the walk.

segmentation.py fills the tables and says what comes out.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiled import compiled, entry
from .formula_mark_kernel import closing_dollar, formula_end
from .nfkc_kernel import (
    APOSTROPHE,
    CASED,
    DOLLAR,
    IGNORED,
    IN_CONTEXT,
    LETTER,
    MAX_CLUSTER,
    NON_ASCII,
    NUM_POINTS,
    OTHER,
    SIGMA,
    SPACE,
    WORD,
    compose_cluster,
    decode,
    joins_before,
    kind_of,
    rewrite,
)  # fmt: skip
from .token_kernel import (
    ASCII_KINDS,
    AT,
    CLOSE,
    COUNT,
    END,
    IN_WORD,
    IN_WORD_TAIL,
    MODE,
    ROOM,
    RUN,
    STATE_SIZE,
    ascii_run,
    begin_text,
    foreign_run,
    push,
    push_formula,
)  # fmt: skip

DONE, FULL, NEEDS_PYTHON = 0, 1, 2
"""How a walk ended: at the end, for lack of room, or at something that only Python can do."""
_MAX_SIGMA_STEPS = 32
_FINAL_SIGMA, _PLAIN_SIGMA = 0x3C2, 0x3C3
_ONE, _EIGHT, _HIGH_BITS = np.uint64(1), np.uint64(8), np.uint64(0x8080808080808080)


@intrinsic
def _eight_bytes(typing_context, array, at):
    """Eight bytes of a uint8 array from `at` on, as one uint64."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(place, align=1)

    return types.uint64(array, types.uint64), generate


@compiled
def walk_text(data, start, stop, state, points, tables, max_masked, out, keys):
    """Take tokens from AT on: DONE, FULL or NEEDS_PYTHON.

    `out` (uint8) takes their bytes, `keys` (uint64) their keys; either may be None. `points` is int64 of MAX_CLUSTER.
    """
    while state[AT] < stop:
        if out is not None:
            if len(out) - state[END] < 4 * ROOM:
                return FULL
        if keys is not None:
            if len(keys) - state[COUNT] < ROOM:
                return FULL
        at = state[AT]
        kind = np.int64(ASCII_KINDS[data[at]])
        if kind < APOSTROPHE:
            if at >= state[RUN]:
                _look_ahead(data, state, stop, tables)
            if at < state[RUN]:
                ascii_run(data, state[RUN], state, out, keys)
                continue
            status = _cluster(data, stop, state, points, tables, out, keys)
        elif kind == NON_ASCII:
            if data[at] != 0:
                foreign_run(data, stop, state, tables, out, keys)
                if state[AT] > at:
                    continue
            status = _character(data, start, stop, state, points, tables, out, keys)
        else:
            status = _special(data, kind, start, stop, state, tables, max_masked, out, keys)
        if status != DONE:
            return status
    return DONE


@compiled
def _character(data, start, stop, state, points, tables, out, keys):
    """Take the character at AT, which is not ASCII."""
    at = state[AT]
    point, length = decode(data, at, stop)
    number = rewrite(point, tables)
    if number == IN_CONTEXT or joins_before(data, at + length, stop, tables):
        return _cluster(data, stop, state, points, tables, out, keys)
    state[AT] = at + length
    if number == SIGMA:
        is_final = _is_final(data, at, length, start, stop, tables)
        if is_final < 0:
            return NEEDS_PYTHON
        push(_FINAL_SIGMA if is_final else _PLAIN_SIGMA, WORD, state, out, keys)
        return DONE
    return _push_lower(point, state, tables, out, keys)


@compiled
def _cluster(data, stop, state, points, tables, out, keys):
    """Take the character at AT with all that combines with it."""
    size, state[AT] = compose_cluster(data, state[AT], stop, tables, points)
    if size < 0:
        return NEEDS_PYTHON
    for i in range(size):
        if _push_lower(points[i], state, tables, out, keys) != DONE:
            return NEEDS_PYTHON
    return DONE


@compiled
def _push_lower(point, state, tables, out, keys):
    """Append a normalised character in lower case; NEEDS_PYTHON for what depends on its neighbours."""
    number = rewrite(point, tables)
    if number == 0 or number == IN_CONTEXT:
        push(point, kind_of(point, tables), state, out, keys)
        return DONE
    if number < 0:
        return NEEDS_PYTHON
    for place in range(tables.pool_starts[number], tables.pool_starts[number + 1]):
        value = np.int64(tables.pool[place])
        kind = kind_of(value, tables)
        if kind == APOSTROPHE and state[MODE] == IN_WORD:
            return NEEDS_PYTHON
        push(value, kind, state, out, keys)
    return DONE


@compiled
def _next_kind(data, at, stop, tables):
    """Kind of the first normalised character that comes of the text at `at`; -1 where Python has to tell."""
    if at >= stop:
        return SPACE
    point, length = decode(data, at, stop)
    number = rewrite(point, tables)
    if point >= 0x80 and joins_before(data, at + length, stop, tables):
        return -1
    if number == SIGMA:
        return WORD
    if number < 0:
        return -1
    return kind_of(point if number == 0 else np.int64(tables.pool[tables.pool_starts[number]]), tables)


@compiled
def _has_border(point, tables):
    return 0 <= point < NUM_POINTS and tables.rewrites[point] != IN_CONTEXT


@compiled
def _is_final(data, at, length, start, stop, tables):
    """Does the capital sigma at `at` end a word, as str.lower sees it? 1, 0; -1 where Python has to tell."""
    place = at
    for step in range(_MAX_SIGMA_STEPS):
        if place == start:
            return 0
        place -= 1
        while place > start and data[place] & 0xC0 == 0x80:
            place -= 1
        point, _ = decode(data, place, stop)
        if not _has_border(point, tables) or step == _MAX_SIGMA_STEPS - 1:
            return -1
        border = tables.borders[point] >> 2
        if border == 0:
            return 0
        if border == CASED:
            break
    place = at + length
    for _ in range(_MAX_SIGMA_STEPS):
        if place >= stop:
            return 1
        point, length = decode(data, place, stop)
        if not _has_border(point, tables):
            return -1
        border = tables.borders[point] & 3
        if border != IGNORED:
            return 0 if border == CASED else 1
        place += length
    return -1


@compiled
def _look_ahead(data, state, stop, tables):
    """Set RUN: up to there stand ASCII characters that nothing combines with. RUN stays at AT when the first does."""
    at = np.uint64(state[AT])
    last = np.uint64(stop)
    while at + _EIGHT <= last and _eight_bytes(data, at) & _HIGH_BITS == 0:  # type: ignore[call-arg]
        at += _EIGHT
    while at < last and data[at] < 0x80:
        at += _ONE
    run = np.int64(at)
    if run > state[AT]:
        before = data[run - 1]
        may_combine = 60 <= before <= 62 or ASCII_KINDS[before] == LETTER  # "<", "=", ">" take a stroke
        if may_combine and joins_before(data, run, stop, tables):
            run -= 1
    state[RUN] = run


@compiled
def _special(data, kind, start, stop, state, tables, max_masked, out, keys):
    """Take the apostrophe, backslash or dollar at AT."""
    at = state[AT]
    if kind == APOSTROPHE:
        state[AT] = at + 1
        if state[MODE] == IN_WORD:
            after = _next_kind(data, at + 1, stop, tables)
            if after < 0:
                return NEEDS_PYTHON
            if after == LETTER or after == WORD:
                push(39, WORD, state, out, keys)
                state[MODE] = IN_WORD_TAIL
                return DONE
        push(39, OTHER, state, out, keys)
        return DONE
    if at == state[CLOSE]:
        push_formula(state, out, keys)
        state[AT] = at + 1
        return DONE
    end = formula_end(data, at, start, stop, max_masked)
    if end > 0:
        push_formula(state, out, keys)
        state[AT] = end
        return DONE
    state[AT] = at + 1
    if kind == DOLLAR:
        close = closing_dollar(data, at, start, stop, tables, max_masked)
        if close > 0:
            push_formula(state, out, keys)
            if max_masked:
                state[AT] = close + 1
            else:
                state[CLOSE] = close
            return DONE
    push(np.int64(data[at]), kind, state, out, keys)
    return DONE


@entry
def segment_texts(data, offsets, tables, max_masked):
    """(bytes, offsets, which texts need Python) of the segmented texts; those that need Python come out empty.

    Text i is data[offsets[i] : offsets[i + 1]]; it comes out likewise. The first offset is 1.
    """
    num_texts = len(offsets) - 1
    out = np.empty(1 + 2 * (offsets[num_texts] - offsets[0]) + 8 * ROOM, np.uint8)
    ends = np.ones(num_texts + 1, np.int64)
    needs_python = np.zeros(num_texts, np.uint8)
    state, points = np.zeros(STATE_SIZE, np.int64), np.zeros(MAX_CLUSTER, np.int64)
    out[0] = 0
    end = np.int64(1)
    for number in range(num_texts):
        start, stop = offsets[number], offsets[number + 1]
        covered = out[end - 1]  # the space before a text's first token falls here
        begin_text(state, start, end - 1)
        status = FULL
        while status == FULL:
            status = walk_text(data, start, stop, state, points, tables, max_masked, out, None)
            if status == FULL:
                larger = np.empty(2 * len(out), np.uint8)
                larger[: state[END]] = out[: state[END]]
                out = larger
        out[end - 1] = covered
        if status == NEEDS_PYTHON:
            needs_python[number] = 1
        else:
            end = max(end, state[END])
        ends[number + 1] = end
    return out[:end].copy(), ends, needs_python
