"""Letters of a text by script, counted by numba, formulas and addresses left out."""

import numpy as np

from .compiled import compiled, entry
from .text_kernel import LETTER

_MAX_FORMULA_BYTES = 3000


@entry
def script_counts(text, max_chars, characters, plain):
    """Counts of (all letters, Han, kana, Hangul) among the first `max_chars` characters that are no TeX or address.

    `text` is UTF-8 (uint8), `characters` layout.CHARACTERS. The characters counted are written to `plain` (uint8, as
    long as `text` + 8) with a space for each formula; the fifth number is how many bytes that makes.
    """
    counts = np.zeros(5, np.int64)
    size = len(text)
    at = end = 0
    seen = 0
    while at < size and seen < max_chars:
        byte = np.int64(text[at])
        skipped = _skip(text, at, size)
        if skipped > at:
            at = skipped
            plain[end] = 32
            end += 1
            seen += 1
            continue
        length = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        point = _point(text, at, byte, length, size)
        if point >= 0x10000:
            is_letter = 0x20000 <= point <= 0x3134F
        else:
            is_letter = characters[point] & LETTER != 0
        if is_letter:
            counts[0] += 1
            if 0x3400 <= point <= 0x4DBF or 0x4E00 <= point <= 0x9FFF or 0xF900 <= point <= 0xFAFF or point >= 0x20000:
                counts[1] += 1
            elif 0x3041 <= point <= 0x30FA or 0x31F0 <= point <= 0x31FF or 0xFF66 <= point <= 0xFF9D:
                counts[2] += 1
            elif 0xAC00 <= point <= 0xD7AF or 0x1100 <= point <= 0x11FF:
                counts[3] += 1
        for place in range(at, min(at + length, size)):
            plain[end] = text[place]
            end += 1
        at += length
        seen += 1
    counts[4] = end
    return counts


@compiled
def _point(text, at, byte, length, size):
    if length == 1 or at + length > size:
        return byte
    point = byte & (0xFF >> (length + 1))
    for place in range(at + 1, at + length):
        point = (point << 6) | (np.int64(text[place]) & 0x3F)
    return point


@compiled
def _skip(text, at, size):
    """Behind the formula, TeX command or address that starts here; `at` itself where none does."""
    byte = text[at]
    if byte == 36:  # "$"
        width = 2 if at + 1 < size and text[at + 1] == 36 else 1
        place = at + width
        while place < size and place < at + _MAX_FORMULA_BYTES:
            if text[place] == 36 and (width == 1 or (place + 1 < size and text[place + 1] == 36)):
                return place + width
            if width == 1 and text[place] == 10:
                return at
            place += 1
        return at
    if byte == 92:  # "\\"
        place = at + 1
        while place < size and (65 <= text[place] <= 90 or 97 <= text[place] <= 122):
            place += 1
        return place if place > at + 1 else at
    if byte == 104 and at + 7 < size and text[at + 1] == 116 and text[at + 2] == 116 and text[at + 3] == 112:  # "http"
        place = at + 4
        if text[place] == 115:
            place += 1
        if text[place] == 58 and text[place + 1] == 47:
            while place < size and text[place] > 32:
                place += 1
            return place
    return at
