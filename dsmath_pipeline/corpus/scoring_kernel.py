"""fastText's hashing and averaging over text columns, compiled by numba.

What it computes is fixed by fastText 0.9.x; every constant here is fastText's and none may change:
- tokens are separated by space, tab, line ends, vertical tab, form feed and NUL; each text ends with the token `</s>`;
- a token's hash is 32-bit FNV-1a over *signed* bytes; tokens that begin with the label prefix are skipped;
- an n-gram's hash starts from the first token's hash, sign-extended to 64 bits, and is multiplied by 116049371 before
  each further token's hash is added; modulo the number of buckets it names an input row;
- the average runs over known words and all n-grams; unknown words still take part in n-grams.

A text is done in blocks of tokens: first the keys of all (token_keys.py), as its bytes are read or segmented; then
their n-grams and words are looked up, all independent of each other, so that the processor waits for many at once.
"""

from collections.abc import Sequence

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiled import compiled, entry
from .nfkc_kernel import MAX_CLUSTER
from .segment_kernel import DONE, FULL, NEEDS_PYTHON, walk_text
from .token_kernel import AT, COUNT, FNV, MODE, ROOM, SECOND, STATE_SIZE, begin_text
from .token_keys import FNV_PRIME, FNV_START, SECOND_PRIME, SECOND_START, join_key, key_of

WORD_DTYPE = np.dtype([("key", "<u8"), ("value", "<f8")])
"""One slot of the vocabulary's hash table; key 0: empty, value 0."""
MAX_WORD_NGRAMS = 16
_NGRAM_FACTOR = np.uint64(116049371)
_END_KEY = np.uint64(key_of(b"</s>"))
_PREFIX = np.frombuffer(b"__label__", np.uint8)
_IS_SPACE = np.array([byte in b" \t\n\v\f\r\0" for byte in range(256)], np.uint8)
_BLOCK = 1024
_IN_TOKEN = MODE
"""In `state`, while segmented text is read: does the byte before AT belong to a token?"""
_ZERO, _ONE, _SHIFT = np.uint64(0), np.uint64(1), np.uint64(32)


@intrinsic
def _multiply_high(typing_context, first, second):
    """The upper 64 bits of the product of two uint64."""

    def generate(context, builder, signature, arguments):
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def _prefetch(typing_context, array, at):
    """Ask for an element of an array, to be read soon."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(function, [place, number(0), number(3), number(1)])  # to read, into the nearest cache, data
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


@compiled
def remainder(value, divisor, reciprocal):
    """`value % divisor` without a division; `reciprocal` is (2^64 - 1) // divisor.

    The estimated quotient is the true one or one less.
    """
    rest = value - _multiply_high(value, reciprocal) * divisor  # type: ignore[call-arg]
    return min(rest, rest - divisor)  # the difference wraps round where the rest was right


@entry
def remainders(values, divisor):
    """`values % divisor` (uint64), for the tests."""
    found = np.empty(len(values), np.uint64)
    for i in range(len(values)):
        found[i] = remainder(values[i], np.uint64(divisor), np.uint64(0xFFFFFFFFFFFFFFFF) // np.uint64(divisor))
    return found


# The vocabulary ------------------------------------------------------------------------------------------------------


def build_word_table(words: Sequence[bytes], values: np.ndarray) -> np.ndarray:
    """Hash table (WORD_DTYPE) of the vocabulary, a quarter to a half full.

    Raises ValueError when two words share a key (about 1 in 10^7 for a million words).
    """
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum([len(word) for word in words], out=offsets[1:])
    data = np.frombuffer(b"".join(words) + b"\0", np.uint8)
    table = np.zeros(1 << max(2 * len(words), 1).bit_length(), WORD_DTYPE)
    if not _fill(data, offsets, np.asarray(values, np.float64), table):
        raise ValueError("two words of the vocabulary have the same 64-bit key; train with another min_count")
    return table


@entry
def _fill(data, offsets, values, table):
    mask = np.uint64(len(table) - 1)
    for number in range(len(offsets) - 1):
        fnv, second = FNV_START, SECOND_START
        for at in range(offsets[number], offsets[number + 1]):
            fnv = np.uint32((fnv ^ np.uint32(np.int8(data[at]))) * FNV_PRIME)
            second = np.uint32(second * SECOND_PRIME + np.uint32(data[at]))
        key = join_key(fnv, second)
        slot = (key >> _SHIFT) & mask
        while table[slot].key != _ZERO:
            if table[slot].key == key:
                return False
            slot = (slot + _ONE) & mask
        if key == _ZERO:
            return False
        table[slot].key = key
        table[slot].value = values[number]
    return True


# Reading segmented text ----------------------------------------------------------------------------------------------


@compiled
def _is_label(data, at, stop):
    if stop - at < len(_PREFIX):
        return False
    for i in range(len(_PREFIX)):
        if data[at + i] != _PREFIX[i]:
            return False
    return True


@compiled
def _read_tokens(data, stop, state, keys):
    """Keys of the tokens from AT on: DONE, or FULL where there is no room for more (the last may be unfinished)."""
    at, count = np.uint64(state[AT]), np.uint64(state[COUNT])
    fnv, second = np.uint32(state[FNV]), np.uint32(state[SECOND])
    was_space = np.uint64(1 - state[_IN_TOKEN])
    last = np.uint64(min(np.int64(stop), state[AT] + len(keys) - 2 - state[COUNT]))
    plain = last
    while at < last:
        byte = data[at]
        is_space = np.uint64(_IS_SPACE[byte])
        is_new = was_space & ~is_space
        if byte == 95 and is_new and at != plain:
            if not _is_label(data, np.int64(at), stop):
                plain = at
                continue
            while at < last and not _IS_SPACE[data[at]]:
                at += _ONE
            if at == last and at < np.uint64(stop):  # the label goes on behind the room there is
                while at < np.uint64(stop) and not _IS_SPACE[data[at]]:
                    at += _ONE
                break
            continue
        count += is_new
        fnv = FNV_START if is_new else fnv
        second = SECOND_START if is_new else second
        fnv = np.uint32((fnv ^ np.uint32(np.int8(byte))) * FNV_PRIME)
        second = np.uint32(second * SECOND_PRIME + np.uint32(byte))
        keys[count - _ONE + is_space] = join_key(fnv, second)
        was_space = is_space
        at += _ONE
    state[AT], state[COUNT], state[FNV], state[SECOND] = at, count, fnv, second
    state[_IN_TOKEN] = 1 - was_space
    return DONE if at == np.uint64(stop) else FULL


# Summing up ----------------------------------------------------------------------------------------------------------


@compiled
def _add_ngrams(keys, size, before, longest, ngram_values, grams, buckets, carried):
    """Sum and number of the n-grams that end in the first `size` tokens of the block.

    `before`: how many tokens of the text came before; `carried[k]`: hash of the last k + 1 of them. `grams` (uint64)
    and `buckets` (uint32) are scratch. First all buckets are named and asked for, then their values are added.
    """
    if size == 0:
        return 0.0, np.int64(0)
    num_buckets = np.uint64(len(ngram_values))
    reciprocal = np.uint64(0xFFFFFFFFFFFFFFFF) // max(num_buckets, _ONE)
    grams[0] = carried[0]
    for i in range(size):
        grams[i + 1] = np.uint64(np.int64(np.int32(keys[i] >> _SHIFT)))
    carried[0] = grams[size]
    number = np.uint64(0)
    for length in range(1, longest):
        following = carried[length]
        at = np.uint64(size)
        first = np.uint64(min(max(0, length - before), size))
        while at > first:  # from the end, so that grams[at - 1] is still one token shorter
            at -= _ONE
            gram = grams[at] * _NGRAM_FACTOR + np.uint64(np.int64(np.int32(keys[at] >> _SHIFT)))
            grams[at + _ONE] = gram
            bucket = remainder(gram, num_buckets, reciprocal)
            _prefetch(ngram_values, bucket)  # type: ignore[call-arg]
            buckets[number] = bucket
            number += _ONE
        if before + size > length:
            carried[length] = grams[size]
        grams[0] = following
    total = 0.0
    for i in range(number):
        total += ngram_values[buckets[i]]
    return total, np.int64(number)


@compiled
def _add_words(keys, size, words):
    """Sum and number of the known words among the first `size` tokens."""
    mask = np.uint64(len(words) - 1)
    total = 0.0
    num_rows = 0
    for i in range(np.uint64(size)):
        _prefetch(words, (keys[i] >> _SHIFT) & mask)  # type: ignore[call-arg]
    for i in range(np.uint64(size)):
        key = keys[i]
        slot = (key >> _SHIFT) & mask
        found = words[slot].key
        while found != key and found != _ZERO:
            slot = (slot + _ONE) & mask
            found = words[slot].key
        total += words[slot].value
        num_rows += found == key
    return total, num_rows


@compiled
def _end_of_text(keys, size):
    """Place of the first `</s>` among the first `size` tokens; `size` where there is none."""
    for i in range(size):
        if keys[i] == _END_KEY:
            return i
    return size


@entry
def score_texts(data, offsets, rows, tables, max_masked, words, ngram_values, longest):
    """Logit of each text in `rows`, and which of them need Python (their logit means nothing).

    Text i is data[offsets[i] : offsets[i + 1]]. Without `tables` (None) it is segmented already and only read.
    `words` is a table of build_word_table, `ngram_values` (float32) has one value a bucket, `longest` is the length of
    the longest n-gram. NaN where a text has neither a known word nor an n-gram.
    """
    logits = np.empty(len(rows), np.float64)
    needs_python = np.zeros(len(rows), np.uint8)
    state, points = np.zeros(STATE_SIZE, np.int64), np.zeros(MAX_CLUSTER, np.int64)
    keys, grams = np.zeros(_BLOCK + ROOM, np.uint64), np.zeros(_BLOCK + ROOM + 1, np.uint64)
    buckets = np.zeros(max(longest - 1, 1) * len(keys), np.uint32)
    carried = np.zeros(MAX_WORD_NGRAMS, np.uint64)
    for number in range(len(rows)):
        start, stop = offsets[rows[number]], offsets[rows[number] + 1]
        begin_text(state, start, 0)
        total, num_rows, before = 0.0, 0, 0
        status = FULL
        while status == FULL:
            if tables is not None:
                status = walk_text(data, start, stop, state, points, tables, max_masked, None, keys)
            else:
                status = _read_tokens(data, stop, state, keys)
            if status == NEEDS_PYTHON:
                needs_python[number] = 1
                break
            count = state[COUNT]
            size = max(count - 1, 0)
            unfinished = keys[size]
            if status == DONE:
                keys[count] = _END_KEY
                size = count + 1
            if tables is None:
                end = _end_of_text(keys, size)
                if end < size:
                    size = end + 1
                    status = DONE
            sum_of_words, num_words = _add_words(keys, size, words)
            sum_of_ngrams, num_ngrams = _add_ngrams(keys, size, before, longest, ngram_values, grams, buckets, carried)
            total += sum_of_words + sum_of_ngrams
            num_rows += num_words + num_ngrams
            before += size
            keys[0] = unfinished
            state[COUNT] = min(count, 1)
        logits[number] = total / num_rows if num_rows else np.nan
    return logits, needs_python
