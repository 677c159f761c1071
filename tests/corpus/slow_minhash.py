"""What corpus/minhash.py says, in plain Python: one character, one word, one gram, one hash at a time."""

import hashlib
import itertools
import math
import unicodedata
from functools import cache

from dsmath_pipeline.recipe.schema import DedupSettings

_ALL = 2**64 - 1
# Han, kana, Hangul, compatibility ideographs, planes 2 and 3
_CJK = (
    (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0x20000, 0x3134F)
)  # fmt: skip
_SPACE, _NOTHING = " ", ""


def is_cjk(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _CJK)


@cache
def plain_character(character: str) -> str:
    """The character as a word holds it; a space where it separates, nothing where it does not count."""
    point, old = ord(character), unicodedata.ucd_3_2_0
    if is_cjk(character):
        same = old.normalize("NFKC", character) if point < 0x20000 else character
        return same if len(same) == 1 and is_cjk(same) else character
    if point >= 0x20000 or 0xD800 <= point < 0xE000:
        return _SPACE
    category = old.category(character)
    if 0x300 <= point < 0x370 or category in ("Cf", "Me") or 0xFE00 <= point < 0xFE10 or point in (0xAD, 0x200B):
        return _NOTHING
    if category == "Cn":
        blocks = ((0x2000, 0x2BFF), (0x2E00, 0x2E7F), (0x1F000, 0x1FAFF))
        return _SPACE if any(first <= point <= last for first, last in blocks) else character
    parts = [c for c in old.normalize("NFKD", character).lower() if not 0x300 <= ord(c) < 0x370]
    one = parts[0] if len(parts) == 1 else character
    return one if is_cjk(one) or old.category(one)[0] in ("L", "M", "N") else _SPACE


def plain_words(text: str) -> list[str]:
    spaced = "".join(f" {one} " if one and is_cjk(one) else one for one in map(plain_character, text))
    return [word for word in spaced.split(" ") if word]


def mix(value: int) -> int:
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & _ALL
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & _ALL
    return value ^ value >> 33


def word_hash(word: str) -> int:
    value = 0xCBF29CE484222325
    for character in word:
        value = (value ^ ord(character)) * 0x100000001B3 & _ALL
    return mix(value) or 1


def gram_hashes(text: str, n: int) -> list[int]:
    hashes = [word_hash(word) for word in plain_words(text)]
    n = min(n, len(hashes))
    runs = [hashes[i : i + n] for i in range(len(hashes) - n + 1)] if n else []
    return [
        mix(sum(value * pow(0x9E3779B97F4A7C15, n - 1 - place, 2**64) for place, value in enumerate(run)) & _ALL)
        for run in runs
    ]


def signature(text: str, settings: DedupSettings) -> list[int]:
    grams = [gram >> 32 for gram in gram_hashes(text, settings.ngram_words)]
    found = []
    for k in range(settings.num_bands * settings.num_rows):
        digest = hashlib.blake2b(f"minhash:{k}".encode(), digest_size=8).digest()
        a, b = int.from_bytes(digest[:4], "little") | 1, int.from_bytes(digest[4:], "little")
        found.append(min(((a * gram + b) % 2**32 for gram in grams), default=2**32 - 1))
    return found


def clusters(signatures: list[list[int]], settings: DedupSettings) -> list[int]:
    """All pairs that share the values of a band and `min_jaccard` of all values, relabelled until nothing changes."""
    labels = list(range(len(signatures)))
    rows, total = settings.num_rows, settings.num_rows * settings.num_bands
    pairs = []
    for i, j in itertools.combinations(range(len(signatures)), 2):
        left, right = signatures[i], signatures[j]
        is_empty = set(left) == {2**32 - 1} or set(right) == {2**32 - 1}
        in_bucket = any(left[at : at + rows] == right[at : at + rows] for at in range(0, total, rows))
        same = sum(a == b for a, b in zip(left, right, strict=True))
        if in_bucket and not is_empty and same >= math.ceil(round(settings.min_jaccard * total, 6)):
            pairs.append((i, j))
    changed = True
    while changed:
        changed = False
        for i, j in pairs:
            if labels[i] != labels[j]:
                labels[i] = labels[j] = min(labels[i], labels[j])
                changed = True
    return labels


def kept(labels: list[int], signatures: list[list[int]], ranks: list, settings: DedupSettings) -> list[int]:
    """For each page the first better page of its cluster that stays and is a pair with it; or the page itself."""
    least = math.ceil(round(settings.min_jaccard * settings.num_rows * settings.num_bands, 6))
    found = list(range(len(labels)))
    for page in sorted(range(len(labels)), key=ranks.__getitem__):
        for other in sorted(range(len(labels)), key=ranks.__getitem__):
            if other == page:
                break
            same = sum(a == b for a, b in zip(signatures[page], signatures[other], strict=True))
            if labels[other] == labels[page] and found[other] == other and same >= least:
                found[page] = other
                break
    return found
