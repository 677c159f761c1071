"""fastText's tokenisation, hashing and averaging over the bytes of an Arrow string column, compiled by numba.

What it computes is fixed by fastText 0.9.x; every constant here is fastText's and none may change:
- tokens are separated by space, tab, line ends, vertical tab, form feed and NUL; each text ends with the token `</s>`;
- a token's hash is 32-bit FNV-1a over *signed* bytes; tokens that begin with the label prefix are skipped;
- an n-gram's hash starts from the first token's hash, sign-extended to 64 bits, and is multiplied by 116049371 before
  each further token's hash is added; modulo the number of buckets it names an input row;
- the average runs over known words and all n-grams; unknown words still take part in n-grams.

The vocabulary is found by a 64-bit fingerprint: the FNV hash and a second hash of the same bytes.
"""

from collections.abc import Sequence

import numba
import numpy as np

_FNV_START, _FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
_SECOND_START, _SECOND_PRIME = np.uint32(0x9E3779B9), np.uint32(0x85EBCA6B)
_NGRAM_FACTOR = np.uint64(116049371)
_END = np.frombuffer(b"</s>", np.uint8)
_PREFIX = np.frombuffer(b"__label__", np.uint8)
_SPACES = np.uint64(sum(1 << byte for byte in b" \t\n\v\f\r\0"))
_MAX_NGRAMS = 16
_ZERO, _ONE, _SHIFT = np.uint64(0), np.uint64(1), np.uint64(32)


def build_word_table(words: Sequence[bytes], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hash table (keys uint64 with 0 for empty, values float32) of the vocabulary.

    Raises ValueError when two words share a fingerprint (about 1 in 10^13 for a million words).
    """
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum([len(word) for word in words], out=offsets[1:])
    data = np.frombuffer(b"".join(words) + b"\0", np.uint8)
    capacity = 1 << max(3 * len(words), 1).bit_length()
    keys, slots = np.zeros(capacity, np.uint64), np.zeros(capacity, np.float32)
    if not _fill(data, offsets, values, keys, slots):
        raise ValueError("two words of the vocabulary have the same 64-bit fingerprint; train with another min_count")
    return keys, slots


def mean_values(
    data: np.ndarray,
    offsets: np.ndarray,
    word_keys: np.ndarray,
    word_values: np.ndarray,
    ngram_values: np.ndarray,
    word_ngrams: int,
) -> np.ndarray:
    """Average row value of each text: its logit. NaN where a text has neither a known word nor an n-gram.

    `data` (uint8) holds the texts' bytes, text i from `offsets[i]` to `offsets[i + 1]` (int64).
    """
    if word_ngrams > _MAX_NGRAMS:
        raise ValueError(f"n-grams of {word_ngrams} words are not supported, {_MAX_NGRAMS} at most")
    out = np.empty(len(offsets) - 1, np.float64)
    _score(data, offsets, word_keys, word_values, ngram_values, word_ngrams, out)
    return out


@numba.njit(cache=True, nogil=True, inline="always")
def _fingerprint(fnv, second):
    key = (np.uint64(fnv) << _SHIFT) | np.uint64(second)
    return key if key != _ZERO else _ONE


@numba.njit(cache=True, nogil=True)
def _hash_token(data, start, end):
    fnv, second = _FNV_START, _SECOND_START
    for i in range(start, end):
        fnv = np.uint32((fnv ^ np.uint32(np.int8(data[i]))) * _FNV_PRIME)
        second = np.uint32((second ^ np.uint32(data[i])) * _SECOND_PRIME + np.uint32(1))
    return fnv, second


@numba.njit(cache=True, nogil=True)
def _fill(data, offsets, values, keys, slots):
    mask = np.uint64(len(keys) - 1)
    for i in range(len(offsets) - 1):
        fnv, second = _hash_token(data, offsets[i], offsets[i + 1])
        key = _fingerprint(fnv, second)
        slot = (key >> _SHIFT) & mask
        while keys[slot] != _ZERO:
            if keys[slot] == key:
                return False
            slot = (slot + _ONE) & mask
        keys[slot] = key
        slots[slot] = values[i]
    return True


@numba.njit(cache=True, nogil=True, inline="always")
def _is_space(byte):
    return byte <= 32 and (_SPACES >> np.uint64(byte)) & _ONE != _ZERO


@numba.njit(cache=True, nogil=True)
def _is_label(data, start, end):
    if end - start < len(_PREFIX):
        return False
    for i in range(len(_PREFIX)):
        if data[start + i] != _PREFIX[i]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _score(data, offsets, word_keys, word_values, ngram_values, word_ngrams, out):
    mask = np.uint64(len(word_keys) - 1)
    buckets = np.uint64(max(len(ngram_values), 1))
    end_fnv, end_second = _hash_token(_END, 0, len(_END))
    end_key = _fingerprint(end_fnv, end_second)
    grams = np.zeros(_MAX_NGRAMS, np.uint64)  # grams[k]: hash of the last k + 1 tokens
    for text in range(len(out)):
        i, end = offsets[text], offsets[text + 1]
        total, num_rows, num_tokens, is_last = 0.0, 0, 0, False
        while not is_last:
            while i < end and _is_space(data[i]):
                i += 1
            start = i
            while i < end and not _is_space(data[i]):
                i += 1
            fnv, second = end_fnv, end_second
            if start < i:
                if _is_label(data, start, i):
                    continue
                fnv, second = _hash_token(data, start, i)
            key = _fingerprint(fnv, second)
            is_last = key == end_key
            slot = (key >> _SHIFT) & mask
            while word_keys[slot] != _ZERO and word_keys[slot] != key:
                slot = (slot + _ONE) & mask
            if word_keys[slot] == key:
                total += word_values[slot]
                num_rows += 1
            value = np.uint64(np.int64(np.int32(fnv)))
            longest = min(num_tokens + 1, word_ngrams)
            for k in range(longest - 1, 0, -1):
                grams[k] = grams[k - 1] * _NGRAM_FACTOR + value
                total += ngram_values[grams[k] % buckets]
                num_rows += 1
            grams[0] = value
            num_tokens += 1
        out[text] = total / num_rows if num_rows else np.nan
