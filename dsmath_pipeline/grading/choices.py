"""Option letters of multiple-choice questions: "B", "(B) 42", "Option B", "选B", "A, C, D", "A和C"."""

import re

from .notation import unify

_LEAD = (
    r"(?:(?:the\s+)?(?:correct\s+|right\s+)?(?:options?|choices?|answers?)\s*(?:is|are|:)?|故?应?选择?项?|选项|答案)?:?"
)
_LETTERS = r"\(?[A-J]\)?(?:\s*(?:[,、;&]|and|和|与|及)?\s*\(?[A-J]\)?)*"
_BARE = re.compile(rf"{_LEAD}\s*({_LETTERS})\s*(?:项|选项|[.。:、)])*", re.IGNORECASE)
_WITH_TEXT = re.compile(r"(?:\(\s*([A-J])\s*\)|([A-E])\s*(?:[).、]|:(?!\d)))\s*(.+)", re.DOTALL)
_LETTER = re.compile(r"[A-J]")
_OTHER_OPTION = re.compile(r"(?<![A-Za-z\\])\(?[A-J]\s*[).、:](?!\w)")


def read_choice(text: str) -> frozenset[str] | None:
    """The option letters that an answer names, None when it is no choice.

    One letter may be lower case (a to e); several must be capitals, joined by commas, "and" or nothing. Alternatives
    ("A or B") are no choice. The text of the option may follow its letter behind a mark: "(B) 42", "B. 42".
    """
    plain = unify(text)
    if len(plain) == 1:
        return frozenset(plain.upper()) if plain in "ABCDEFGHIJabcde" else None
    bare = _BARE.fullmatch(plain)
    if bare:
        letters = re.sub(r"and", " ", bare.group(1), flags=re.IGNORECASE)
        single = letters.strip(" ()")
        if len(single) == 1 and (single.isupper() or single in "abcde"):
            return frozenset(single.upper())
        if not re.search("[a-z]", letters):
            found = _LETTER.findall(letters)
            return frozenset(found) if len(set(found)) == len(found) else None
    named = _WITH_TEXT.fullmatch(plain)
    if named and not _OTHER_OPTION.search(named.group(3)):
        return frozenset(named.group(1) or named.group(2))
    return None


def is_bare_letter(text: str) -> bool:
    """Is the answer an option letter and nothing else?"""
    return re.fullmatch(r"\(?[A-J]\)?\.?", unify(text)) is not None
