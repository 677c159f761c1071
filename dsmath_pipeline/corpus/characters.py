"""What Unicode normalisation (NFKC) does at the borders of characters; the tables of the text kernels are built on it.

Not in the paper: the paper does not say how text is normalised.
"""

import functools
import unicodedata


@functools.cache
def second_halves() -> frozenset[str]:
    """Characters that may join the one before them under NFKC although they are no combining marks."""
    jamo = (chr(point) for point in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)))
    return frozenset(jamo) | {pair[1] for pair in canonical_pairs()}


@functools.cache
def canonical_pairs() -> dict[str, str]:
    """Two characters and the one that NFC makes of them; Korean syllables are left out."""
    found = {}
    for point in range(0x80, 0x30000):
        parts = unicodedata.decomposition(chr(point)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            pair = "".join(chr(int(part, 16)) for part in parts)
            if unicodedata.normalize("NFC", pair) == chr(point):
                found[pair] = chr(point)
    return found


def stands_alone(decomposed: str) -> bool:
    """Does a character, given as its NFKD, never join or change places with what stands before it?"""
    return not unicodedata.combining(decomposed[0]) and decomposed[0] not in second_halves()
