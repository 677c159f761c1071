"""Read an answer as an exact number, without sympy: the fast path of grading.

Integers, decimals, thousands separators, fractions, mixed numbers, scientific notation, percent, currency, numbers in
words, a leading "x =", and units or a few words around a single number, in English, Chinese and TeX. Anything else is
None and left to the comparisons of forms and of algebra.
"""

import dataclasses
import functools
import re
from dataclasses import dataclass
from fractions import Fraction

from .notation import unify
from .number_words import word_number
from .units import Unit, same_quantity, take_unit

MAX_NUMBER_CHARS = 300
"""Longer digit strings are not read here: no answer has them, and turning them into numbers is quadratic."""

MAX_EXPONENT = 400
"""10^400 is beyond any floating-point result; larger exponents would only make huge integers."""

NOISE = Fraction(1, 10**7)
"""Decimals this close, relative to the larger and never more than this apart, are one number (0.30000000000000004)."""

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d*)?|\.\d+"
_PLAIN = re.compile(rf"[+-]?(?:{_DIGITS})")
_POWER = r"(?:\{([+-]?\d{1,4})\}|([+-]?\d{1,4}))"
_SCIENTIFIC = re.compile(rf"([+-]?(?:{_DIGITS}))(?:[eE]([+-]?\d{{1,4}})|(?:\*|x|\\times|\\cdot)10(?:\^|\*\*){_POWER})")
_POWER_OF_TEN = re.compile(rf"([+-]?)10(?:\^|\*\*){_POWER}")
_RATIO = re.compile(rf"([+-]?)\(?([+-]?(?:{_DIGITS}))\)?/\(?([+-]?(?:{_DIGITS}))\)?")
_TEX_RATIO = re.compile(
    rf"([+-]?)(\d{{1,9}})?\\frac(?:\{{([+-]?(?:{_DIGITS}))\}}|(\d))(?:\{{([+-]?(?:{_DIGITS}))\}}|(\d))"
)
_MIXED = re.compile(r"([+-]?)(\d{1,9})\s+(\d{1,9})/(\d{1,9})")
_ASSIGNMENT = re.compile(r"\s*(?:(\\?[A-Za-z](?:_\{?\w{1,8}\}?)?)\s*(?:=|\\approx)|\\approx)\s*")
_PERCENT = re.compile(r"%|\bper\s*cent\b", re.IGNORECASE)
_MONEY = re.compile(r"\\\$|[¥￥€£]")
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
           "千": 10**3, "万": 10**4, "亿": 10**8}  # fmt: skip
_SCALE = re.compile(r"(?<=\d)\s*(?:(thousand|million|billion|trillion)\b|(千(?![克米瓦])|万|亿))")
_TOKEN = re.compile(rf"(?<![A-Za-z0-9_.,/^*+])-?(?:{_DIGITS})(?:/\d+)?(?![\d/^*+=!_]|[.]\d)")
# Tried at one place at a time by _is_words: a run of letters has one reading only, so hostile text costs linear time.
# (Possessive quantifiers say the same, but Python 3.11.2 and its neighbours match some of them wrongly.)
_WORD = re.compile(r"\s|[A-Za-z]{2,}(?:[-'][A-Za-z]+)*|\b[aAI]\b|[\u4e00-\u9fff]|[.,:;?()，。：；？（）°]")
_NOT_PLAIN = re.compile(
    r"\b(?:pi|sqrt|sin|cos|tan|log|ln|exp|or|and|to|mod|choose|half|dozens?|hundreds?|times|plus|minus|infinity|"
    r"factorial|squared|cubed|root|between|unless|over|i|not|no|never|neither|wrong|incorrect|false|but|except|however|"
    r"(?:more|less|fewer|greater|larger|smaller|other|rather) than|at (?:least|most)|up to|above|below|under|instead|"
    r"\w+n't)\b|[或和与至到负半根π百无不没非错]\s*|至少|至多|大于|小于|超过|以上|以下|多于|少于",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value. `is_exact` is false for decimals, which may be rounded; percent is kept as its number."""

    value: Fraction
    is_percent: bool = False
    is_exact: bool = True
    unit: Unit | None = None
    """What it measures, None when no known unit is written."""
    name: str = ""
    """The variable it is assigned to ("x" in "x = 5"), with its index."""


@functools.lru_cache(maxsize=16384)
def parse_number(text: str) -> Number | None:
    """The number that an answer states, or None when it is not exactly one number."""
    if len(text) > MAX_NUMBER_CHARS:
        return None
    plain = unify(text)
    assigned = _ASSIGNMENT.match(plain)
    name = re.sub(r"[\s{}]", "", assigned.group(1) or "") if assigned else ""
    plain = plain[assigned.end() :] if assigned else plain
    while plain.startswith("{") and plain.endswith("}") and plain.count("{") == 1:
        plain = plain[1:-1].strip()
    if not plain:
        return None
    value = _value(plain)  # most answers are nothing but a number
    if value is not None:
        return Number(value, False, _is_exact(plain), name=name)
    words = word_number(plain)
    if words:
        return Number(words[0], words[1], name=name)
    number = _decorated_number(plain)
    return dataclasses.replace(number, name=name) if number and name else number


def numbers_equal(first: Number, second: Number) -> bool:
    """Equality of values; symmetric.

    Percent: 50 % equals 50 and 0.5 (problems ask for either), but 50 % never equals 5,000 % or 0.5 %. Decimals may
    carry rounding noise of programs (see NOISE). Whole numbers and fractions must agree exactly. Units of one dimension
    are converted (2 hours, 120 minutes), other dimensions differ, a missing unit is forgiven. So is a missing name, but
    x = 5 is not y = 5.
    """
    if first.name and second.name and first.name != second.name:
        return False
    if (
        not same_quantity(first.unit, second.unit)
        or (first.is_percent and second.unit)
        or (second.is_percent and first.unit)
    ):
        return False
    if first.unit and second.unit:
        return _close(first, second, first.unit.factor / second.unit.factor)
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
    return abs(a - b) <= NOISE * min(Fraction(1), max(abs(a), abs(b)))


def _is_exact(text: str) -> bool:
    return "." not in text and "e" not in text.lower()


def _decorated_number(text: str) -> Number | None:
    """A number with a percent sign, a currency, a scale word, a unit or words around it."""
    percent = bool(_PERCENT.search(text))
    text = _PERCENT.sub(" ", text).strip() if percent else text
    text = text.replace("^\\circ", "°")
    unit = None
    money = _MONEY.match(text.lstrip("-+ "))
    if money:
        unit, _ = take_unit(money.group()[-1].replace("￥", "¥"))
    text = _MONEY.sub("", text).strip()
    scale = _SCALE.search(text)
    factor = _SCALES[scale.group(1) or scale.group(2)] if scale else 1
    text = (text[: scale.start()] + " " + text[scale.end() :]).strip() if scale else text
    value = _value(text)
    exact_text = text
    if value is None:
        found = _number_among_words(text)
        if found is None:
            return None
        exact_text, after = found
        value = _value(exact_text)
        unit = take_unit(after)[0] or unit
    return None if value is None else Number(value * factor, percent, _is_exact(exact_text), unit)


def _number_among_words(text: str) -> tuple[str, str] | None:
    """(the only number among words or units, what stands behind it): "18 dollars a day", "她有5个苹果"; else None."""
    if _NOT_PLAIN.search(text) or "()" in text:
        return None
    tex = re.match(r"[+-]?[\d.,]*\s*\\(?:frac\{[^{}]*\}\{[^{}]*\}|(?:times|cdot)\s*10\s*\^\s*(?:\{[^{}]*\}|\d))", text)
    start, end = (0, tex.end()) if tex else (-1, -1)
    if not tex:
        tokens = list(_TOKEN.finditer(text))
        if not tokens:
            return None
        start, end = tokens[0].span()
        mixed = _MIXED.match(text, start)
        end = max(end, mixed.end()) if mixed else end
    before, after = text[:start], text[end:]
    if "," in text[start:end] and "(" in before:
        return None  # (1,234) is a pair
    rest = take_unit(after)[1] if _has_room(after) else after
    return (text[start:end], after) if _is_words(before) and _is_words(rest) else None


def _has_room(after: str) -> bool:
    """May a unit follow here? One letter right behind a digit is a variable: 4m is 4 times m, "4 m" is four metres."""
    return not re.match(r"[A-Za-z](?![A-Za-z/])", after)


def _is_words(text: str) -> bool:
    """Is the text nothing but words, units and punctuation?"""
    at = 0
    while at < len(text):
        match = _WORD.match(text, at)
        if not match:
            return False
        at = match.end()
    return True


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
