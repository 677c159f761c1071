"""Which language a text is in: ISO 639-1, or `und`.

Scripts are counted first, because formulas and short texts make statistical identifiers call Chinese pages anything
but Chinese; the rest is Resiliparse's n-gram identifier on text without TeX. It does not detect mixtures.

Not in the paper: the paper collects English and Chinese and does not say how they were told apart.
"""

import re

_TEX = re.compile(r"\$\$.+?\$\$|\$[^$\n]{1,1000}\$|\\\(.+?\\\)|\\\[.+?\\\]|\\[A-Za-z]+|https?://\S+", re.S)
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_KANA = re.compile("[\u3041-\u30fa\u31f0-\u31ff\uff66-\uff9d]")
_HANGUL = re.compile("[\uac00-\ud7af\u1100-\u11ff]")
_LETTER = re.compile(r"[^\W\d_]")
_SAMPLE_CHARS = 4000
_CHARACTER_WEIGHT = 3
"""One CJK character says about as much as three letters."""
_MIN_LETTERS = 20


def detect_language(text: str) -> str:
    """ISO 639-1 code of the text's main language, `und` when there is too little to judge.

    Han without kana is zh, kana is ja, Hangul is ko, where these scripts hold at least three tenths of the text's
    weight; otherwise the first 4,000 characters without TeX are identified.
    """
    plain = _TEX.sub(" ", text[: 4 * _SAMPLE_CHARS])[:_SAMPLE_CHARS]
    han, kana, hangul = (len(script.findall(plain)) for script in (_HAN, _KANA, _HANGUL))
    letters = len(_LETTER.findall(plain))
    cjk = han + kana + hangul
    if cjk and _CHARACTER_WEIGHT * cjk >= 0.3 * (letters - cjk + _CHARACTER_WEIGHT * cjk):
        if hangul > han + kana:
            return "ko"
        return "ja" if kana > 0.05 * (han + kana) else "zh"
    if letters < _MIN_LETTERS:
        return "und"
    from resiliparse.parse.lang import detect_fast

    language, _ = detect_fast(plain, cutoff=1200)
    return language if len(language) == 2 else "und"
