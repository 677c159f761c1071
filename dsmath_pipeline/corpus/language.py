"""Which language a text is in: ISO 639-1, or `und`.

Scripts are counted first, because formulas and short texts make statistical identifiers call Chinese pages anything
but Chinese; the rest is Resiliparse's n-gram identifier on text without TeX. It does not detect mixtures.

Not in the paper: the paper collects English and Chinese and does not say how they were told apart.
"""

import numpy as np
from resiliparse.parse.lang import detect_fast

from .language_kernel import script_counts
from .layout import CHARACTERS

_SAMPLE_CHARS = 4000
_CHARACTER_WEIGHT = 3
"""One CJK character says about as much as three letters."""
_MIN_LETTERS = 20


def detect_language(text: str) -> str:
    """ISO 639-1 code of the text's main language, `und` when there is too little to judge.

    Han without kana is zh, kana is ja, Hangul is ko, where these scripts hold at least three tenths of the text's
    weight; otherwise the first 4,000 characters without TeX are identified.
    """
    data = np.frombuffer(text[: 4 * _SAMPLE_CHARS].encode("utf-8", "replace"), np.uint8)
    plain = np.empty(len(data) + 8, np.uint8)
    letters, han, kana, hangul, size = script_counts(data, _SAMPLE_CHARS, CHARACTERS, plain).tolist()
    cjk = han + kana + hangul
    if cjk and _CHARACTER_WEIGHT * cjk >= 0.3 * (letters - cjk + _CHARACTER_WEIGHT * cjk):
        if hangul > han + kana:
            return "ko"
        return "ja" if kana > 0.05 * (han + kana) else "zh"
    if letters < _MIN_LETTERS:
        return "und"
    language, _ = detect_fast(plain[:size].tobytes().decode("utf-8", "replace"), cutoff=1200)
    return language if len(language) == 2 else "und"
