"""Words and n-grams of a text in the plainest Python: what tests and benchmarks compare the compiled ones with."""

import re

from dsmath_pipeline.text import CJK, normalise

_WORD = re.compile(f"[{CJK}]|(?:(?![{CJK}_])\\w)+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")


def words(text: str) -> list[str]:
    """Words, numbers and single CJK characters of the normalised text, without punctuation."""
    return _WORD.findall(normalise(text))


def ngrams(tokens: list[str], n: int) -> list[tuple[str, ...]]:
    """All runs of `n` tokens, in order."""
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def num_han(text: str) -> int:
    """How many Chinese characters the text holds; kana and Hangul do not count."""
    return len(_HAN.findall(text))
