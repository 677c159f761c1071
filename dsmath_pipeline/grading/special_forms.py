"""Answers with a notation of their own: clock times, ratios, ranges, numerals of another base, set phrases.

Each reader gives a value that is equal for equal answers; `compare_special` decides between two answers when at least
one has such a form.
"""

import re
from fractions import Fraction

from .notation import canonical_text, unify
from .numbers import parse_number

_CLOCK = re.compile(r"(?:at\s+)?(\d{1,2}):(\d{2})\s*(?:([ap])\.?\s?m\.?)?", re.IGNORECASE)
_RATIO = re.compile(r"(\d+(?:\.\d+)?)((?:\s*:\s*\d+(?:\.\d+)?)+)")
_TO = re.compile(r"(?:between\s+|from\s+|从)?(\S+)\s*(?:\bto\b|\band\b|[到至])\s*(\S+?)", re.IGNORECASE)
_DASH = re.compile(r"(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)")
_BASED = re.compile(r"(-?[0-9a-z]+)_\{?(\d{1,2})\}?")
_LEAD = re.compile(
    r"^(?:(?:and\s+)?(?:there\s+(?:is|are)|(?:the|this)\s+(?:equation|inequality|system|limit|problem|answer|expression|"
    r"value|slope)(?:\s+(?:has|is|have))?|it\s+(?:is|has)|has|have|is)\s+)+|^(?:原?方程组?|不等式组?|该?极限|此题|答案)[是为]?",
    re.IGNORECASE,
)
_PHRASES = {
    "no real solution": r"no real (?:solutions?|roots?|values?)|没?无?实数?[解根]|无实数?[解根]",
    "no solution": r"no (?:such )?solutions?|无解|没有解|no solutions? exists?",
    "does not exist": r"(?:does|do) not exist|doesn't exist|dne|不存在|no limit",
    "undefined": r"undefined|not defined|无定义|无意义",
    "any solution": r"infinitely many(?: solutions)?|infinite(?: number of)? solutions"
    r"|有?无[数穷](?:多[个组]?)?解",
    "empty set": r"\\emptyset|\\\{\s*\\\}|\{\s*\}|(?:the )?empty set|空集",
    "all reals": r"\\mathbb\{?R\}?|(?:all|any) real(?: number)?s?|(?:全体|任意|一切)实数|\(-\\infty,\+?\\infty\)|R",
    "yes": r"yes|是的?|对的?",
    "no": r"no|不是|否|不对",
    "true": r"true|正确",
    "false": r"false|错误|不正确",
    "infinity": r"\+?\\infty|正无穷大?",
    "minus infinity": r"-\\infty|负无穷大?",
}
_PHRASE_PATTERNS = {name: re.compile(rf"(?:{pattern})[.!。]?", re.IGNORECASE) for name, pattern in _PHRASES.items()}


def read_phrase(text: str) -> str | None:
    """The name of the set phrase that an answer is ("no solution" for 方程无解), None for any other text."""
    plain = unify(text)
    if len(plain) > 80:
        return None
    plain = re.sub(r"\s*([(),])\s*", r"\1", _LEAD.sub("", plain)).strip()
    plain = re.sub(r"(?<=\\infty) (?=\))", "", plain)
    return next((name for name, pattern in _PHRASE_PATTERNS.items() if pattern.fullmatch(plain)), None)


def compare_special(first: str, second: str) -> bool | None:
    """Are two answers equal, as far as phrases, times, ratios, ranges or bases decide it? None where they do not."""
    phrases = read_phrase(first), read_phrase(second)
    if phrases[0] and phrases[1]:
        return phrases[0] == phrases[1]
    one, two = unify(first), unify(second)
    for compare in (_same_base, _same_time, _same_ratio, _same_range):
        same = compare(one, two)
        if same is not None:
            return same
    return None


def _same_time(first: str, second: str) -> bool | None:
    """Clock times; the half of the day counts only when both state it."""
    a, b = _CLOCK.fullmatch(first), _CLOCK.fullmatch(second)
    if not a or not b:
        return None
    halves = {m.group(3).lower() for m in (a, b) if m.group(3)}
    return (int(a.group(1)), a.group(2)) == (int(b.group(1)), b.group(2)) and len(halves) < 2


def _same_base(first: str, second: str) -> bool | None:
    a, b = _based(first), _based(second)
    return a == b if a or b else None


def _based(text: str) -> tuple[str, int] | None:
    """(digits, base) of a numeral such as 1011_2, None for subscripts of other kinds."""
    match = _BASED.fullmatch(re.sub(r"\s+", "", text).lower())
    base = int(match.group(2)) if match else 0
    if not match or not 2 <= base <= 36 or not all(int(d, 36) < base for d in match.group(1).lstrip("-")):
        return None
    return (re.sub(r"^(-?)0+(?=\w)", r"\1", match.group(1)), base) if re.search(r"\d", match.group(1)) else None


def _same_ratio(first: str, second: str) -> bool | None:
    """3:4 is 6:8, 3 to 4 and the number 3/4; what may be a clock time is compared as written only."""
    a, b = _ratio(first), _ratio(second)
    if a and b:
        if _CLOCK.fullmatch(first) or _CLOCK.fullmatch(second):
            return canonical_text(first) == canonical_text(second)
        return len(a) == len(b) and all(x * b[0] == y * a[0] for x, y in zip(a, b, strict=True))
    if not a and not b:
        return None
    terms, other, text = (a, second, first) if a else (b, first, second)
    assert terms
    number = parse_number(other)
    if not number or len(terms) != 2 or terms[1] == 0 or _CLOCK.fullmatch(text):
        return None if ":" not in text else False
    return number.value == terms[0] / terms[1]


def _ratio(text: str) -> list[Fraction] | None:
    match = _RATIO.fullmatch(text)
    if match:
        return [Fraction(part.strip()) for part in text.split(":")]
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s+to\s+(\d+(?:\.\d+)?)", text)
    return [Fraction(match.group(1)), Fraction(match.group(2))] if match else None


def _same_range(first: str, second: str) -> bool | None:
    """Ranges with equal ends: "3 to 5", "3-5" where the first is smaller, 3到5."""
    a, b = _range(first), _range(second)
    return a == b if a or b else None


def _range(text: str) -> tuple[Fraction, Fraction] | None:
    if len(text) > 80:
        return None
    match = _DASH.fullmatch(text) or _TO.fullmatch(text)
    ends = [parse_number(end) for end in match.groups()] if match else []
    if len(ends) != 2 or not ends[0] or not ends[1] or ends[0].value >= ends[1].value:
        return None
    if " and " in text and not text.lower().startswith("between"):
        return None
    return ends[0].value, ends[1].value
