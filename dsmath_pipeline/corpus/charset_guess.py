"""Which encoding are bytes without a (true) label in?

Resiliparse's detector answers first. It takes short Korean, Japanese and Mac Cyrillic texts for UTF-8 and confuses
neighbours; both are put right here from what the bytes look like: EUC texts are pairs of high bytes whose first byte
tells the script, Cyrillic words do not change case inside.

Not in the paper: decoding is not described.
"""

import codecs
import re
from collections import Counter

from resiliparse.parse.encoding import detect_encoding

_MAX_BYTES = 200_000
_HIGH_RUNS = re.compile(rb"[\x80-\xff]+")
_C1_CONTROLS = re.compile(rb"[\x80-\x9f]")
_WINDOWS_SIBLINGS = {
    "iso8859-1": "cp1252", "iso8859-2": "cp1250", "iso8859-7": "cp1253", "iso8859-8": "cp1255", "iso8859-9": "cp1254",
    "iso8859-13": "cp1257", "iso8859-15": "cp1252",
}  # fmt: skip
_CYRILLIC = ("cp1251", "koi8_r", "mac_cyrillic", "cp866", "iso8859_5")
_MIN_CYRILLIC_LETTERS = 20
_GREEK_ACCENTED_CAPITAL = re.compile(rb"(?<![\x80-\xff])\xb6[\xc0-\xff]")
"""Byte B6 before a letter: capital alpha with an accent in ISO 8859-7, a pilcrow in windows-1253."""


def guess_charset(raw: bytes) -> str:
    """Python's name for the encoding of bytes that are not UTF-8; cp1252 where nothing speaks for another."""
    head = raw[:_MAX_BYTES]
    if _is_japanese_euc(head):
        return "euc_jp"
    found = _codec_name(detect_encoding(head, from_html_meta=False) or "")
    if found in ("", "utf-8", "ascii"):  # not UTF-8, or nobody would ask
        return _guess_euc(head) or _guess_cyrillic(head) or "cp1252"
    if found == "iso8859-16":  # hardly ever used; its letters are those of windows-1250 with other marks
        return "cp1250"
    if found == "cp1253" and _GREEK_ACCENTED_CAPITAL.search(head) and not _C1_CONTROLS.search(head):
        return "iso8859-7"
    if found in _WINDOWS_SIBLINGS and _C1_CONTROLS.search(head):  # text has quotation marks there, not controls
        return _WINDOWS_SIBLINGS[found]
    return found


def _codec_name(label: str) -> str:
    try:
        return codecs.lookup(label).name
    except LookupError:
        return ""


def _lead_bytes(head: bytes) -> Counter[int] | None:
    """How often each first byte of a pair occurs; None unless all high bytes form pairs of A1 to FE (EUC)."""
    leads: Counter[int] = Counter()
    runs = _HIGH_RUNS.findall(head)
    if len(head) == _MAX_BYTES:
        runs = runs[:-1]  # may be cut inside a pair
    for run in runs:
        if len(run) % 2 or min(run) < 0xA1 or max(run) > 0xFE:
            return None
        leads.update(run[::2])
    return leads


def _is_japanese_euc(head: bytes) -> bool:
    """Every high byte in a pair, and at least half of the pairs kana?"""
    leads = _lead_bytes(head)
    return bool(leads) and leads.total() >= 4 and 2 * (leads[0xA4] + leads[0xA5]) >= leads.total()


def _guess_euc(head: bytes) -> str:
    """EUC-KR, or GBK, by the rows of the character set that the pairs come from; empty when they are not pairs."""
    leads = _lead_bytes(head)
    if not leads or leads.total() < 4:
        return ""
    letters = sum(count for lead, count in leads.items() if lead >= 0xB0)
    hangul = sum(count for lead, count in leads.items() if 0xB0 <= lead <= 0xC8)
    if not letters:
        return ""
    # Hangul fills rows B0 to C8; of Chinese text about half lies there.
    return "cp949" if hangul > 0.85 * letters else "gb18030"


def _guess_cyrillic(head: bytes) -> str:
    """The Cyrillic encoding in which the bytes look like words; empty when they do in none."""
    scores = {name: _word_score(head.decode(name, "replace")) for name in _CYRILLIC}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0.8 else ""


def _word_score(text: str) -> float:
    """Share of the non-ASCII characters that are Cyrillic letters, less the capitals in the middle of words."""
    others = [c for c in text if c > "\x7f"]
    letters = sum("А" <= c <= "я" or c in "Ёё" for c in others)
    if letters < _MIN_CYRILLIC_LETTERS:
        return 0.0
    capitals_inside = len(re.findall(r"(?<=[а-яё])[А-ЯЁ]", text))
    return (letters - 3 * capitals_inside) / len(others)
