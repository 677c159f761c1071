"""Read an answer as an exact number, without sympy: the fast path of grading.

Integers, decimals, thousands separators, fractions, mixed numbers, scientific notation, percent, currency, a leading
"x =", and units or a few words around a single number, in English, Chinese and TeX. Anything else is None and left to
the symbolic comparison.
"""

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

MAX_NUMBER_CHARS = 300
"""Longer digit strings are not read here: no answer has them, and turning them into numbers is quadratic."""

MAX_EXPONENT = 400
"""10^400 is beyond any floating-point result; larger exponents would only make huge integers."""

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d*)?|\.\d+"
_PLAIN = re.compile(rf"[+-]?(?:{_DIGITS})")
_SCIENTIFIC = re.compile(
    rf"([+-]?(?:{_DIGITS}))(?:[eE]([+-]?\d{{1,4}})|(?:\*|x|\\times|\\cdot)10(?:\^|\*\*)(?:\{{([+-]?\d{{1,4}})\}}|([+-]?\d{{1,4}})))"
)
_POWER_OF_TEN = re.compile(r"([+-]?)10(?:\^|\*\*)(?:\{([+-]?\d{1,4})\}|([+-]?\d{1,4}))")
_RATIO = re.compile(rf"([+-]?)\(?([+-]?(?:{_DIGITS}))\)?/\(?([+-]?(?:{_DIGITS}))\)?")
_TEX_RATIO = re.compile(
    rf"([+-]?)(\d{{1,9}})?\\frac(?:\{{([+-]?(?:{_DIGITS}))\}}|(\d))(?:\{{([+-]?(?:{_DIGITS}))\}}|(\d))"
)
_MIXED = re.compile(r"([+-]?)(\d{1,9})\s+(\d{1,9})/(\d{1,9})")
_ASSIGNMENT = re.compile(r"^\s*\\?[A-Za-z](?:_\{?\w{1,8}\}?)?\s*=\s*")
_WRAPPER = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox|operatorname|textit|mathit)\s*\{([^{}]*)\}")
_DROPPED = re.compile(
    r"\\left(?![a-z])|\\right(?![a-z])|\\[!,;:]|\\displaystyle|\\\(|\\\)|\\\[|\\\]|(?<!\\)\$|\\\$|[¥￥€£]|\\quad"
)
_DEGREE = re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})|°|\\degree")
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, 
           "千": 10**3, "万": 10**4, "亿": 10**8}  # fmt: skip
_SCALE = re.compile(r"(thousand|million|billion|trillion)\b|([千万亿])")
_TOKEN = re.compile(rf"(?<![A-Za-z0-9_.,/^*+])-?(?:{_DIGITS})(?:/\d+)?(?![\d/^*+=!_]|[.]\d)")
# Tried at one place at a time by _is_words: a run of letters has one reading only, so hostile text costs linear time.
# (Possessive quantifiers say the same, but Python 3.11.2 and its neighbours match some of them wrongly.)
_WORD = re.compile(
    r"\s|[A-Za-z]{2,}(?:[-'][A-Za-z]+)*|\b[aAI]\b|[\u4e00-\u9fff]|[.,:;?()，。：；？（）]|(?<=[a-z])/(?=[a-z])"
    r"|\b(?:m|km|ft|cm|g|kg|J|W|L)/(?:s|h|hr|min|kg|K)\b|(?<=\s)[mgshLNJWVKCF](?=\s*\Z)"
)
_ENGLISH = "zero one two three four five six seven eight nine ten eleven twelve"
_WORD_NUMBERS = {word: Fraction(n) for n, word in enumerate(_ENGLISH.split())}
_WORD_NUMBERS |= {word: Fraction(n) for n, word in enumerate("零一二三四五六七八九十")} | {"两": Fraction(2)}
_NOT_UNITS = re.compile(
    r"\b(?:pi|sqrt|sin|cos|tan|log|ln|exp|or|and|to|mod|choose|half|dozen|hundred|times|plus|minus|infinity|factorial|"
    r"squared|cubed|root|between|not|unless|over|per\s*cent|percent|i)\b|[或和与至到负半根π]|百|无",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value. `is_exact` is false for decimals, which may be rounded; percent is kept as its number."""

    value: Fraction
    is_percent: bool = False
    is_exact: bool = True


def parse_number(text: str) -> Number | None:
    """The number that an answer states, or None when it is not exactly one number."""
    if len(text) > MAX_NUMBER_CHARS:
        return None
    plain = _simplify(text)
    if not plain:
        return None
    percent = bool(re.search(r"%|\bper\s*cent\b", plain, re.IGNORECASE))
    if percent:
        plain = re.sub(r"\\?%|\bper\s*cent\b", " ", plain, flags=re.IGNORECASE).strip()
    value = _WORD_NUMBERS.get(plain.lower())
    if value is None:
        value = _value(plain)
    if value is None:
        plain, scale = _take_scale(plain)
        value = _lone_number(plain)
        value = None if value is None else value * scale
    return None if value is None else Number(value, percent, "." not in plain and "e" not in plain.lower())


def numbers_equal(first: Number, second: Number) -> bool:
    """Equality of values; symmetric.

    Percent: 50 % equals 50 and 0.5 (problems ask for either), but 50 % never equals 5,000 % or 0.5 %. Decimals may
    carry rounding noise of programs (0.30000000000000004): they agree within one part in a million, and never by more
    than 10^-6 absolute. Whole numbers and fractions must agree exactly.
    """
    if first.is_percent and not second.is_percent:
        return _close(first, second, Fraction(1)) or _close(first, second, Fraction(1, 100))
    if second.is_percent and not first.is_percent:
        return numbers_equal(second, first)
    return _close(first, second, Fraction(1))


def _close(first: Number, second: Number, factor: Fraction) -> bool:
    a, b = first.value * factor, second.value
    if a == b:
        return True
    if first.is_exact and second.is_exact:
        return False
    return abs(a - b) <= Fraction(1, 10**6) * min(Fraction(1), max(abs(a), abs(b)))


def _simplify(text: str) -> str:
    """One line without TeX decoration, currency and a leading "x ="."""
    text = unicodedata.normalize("NFKC", text.replace("²", "^2").replace("³", "^3"))
    text = text.replace("−", "-").replace("–", "-").replace("{,}", ",").replace("\\ ", " ").replace("~", " ")
    text = re.sub(r"\\[dtc]frac", r"\\frac", text)
    text = _DROPPED.sub("", text)
    text = _WRAPPER.sub(r" \1 ", text)
    text = _DEGREE.sub(" ", text)
    text = text.replace("\\%", "%").strip().strip("*").strip()
    text = _ASSIGNMENT.sub("", text)
    while text.startswith("{") and text.endswith("}") and text.count("{") == 1:
        text = text[1:-1].strip()
    return text.rstrip(".。,，;； ")


def _value(text: str) -> Fraction | None:
    """The value of a text that is nothing but one number."""
    mixed = _MIXED.fullmatch(text)
    if mixed:
        sign, whole, top, bottom = mixed.groups()
        return _ratio(sign, Fraction(int(whole)), top, bottom)
    text = re.sub(r"(?<=\d)\s(?=\d{3}(?!\d))|(?<!\d)\s+|\s+(?!\d)", "", text)  # "1 1" is no number, "1 000" is
    if _PLAIN.fullmatch(text):
        return Fraction(_clean(text))
    ratio = _RATIO.fullmatch(text)
    if ratio:
        return _ratio(ratio.group(1), Fraction(0), ratio.group(2), ratio.group(3))
    ratio = _TEX_RATIO.fullmatch(text)
    if ratio:
        sign, whole, top, short_top, bottom, short_bottom = ratio.groups()
        return _ratio(sign, Fraction(int(whole or 0)), top or short_top, bottom or short_bottom)
    return _scientific(text)


def _scientific(text: str) -> Fraction | None:
    match = _SCIENTIFIC.fullmatch(text)
    if match:
        mantissa, exponent = Fraction(_clean(match.group(1))), match.group(2) or match.group(3) or match.group(4)
    else:
        match = _POWER_OF_TEN.fullmatch(text)
        if not match:
            return None
        mantissa, exponent = Fraction(-1 if match.group(1) == "-" else 1), match.group(2) or match.group(3)
    if abs(int(exponent)) > MAX_EXPONENT:
        return None
    return mantissa * Fraction(10) ** int(exponent)


def _ratio(sign: str, whole: Fraction, top: str, bottom: str) -> Fraction | None:
    denominator = Fraction(_clean(bottom))
    if denominator == 0:
        return None
    value = whole + Fraction(_clean(top)) / denominator
    return -value if sign == "-" else value


def _clean(digits: str) -> str:
    digits = digits.replace(",", "")
    return digits + "0" if digits.endswith(".") else digits


def _take_scale(text: str) -> tuple[str, int]:
    """Remove one "million" or "万" that follows a digit and return its factor."""
    match = _SCALE.search(text)
    if not match or not re.search(r"\d\s*$", text[: match.start()]):
        return text, 1
    return text[: match.start()] + " " + text[match.end() :], _SCALES[match.group(1) or match.group(2)]


def _lone_number(text: str) -> Fraction | None:
    """The value of the only number among words or units: "18 dollars a day", "她有5个苹果"; else None."""
    tokens = list(_TOKEN.finditer(text))
    if not tokens or _NOT_UNITS.search(text):
        tex = _tex_with_unit(text)
        return tex
    first = tokens[0]
    before, after = text[: first.start()], re.sub(r"([a-z])\s*\^\{?[23]\}?", r"\1", text[first.end() :])
    if len(tokens) > 1 and _TOKEN.search(after):
        return None
    if not (_is_words(before) and _is_words(after)):
        return _tex_with_unit(text)
    return _value(first.group())


def _is_words(text: str) -> bool:
    """Is the text nothing but words, units and punctuation?"""
    at = 0
    while at < len(text):
        match = _WORD.match(text, at)
        if not match:
            return False
        at = match.end()
    return True


def _tex_with_unit(text: str) -> Fraction | None:
    """`\\frac{3}{4} cm` and `1.5\\times10^{3} kg`: one TeX number followed by unit words."""
    head, _, tail = text.partition(" ")
    if tail and _is_words(tail) and not _NOT_UNITS.search(tail) and not re.search(r"\d", tail):
        return _value(head)
    return None
