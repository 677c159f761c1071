"""Near-duplicates: MinHash signatures, LSH buckets, pairs verified by their signatures, union-find.

Section 2.1 names near-deduplication and states neither method nor threshold; chosen here: sets of 5-grams of words, 14
bands of 8 rows (FineWeb's numbers). Two pages are a pair when they share a bucket in a band and their signatures agree
in at least `min_jaccard` of all 112 values, which estimates the Jaccard similarity of their gram sets (standard error
0.04). Pages connected by pairs are a cluster (union-find). Of each cluster the best page stays, and every page that is
no pair with a page that stays: a chain of small changes never drops a page that nothing kept resembles.

What a word is (version 2), from the UTF-8 bytes and without regard to language: every character is decomposed (NFKD of
Unicode 3.2, which Python keeps for ever), put in lower case, and loses accents (U+0300 to U+036F). A CJK character
(`text.CJK`) is a word of its own. Runs of letters, digits and other marks are words; punctuation, symbols, emoji and
white space separate; format characters and variation selectors count as nothing. Characters that decompose to several
("fi" ligature) stay themselves; those younger than Unicode 3.2 are letters unless their block holds symbols.

The hashes (version 2), all modulo 2^64. Word: FNV-1a over its code points (one step each, not one a byte), then
MurmurHash3's finaliser, 0 becomes 1. Gram: sum of word * 0x9E3779B97F4A7C15^(place from the right), then the finaliser;
a text shorter than a gram is one gram. MinHash value k: the least of (a_k * (gram >> 32) + b_k) modulo 2^32 with odd
a_k and b_k, both taken from BLAKE2b of "minhash:k". Nothing depends on the machine, the process or the version of
Python.

Time and memory grow linearly: 448 bytes a page for the signature, 16 bytes a page while a band is sorted. A bucket of
a hundred thousand like pages costs each of them at most `max_bucket_pairs` comparisons of 112 numbers.

Array letters: N pages, b bands, r rows, g grams.
"""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from ..recipe.schema import DedupSettings
from ..text import CJK
from . import minhash_kernel as kernel

MINHASH_VERSION = "2"
"""Version of words, gram hashes and the hash family.

1 (2026-11): first version. 2 (2026-11): words are cut from bytes by a frozen table; pairs verified by signatures.
"""

Texts = Sequence[str] | pa.ChunkedArray | pa.Array
_CJK_CHARACTER = re.compile(f"[{CJK}]")
_ACCENTS = range(0x300, 0x370)
_INVISIBLE = frozenset(["\u00ad", "\u200b", *map(chr, range(0xFE00, 0xFE10))])
"""Soft hyphen and zero-width space, which Unicode 3.2 had as a dash and a space; variation selectors."""
_YOUNG_SYMBOLS = (range(0x2000, 0x2C00), range(0x2E00, 0x2E80), range(0xFE00, 0xFE10), range(0x1F000, 0x1FB00))
"""Blocks in which characters younger than Unicode 3.2 are symbols or punctuation."""


@functools.lru_cache(maxsize=1)
def character_table() -> np.ndarray:
    """What every code point below 131,072 means (uint32): SEPARATOR, IGNORED, or a code point, perhaps with TOKEN."""
    table = np.zeros(kernel.TABLE_POINTS, np.uint32)
    for point in range(kernel.TABLE_POINTS):
        table[point] = _meaning(chr(point))
    return table


def _meaning(character: str) -> int:
    old = unicodedata.ucd_3_2_0
    if _CJK_CHARACTER.match(character):
        same = old.normalize("NFKC", character)
        return ord(same if len(same) == 1 and _CJK_CHARACTER.match(same) else character) | int(kernel.TOKEN)
    category = old.category(character)
    if ord(character) in _ACCENTS or category in ("Cf", "Me") or character in _INVISIBLE:
        return kernel.IGNORED
    if category == "Cn":
        return kernel.SEPARATOR if any(ord(character) in block for block in _YOUNG_SYMBOLS) else ord(character)
    plain = "".join(c for c in old.normalize("NFKD", character).lower() if ord(c) not in _ACCENTS)
    if len(plain) != 1:
        plain = character
    if _CJK_CHARACTER.match(plain):
        return ord(plain) | int(kernel.TOKEN)
    return ord(plain) if old.category(plain)[0] in "LNM" else kernel.SEPARATOR


@functools.lru_cache(maxsize=8)
def hash_family(count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` odd multipliers and offsets (uint32), fixed for ever by hashing their number."""
    raw = b"".join(hashlib.blake2b(f"minhash:{i}".encode(), digest_size=8).digest() for i in range(count))
    pairs = np.frombuffer(raw, dtype="<u4").reshape(count, 2).astype(np.uint32)
    return np.ascontiguousarray(pairs[:, 0] | np.uint32(1)), np.ascontiguousarray(pairs[:, 1])


def signatures(texts: Texts, settings: DedupSettings, threads: int = 1) -> np.ndarray:
    """MinHash values (uint32 [N, b * r]) of every text; all ones for a text without words.

    Arrow arrays are read in place. `threads` share the texts; the result does not depend on their number.
    """
    num_hashes = settings.num_bands * settings.num_rows
    out = np.empty((len(texts), num_hashes), np.uint32)
    done = 0
    for data, bounds in utf8_buffers(texts):
        part = out[done : done + len(bounds) - 1]
        done += len(part)
        write = functools.partial(_write_signatures, data, bounds, settings.ngram_words, part)
        if threads < 2 or len(part) < 2:
            write(0, len(part))
            continue
        steps = np.linspace(0, len(part), min(len(part), 8 * threads) + 1).astype(int).tolist()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(write, steps[:-1], steps[1:]))
    return out


def _write_signatures(data: np.ndarray, bounds: np.ndarray, n: int, out: np.ndarray, first: int, last: int) -> None:
    multipliers, offsets = hash_family(out.shape[1])
    kernel.write_signatures(data, bounds, first, last, character_table(), n, multipliers, offsets, out)


def utf8_buffers(texts: Texts) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(UTF-8 bytes, N + 1 bounds) of every chunk of the texts."""
    if isinstance(texts, pa.ChunkedArray):
        for chunk in texts.chunks:
            yield _buffer(chunk)
    elif isinstance(texts, pa.Array):
        yield _buffer(texts)
    else:
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        bounds = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        yield np.frombuffer(b"".join(encoded), np.uint8), _read_only(bounds)


def _buffer(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and bounds of an Arrow string array, not copied where the bounds are 64-bit; null is an empty text."""
    if array.null_count:
        array = array.fill_null("")
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        raise TypeError(f"texts are {array.type}, expected string or large_string")
    _, bounds, data = array.buffers()
    width = np.int64 if pa.types.is_large_string(array.type) else np.int32
    ends = np.frombuffer(bounds, width)[array.offset : array.offset + len(array) + 1] if bounds else np.zeros(1, width)
    return _read_only(np.frombuffer(data or b"", np.uint8)), _read_only(ends.astype(np.int64, copy=False))


def _read_only(array: np.ndarray) -> np.ndarray:
    """Arrow's buffers are read-only; numba compiles once more for arrays that are not."""
    array.flags.writeable = False
    return array


def gram_set(text: str, n: int) -> np.ndarray:
    """Sorted distinct gram hashes (uint64) of a text: the exact set that signatures sample, for measuring."""
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    out = np.empty(len(data) + 1, np.uint64)
    count = kernel.grams(data, 0, len(data), character_table(), n, out)
    return np.unique(out[:count])


def jaccard(left: np.ndarray, right: np.ndarray) -> float:
    """Exact Jaccard similarity of two sorted sets of gram hashes, 0-1; 0 when both are empty."""
    shared = len(np.intersect1d(left, right, assume_unique=True))
    union = len(left) + len(right) - shared
    return shared / union if union else 0.0


def clusters_of(signatures: np.ndarray, settings: DedupSettings) -> np.ndarray:
    """Cluster number of every page: int64 [N], the smallest index in its cluster.

    `signatures` come from the function of that name. A page is compared with the first `max_bucket_pairs` pages of each
    of its buckets, in the order of the rows; texts without words are in no bucket.
    """
    keys = kernel.band_keys(signatures, settings.num_bands, settings.num_rows)
    parents = np.arange(len(signatures), dtype=np.int64)
    for band in range(settings.num_bands):
        of_band = np.ascontiguousarray(keys[:, band])
        order = np.argsort(of_band, kind="stable")
        kernel.merge_buckets(
            of_band[order], order, signatures, least_equal(settings), settings.max_bucket_pairs, parents
        )
    kernel.flatten(parents)
    return parents


def least_equal(settings: DedupSettings) -> int:
    """How many of the MinHash values a pair must share: `min_jaccard` of them, rounded up."""
    num_hashes = settings.num_bands * settings.num_rows
    return int(np.ceil(round(settings.min_jaccard * num_hashes, 6)))


def kept_pages(
    clusters: np.ndarray,
    signatures: np.ndarray,
    scores: Sequence[float] | np.ndarray,
    lengths: Sequence[int] | np.ndarray,
    ids: Sequence[str],
    settings: DedupSettings,
) -> np.ndarray:
    """The page that is kept in each page's place: int64 [N], its own index where it stays.

    In each of the `clusters` the best page stays: highest score, then longest text, then smallest id (in code points).
    The others, from the best on, go when they are near-duplicates of a page that stays, and else stay too. No page is
    dropped for a page that it is only connected with through others. All arguments have one entry a page; a page is
    compared with at most `max_bucket_pairs` pages that stay.
    """
    names = np.array([name.encode("utf-8", "surrogatepass") for name in ids], "S")
    order = np.lexsort((names, -np.asarray(lengths, np.int64), -np.asarray(scores, np.float64), clusters))
    return kernel.choose_leaders(order, clusters, signatures, least_equal(settings), settings.max_bucket_pairs)
