"""How a token is known to the scorer: fastText's 32-bit FNV-1a and a second hash of the same bytes, in one uint64.

fastText hashes *signed* bytes; the first hash is its own and may not change. Two words of a vocabulary that share both
are refused when the table is built; an unknown word is taken for one of a million known words about once in 10^13.
"""

import numpy as np

from .compiled import compiled

FNV_START, FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
SECOND_START, SECOND_PRIME = np.uint32(0x9E3779B9), np.uint32(0x85EBCA6B)
_SHIFT = np.uint64(32)


@compiled
def join_key(fnv, second):
    """Both hashes in one number."""
    return (np.uint64(fnv) << _SHIFT) | np.uint64(second)


def key_of(token: bytes) -> int:
    """The key of one token, in plain Python.

    >>> hex(key_of(b"</s>") >> 32)
    '0xd79c9359'
    """
    fnv, second = int(FNV_START), int(SECOND_START)
    for byte in token:
        signed = byte if byte < 128 else byte - 256
        fnv = ((fnv ^ signed) & 0xFFFFFFFF) * int(FNV_PRIME) & 0xFFFFFFFF
        second = (second * int(SECOND_PRIME) + byte) & 0xFFFFFFFF
    return fnv << 32 | second
