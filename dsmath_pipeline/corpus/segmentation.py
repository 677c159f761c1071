"""Segment whole columns of text: `text.segment` for every row, byte for byte, compiled (segment_kernel.py).

A text that the kernel cannot do (broken UTF-8, more than 32 combining marks in a row) goes through `text.segment`.
"""

import functools
import re
import sys
import unicodedata
from collections.abc import Callable
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..text import CJK, MAX_MASKED_CHARS, segment
from . import nfkc_kernel as kernel
from .characters import canonical_pairs, second_halves
from .compiled import kept_arrays
from .segment_kernel import segment_texts

_SIGMA = "Σ"


def segment_column(texts: pa.Array | pa.ChunkedArray, mask_formulas: bool = False) -> pa.Array:
    """The tokens of every text, joined by single spaces (large_string); a null gives an empty text.

    Equal to `" ".join(text.segment(t, mask_formulas))`. Takes strings or binary values that hold UTF-8; bytes that are
    not UTF-8 become U+FFFD.
    """
    data, offsets = column_bytes(texts)
    out, starts, needs_python = segment_texts(data, offsets, tables(), max_masked(mask_formulas))
    found = pa.LargeStringArray.from_buffers(len(starts) - 1, pa.py_buffer(starts), pa.py_buffer(out))
    rows = np.flatnonzero(needs_python)
    if len(rows):
        slow = pa.array([segment_bytes(data[offsets[row] : offsets[row + 1]], mask_formulas) for row in rows])
        found = pc.replace_with_mask(found, pa.array(needs_python.astype(bool)), slow.cast(pa.large_string()))
    return found


def max_masked(mask_formulas: bool) -> int:
    """How the kernels are told: characters of a masked formula at most, 0 where none is masked."""
    return MAX_MASKED_CHARS if mask_formulas else 0


def segment_bytes(data: np.ndarray, mask_formulas: bool = False) -> str:
    """What the kernel does, in Python, for the bytes (uint8) of one text."""
    text = data.tobytes().decode("utf-8", "replace")
    return " ".join(segment(text, mask_formulas))


def column_bytes(texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Bytes (uint8) and offsets (int64, one more than rows) of a column of strings, without a copy of the bytes.

    Both arrays are read-only; a null has no bytes.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if texts.null_count:
        texts = texts.fill_null("")
    is_string = pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)
    column = texts.cast(pa.large_string() if is_string else pa.large_binary())
    _, offsets, data = column.buffers()
    rows = slice(column.offset, column.offset + len(column) + 1)
    places = np.frombuffer(offsets, np.int64)[rows] if offsets and len(column) else np.zeros(1, np.int64)
    content = np.frombuffer(data, np.uint8) if data and data.size else np.zeros(1, np.uint8)
    return read_only(content), read_only(places)


def read_only(array: np.ndarray) -> np.ndarray:
    """A read-only plain view: numba compiles once for mapped and for ordinary arrays."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


@functools.cache
def tables() -> kernel.SegmentTables:
    """The kernel's tables; making them takes half a second, so they are kept on disk."""
    made_of = f"{sys.version} {unicodedata.unidata_version} {CJK}"
    return kernel.SegmentTables(*map(read_only, kept_arrays(__file__, made_of, _make_tables)))


def _make_tables() -> kernel.SegmentTables:
    points = [chr(point) for point in range(kernel.NUM_POINTS)]
    composed, decomposed = _each(points, "NFKC"), _each(points, "NFKD")
    lowered = _each(points, "NFKC", str.lower)
    marks = np.array([unicodedata.combining(raw) for raw in points], np.uint8)
    pool = _Pool()
    decompositions = np.zeros(kernel.NUM_POINTS, np.int32)
    rewrites = np.zeros(kernel.NUM_POINTS, np.int32)
    for point in _differing(points, decomposed):
        decompositions[point] = pool.add(decomposed[point])
    for point in _differing(points, lowered):
        rewrites[point] = kernel.SIGMA if _SIGMA in composed[point] else pool.add(lowered[point])
    rewrites[_joining(decomposed, marks)] = kernel.IN_CONTEXT
    rewrites[0xD800:0xE000] = kernel.INVALID
    pairs = sorted((ord(pair[0]) << 32 | ord(pair[1]), ord(whole)) for pair, whole in _pairs().items())
    keys, wholes = np.array([key for key, _ in pairs], np.uint64), np.array([whole for _, whole in pairs], np.int32)
    borders = _borders(points, composed)
    return kernel.SegmentTables(_kinds(points), borders, rewrites, decompositions, marks, keys, wholes, *pool.arrays())


def _differing(left: list[str], right: list[str]) -> list[int]:
    return [point for point, (a, b) in enumerate(zip(left, right, strict=True)) if a != b]


def _joining(decomposed: list[str], marks: np.ndarray) -> list[int]:
    """Characters that may join or change places with what stands before them, as characters.stands_alone has it."""
    joining = second_halves() | {chr(point) for point in np.flatnonzero(marks)}
    return [point for point, value in enumerate(decomposed) if value[0] in joining]


class _Pool:
    """Strings as code points, each one once; number 0 is empty."""

    def __init__(self) -> None:
        self._numbers = {"": 0}

    def add(self, value: str) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """All code points (int32), and where each string starts (int32, one more)."""
        starts = np.zeros(len(self._numbers) + 1, np.int32)
        np.cumsum([len(value) for value in self._numbers], out=starts[1:])
        content = np.frombuffer("".join(self._numbers).encode("utf-32-le", "surrogatepass"), np.int32)
        return content, starts


def _each(characters: list[str], form: Literal["NFKC", "NFKD"], then: Callable[[str], str] = str) -> list[str]:
    """The normalised form of every character, by one call for all of them: a line end joins with nothing."""
    line_end = characters.index("\n")
    text = "\n".join((*characters[:line_end], " ", *characters[line_end + 1 :]))
    found = then(unicodedata.normalize(form, text)).split("\n")
    found[line_end] = "\n"
    return found


def _pairs() -> dict[str, str]:
    found = dict(canonical_pairs())
    for number in range(11_172):  # Korean syllables: 19 first letters, 21 vowels, none or one of 27 last letters
        rest, last = divmod(number, 28)
        first, vowel = divmod(rest, 21)
        pair = (0xAC00 + number - last, 0x11A7 + last) if last else (0x1100 + first, 0x1161 + vowel)
        found[chr(pair[0]) + chr(pair[1])] = chr(0xAC00 + number)
    return found


def _kinds(points: list[str]) -> np.ndarray:
    """What each character is to the tokeniser once it is normalised, with the bits of the raw one."""
    text = "".join(points)
    kinds = np.full(kernel.NUM_POINTS, kernel.OTHER, np.uint8)
    for kind, pattern in ((kernel.SPACE, r"\s+"), (kernel.WORD, r"[^\W_]+"), (kernel.OTHER, f"[{CJK}]+")):
        for run in re.finditer(pattern, text):
            kinds[run.start() : run.end()] = kind
    for letters in ("AZ", "az"):
        kinds[ord(letters[0]) : ord(letters[1]) + 1] = kernel.LETTER
    kinds[[ord("'"), ord("\\"), ord("$")]] = kernel.APOSTROPHE, kernel.BACKSLASH, kernel.DOLLAR
    for run in re.finditer(r"\d+", text):
        kinds[run.start() : run.end()] |= kernel.DIGIT
    return kinds


def _borders(points: list[str], composed: list[str]) -> np.ndarray:
    """What each character is to the rule of the final sigma, as str.lower applies it.

    Bits of CASED and IGNORED for its first telling character after NFKC, and, shifted by two, for its last.
    """
    telling = [c for c in points if c != "\n" and not _is_caseless(c)]
    after_nothing = "\n".join(f"{c}{_SIGMA}" for c in telling).lower().split("\n")
    after_letter = "\n".join(f"A{c}{_SIGMA}" for c in telling).lower().split("\n")
    kinds: dict[str, int] = {}
    for character, alone, behind in zip(telling, after_nothing, after_letter, strict=True):
        if behind[-1] == "ς":
            kinds[character] = kernel.CASED if alone[-1] == "ς" else kernel.IGNORED
    borders = np.zeros(kernel.NUM_POINTS, np.uint8)
    for point, value in enumerate(composed):
        if len(value) == 1:
            borders[point] = kinds.get(value, 0) * 5
        else:
            found = [kinds.get(c, 0) for c in value]
            seen = [kind for kind in found if kind != kernel.IGNORED] or [kernel.IGNORED]
            borders[point] = seen[0] | seen[-1] << 2
    return borders


def _is_caseless(character: str) -> bool:
    """Saves the look at ideographs, Korean syllables and what is no character."""
    category = unicodedata.category(character)
    return category in ("Cn", "Co", "Cs") or (category == "Lo" and character > "\u3000")
