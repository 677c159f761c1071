"""Near-duplicates: MinHash signatures, LSH buckets, exact Jaccard, union-find.

Section 2.1 names near-deduplication and states neither method nor threshold; chosen here: sets of word (or CJK
character) 5-grams of `text.words`, 14 bands of 8 rows (FineWeb's numbers), every candidate pair verified by the exact
Jaccard similarity of its two gram sets, connected pairs merged to clusters. Verification is what keeps pages apart
that only share a template.

The functions work on arrays in memory; `corpus/final.py` streams shards through them. Memory is 8 bytes a band and
page, plus the gram sets of those pages that share a bucket with another one.

Array letters: N pages, b bands, r rows, g grams.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..recipe.schema import DedupSettings
from ..text import words

MINHASH_VERSION = "1"
"""Version of gram hashing and of the hash family. 1 (2026-11): first version."""

_U64 = np.uint64
_GRAM_BASE = _U64(0x9E3779B97F4A7C15)
_MAX_CACHED_WORDS = 1_000_000
_GRAM_CHUNK = 512


class _WordHashes(dict[str, int]):
    """64-bit hash of a word, remembered; forgotten all at once when the vocabulary grows too large."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _MAX_CACHED_WORDS:
            self.clear()
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        value = self[word] = int.from_bytes(digest, "little")
        return value


_word_hashes = _WordHashes()


def _mix(values: np.ndarray) -> np.ndarray:
    """Spread 64-bit values so that every input bit reaches every output bit (MurmurHash3's finaliser)."""
    values = values ^ (values >> _U64(33))
    values = values * _U64(0xFF51AFD7ED558CCD)
    values = values ^ (values >> _U64(33))
    values = values * _U64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> _U64(33))


def word_hashes(tokens: Sequence[str]) -> np.ndarray:
    """One 64-bit hash (uint64) a word; the same in every process and on every machine."""
    return np.fromiter(map(_word_hashes.__getitem__, tokens), dtype=np.uint64, count=len(tokens))


def gram_hashes(hashes: np.ndarray, n: int) -> np.ndarray:
    """64-bit hash of every run of `n` words, in order: uint64 of length `len(hashes) - n + 1`, empty when shorter."""
    count = len(hashes) - n + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    total = np.zeros(count, np.uint64)
    with np.errstate(over="ignore"):
        for i in range(n):
            total = total * _GRAM_BASE + hashes[i : i + count]
        return _mix(total)


def gram_set(text: str, n: int) -> np.ndarray:
    """Sorted distinct gram hashes of a text; a text shorter than `n` words is one gram, one without words has none."""
    hashes = word_hashes(words(text))
    return np.unique(gram_hashes(hashes, min(n, len(hashes)) or 1))


def jaccard(left: np.ndarray, right: np.ndarray) -> float:
    """Exact Jaccard similarity of two sorted sets of gram hashes, 0-1; 0 when both are empty."""
    shared = len(np.intersect1d(left, right, assume_unique=True))
    union = len(left) + len(right) - shared
    return shared / union if union else 0.0


@functools.lru_cache(maxsize=8)
def _hash_family(count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` odd multipliers and offsets (uint32), fixed for ever by hashing their number."""
    raw = b"".join(hashlib.blake2b(f"minhash:{i}".encode(), digest_size=8).digest() for i in range(count))
    pairs = np.frombuffer(raw, dtype="<u4").reshape(count, 2).astype(np.uint32)
    return pairs[:, :1] | np.uint32(1), pairs[:, 1:]


def signature(grams: np.ndarray, num_hashes: int) -> np.ndarray:
    """MinHash values (uint32, `num_hashes`) of a set of gram hashes; all ones for an empty set.

    One permutation of the 32-bit numbers a hash: (multiplier * gram + offset) mod 2^32 of the gram's upper half.
    """
    multipliers, offsets = _hash_family(num_hashes)
    best = np.full(num_hashes, 0xFFFFFFFF, np.uint32)
    upper = (grams >> _U64(32)).astype(np.uint32)
    with np.errstate(over="ignore"):
        for start in range(0, len(upper), _GRAM_CHUNK):
            values = upper[None, start : start + _GRAM_CHUNK] * multipliers
            values += offsets
            np.minimum(best, values.min(axis=1), out=best)
    return best


def band_keys(texts: Iterable[str], settings: DedupSettings) -> np.ndarray:
    """LSH bucket of every text in every band: uint64 [N, b].

    Texts without a single word get a key of their own in no bucket: 0, which `bucket_mates` leaves out.
    """
    bands, rows = settings.num_bands, settings.num_rows
    keys = []
    for text in texts:
        grams = gram_set(text, settings.ngram_words)
        if not len(grams):
            keys.append(np.zeros(bands, np.uint64))
            continue
        values = signature(grams, bands * rows).reshape(bands, rows).astype(np.uint64)
        with np.errstate(over="ignore"):
            total = np.arange(1, bands + 1, dtype=np.uint64)
            for row in range(rows):
                total = _mix(total * _GRAM_BASE + values[:, row])
        keys.append(np.maximum(total, _U64(1)))
    return np.array(keys, np.uint64).reshape(len(keys), bands)


def bucket_mates(keys: np.ndarray) -> np.ndarray:
    """Which pages (bool [N]) share a bucket with another page in at least one band: only these need their grams."""
    mates = np.zeros(len(keys), bool)
    for band in range(keys.shape[1] if keys.size else 0):
        _, inverse, counts = np.unique(keys[:, band], return_inverse=True, return_counts=True)
        mates |= (counts[inverse] > 1) & (keys[:, band] != 0)
    return mates


def cluster(keys: np.ndarray, grams_of: Callable[[int], np.ndarray], settings: DedupSettings) -> np.ndarray:
    """Cluster number of every page: int64 [N], the smallest index in its cluster.

    `keys` come from `band_keys`, `grams_of(i)` is page i's gram set and is asked only for bucket mates. Two pages are
    merged when they share a bucket and their exact Jaccard similarity is at least `min_jaccard`, or through a chain of
    such pairs. A page is compared with at most `max_bucket_pairs` earlier members of each of its buckets.
    """
    parents = np.arange(len(keys))
    apart: set[tuple[int, int]] = set()
    for band in range(keys.shape[1] if keys.size else 0):
        for members in _buckets(keys[:, band]):
            for position, page in enumerate(members):
                for other in members[: min(position, settings.max_bucket_pairs)]:
                    a, b = _root(parents, other), _root(parents, page)
                    if a == b or (other, page) in apart:
                        continue
                    if jaccard(grams_of(other), grams_of(page)) >= settings.min_jaccard:
                        parents[max(a, b)] = min(a, b)
                    else:
                        apart.add((other, page))
    return np.array([_root(parents, i) for i in range(len(keys))], np.int64)


def _buckets(keys: np.ndarray) -> Iterable[list[int]]:
    """Groups of at least two indices (ascending) with the same non-zero key."""
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0]) if len(order) else np.empty(0, int)
    for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
        if end - start > 1 and keys[order[start]]:
            yield order[start:end].tolist()


def _root(parents: np.ndarray, page: int) -> int:
    while parents[page] != page:
        parents[page] = parents[parents[page]]
        page = parents[page]
    return int(page)


def survivors(
    clusters: np.ndarray, scores: Sequence[float], lengths: Sequence[int], ids: Sequence[str]
) -> dict[int, int]:
    """The page that stays of each cluster: highest score, then longest text, then smallest id.

    All arguments have one entry a page. Returns cluster number -> index of the survivor.
    """
    best: dict[int, int] = {}
    for page, number in enumerate(clusters.tolist()):
        other = best.get(number)
        rank = (-scores[page], -lengths[page], ids[page])
        if other is None or rank < (-scores[other], -lengths[other], ids[other]):
            best[number] = page
    return best


def near_duplicates(
    texts: Sequence[str], scores: Sequence[float], ids: Sequence[str], settings: DedupSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Clusters (int64 [N]) and survivors (bool [N]) of texts that fit into memory."""
    keys = band_keys(texts, settings)
    grams = {i: gram_set(texts[i], settings.ngram_words) for i in np.flatnonzero(bucket_mates(keys)).tolist()}
    clusters = cluster(keys, grams.__getitem__, settings)
    kept = np.zeros(len(texts), bool)
    kept[list(survivors(clusters, scores, [len(t) for t in texts], ids).values())] = True
    return clusters, kept
