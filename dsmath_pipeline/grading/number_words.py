"""Numbers written in words: "seven", "twenty-five", "十二", "百分之二十五", "四分之三", "两个"."""

import re
from fractions import Fraction

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ENGLISH = {word: n for n, word in enumerate(_SMALL.split())} | {w: 10 * n for n, w in enumerate(_TENS.split(), 2)}
_DIGITS = {char: n for n, char in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_POWERS = {"十": 10, "百": 100, "千": 1000}
_NUMERAL = "[零〇一二两三四五六七八九十百千万亿]+"
_MEASURE = "个只条本张页块元人名天次米克岁辆棵朵支枝把件位双对组倍种盒箱袋瓶"
_COUNTED = re.compile(f"({_NUMERAL})(?:[{_MEASURE}](?:[^\\W\\d_不没无都]{{0,4}}))?")
_SHARE = re.compile(f"({_NUMERAL})分之({_NUMERAL})")


def word_number(text: str) -> tuple[Fraction, bool] | None:
    """(value, is a percentage) of a text that is one number in words, with a Chinese measure word at most; else None.

    A percentage is given as its number: 百分之五 is (5, True).
    """
    english = text.lower().replace("-", " ").split()
    if english and len(english) <= 2 and all(word in _ENGLISH for word in english):
        values = [_ENGLISH[word] for word in english]
        if len(values) == 1:
            return Fraction(values[0]), False
        return (Fraction(sum(values)), False) if values[0] >= 20 and 0 < values[1] < 10 else None
    share = _SHARE.fullmatch(text)
    if share:
        bottom, top = _chinese(share.group(1)), _chinese(share.group(2))
        if share.group(1) == "百":
            return None if top is None else (Fraction(top), True)
        return (Fraction(top, bottom), False) if top is not None and bottom else None
    counted = _COUNTED.fullmatch(text)
    value = _chinese(counted.group(1)) if counted else None
    return None if value is None else (Fraction(value), False)


def _chinese(numeral: str) -> int | None:
    """The value of a Chinese numeral below 10^16, None when its characters make no number (such as 一一)."""
    if len(numeral) > 30:
        return None
    total = section = 0
    digit: int | None = None
    for char in numeral:
        if char in _DIGITS:
            if digit:
                return None
            digit = _DIGITS[char]
        elif char in _POWERS:
            section += (1 if digit is None else digit) * _POWERS[char]
            digit = None
        else:
            total = (total + section + (digit or 0)) * (10**4 if char == "万" else 10**8)
            section, digit = 0, None
    return total + section + (digit or 0)
