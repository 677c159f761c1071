"""What a page says of the TeX in its text: does it load a renderer, and which delimiters does it configure?

Read from inline scripts without running them: MathJax 2 (`tex2jax: {inlineMath: [...]}`), MathJax 3 and 4
(`tex: {inlineMath: [...]}`, `{'[+]': [...]}`), KaTeX auto-render (`delimiters: [{left: ..., right: ...}]`), plain or as
JSON inside a JSON string. Whatever cannot be read counts as not configured.

Not in the paper: section 2.1 does not name an extractor.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MATHJAX = (b"athJax", b"athjax")
_OTHER_RENDERERS = (b"katex", b"KaTeX", b"jsMath")
_ENVIRONMENT = re.compile(rb"\\begin\{(?:equation|align|gather|eqnarray|multline)")
_CONFIGURATION = re.compile(r"[A-Za-z]+(?P<escape>\\?)[\"']?\s*(?:[:=]|\.(?:push|concat)\s*\()\s*")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"|\'((?:[^\'\\\n]|\\.)*)\'')
_ESCAPE = re.compile(r"\\(.)")
_SIDE = re.compile(
    r"[\"']?\b(left|right|display)[\"']?\s*:\s*(?:(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')|(true|false|!0|!1))"
)
_COMMENT_LINE = re.compile(r"^\s*(?://|\*).*$", re.M)
_NO_ESCAPES = re.compile(rb"processEscapes\\?[\"']?\s*:\s*(?:false|!1)")
_ASCIIMATH = (b"asciimath2jax", b"AM_CHTML", b"AM_HTMLorMML", b"AM_SVG", b"input/asciimath")
_MAX_CONFIGURATION_CHARS, _MAX_CONFIGURATIONS = 1500, 20
_BUILT_IN = frozenset((("$", "$"), ("$$", "$$"), ("\\(", "\\)"), ("\\[", "\\]")))
_DELIMITER_CHARS = re.compile(r"^[^\w\s]$", re.A)
_BRACKETS = frozenset("()[]{}<>\"'\\/.,;:-+=*&%!?|~^_#@")


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The delimiters of TeX in a page's text, beside `$$`, `\\(`, `\\[` and environments, which count everywhere."""

    custom: tuple[tuple[str, str, bool], ...] = ()
    """Opening, closing, is it display; longest opening first."""
    has_dollars: bool | None = None
    """Is a single dollar a delimiter? None: the page configures nothing."""
    has_escapes: bool = True
    """Does a backslash before a dollar make it a plain dollar?"""
    has_asciimath: bool = False
    """Is text between backticks AsciiMath?"""
    has_mathjax: bool = False
    """Does the page mention MathJax?"""


def has_tex_renderer(page: bytes | str) -> bool:
    """Does the page mention MathJax, KaTeX or jsMath, or hold an equation environment?"""
    raw = _raw(page)
    return any(part in raw for part in _MATHJAX) or has_other_renderer(raw)


def has_other_renderer(page: bytes | str) -> bool:
    """The same without MathJax, for those who know already that it is not there."""
    raw = _raw(page)
    return any(part in raw for part in _OTHER_RENDERERS) or (
        b"\\begin{" in raw and _ENVIRONMENT.search(raw) is not None
    )


def _raw(page: bytes | str) -> bytes:
    return page.encode("utf-8", "replace") if isinstance(page, str) else page


def page_delimiters(page: bytes | str) -> Delimiters:
    """The delimiters that the page's scripts configure for MathJax or KaTeX; never raises."""
    raw = _raw(page)
    has_mathjax = any(part in raw for part in _MATHJAX)
    keys = (b"inlineMath", b"displayMath", b"delimiters") if has_mathjax else (b"delimiters",)
    pairs: list[tuple[str, str, bool]] = []
    has_inline = False
    for key in keys:
        for chunk in _values(raw, key):
            found = _sides(chunk) if key == b"delimiters" else _string_pairs(chunk, key == b"displayMath")
            pairs += found
            has_inline = has_inline or any(not is_display for *_, is_display in found)
    custom = {pair for pair in pairs if pair[:2] not in _BUILT_IN and _is_delimiter(pair[0]) and _is_delimiter(pair[1])}
    return Delimiters(
        custom=tuple(sorted(custom, key=lambda pair: (-len(pair[0]), pair))),
        has_dollars=any(opening == "$" for opening, *_ in pairs) if has_inline else None,
        has_escapes=not has_mathjax or _NO_ESCAPES.search(raw) is None,
        has_asciimath=has_mathjax and any(part in raw for part in _ASCIIMATH),
        has_mathjax=has_mathjax,
    )


def _values(raw: bytes, key: bytes) -> Iterator[str]:
    """The JavaScript values that are given to a key somewhere in the page, comments left out."""
    at = raw.find(key)
    for _ in range(_MAX_CONFIGURATIONS):
        if at < 0:
            return
        line = raw[max(0, at - 200, raw.rfind(b"\n", max(0, at - 200), at) + 1) : at].lstrip()
        text = raw[at : at + _MAX_CONFIGURATION_CHARS].decode("utf-8", "replace")
        at = raw.find(key, at + len(key))
        match = _CONFIGURATION.match(text)
        if match is None or line.startswith((b"//", b"* ")):
            continue
        value = text[match.end() :]
        if match["escape"]:
            value = _ESCAPE.sub(r"\1", value)
        yield _COMMENT_LINE.sub("", _bracketed(value))


def _bracketed(value: str) -> str:
    """The JavaScript value at the start of a text, up to the bracket that closes its first one."""
    depth = at = 0
    while at < len(value):
        character = value[at]
        if character in "\"'":
            string = _STRING.match(value, at)
            at = string.end() if string else at + 1
            continue
        if character in "[{(":
            depth += 1
        elif character in "]})":
            depth -= 1
        if depth <= 0 and not character.isspace():
            return value[: at + 1]
        at += 1
    return value


def _string_pairs(value: str, is_display: bool) -> list[tuple[str, str, bool]]:
    """The strings of an array of pairs, two and two. The "[+]" of MathJax 4 is a key, not a delimiter."""
    strings = [_unquoted(match[0]) for match in _STRING.finditer(value)]
    strings = [string for string in strings if string not in ("[+]", "[-]")]
    return [(left, right, is_display) for left, right in zip(strings[::2], strings[1::2], strict=False)]


def _sides(value: str) -> list[tuple[str, str, bool]]:
    """KaTeX: a list of objects with left, right and display, in any order of the three."""
    pairs = []
    for part in re.split(r"\}\s*,", value):
        sides = {
            name: _unquoted(string) if string else word in ("true", "!0") for name, string, word in _SIDE.findall(part)
        }
        left, right = sides.get("left"), sides.get("right")
        if isinstance(left, str) and isinstance(right, str):
            pairs.append((left, right, sides.get("display") is True))
    return pairs


def _unquoted(string: str) -> str:
    """A JavaScript string literal's value. "\\(" with one backslash means "(" there, but its author meant the TeX."""
    inner = string[1:-1]
    return inner if inner in ("\\(", "\\)", "\\[", "\\]") else _ESCAPE.sub(r"\1", inner)


def _is_delimiter(delimiter: str) -> bool:
    """Not so short or so plain that ordinary text would be full of it."""
    if not delimiter.strip() or len(delimiter) > 30 or delimiter.startswith("\\begin"):
        return False
    return len(delimiter) > 1 or (_DELIMITER_CHARS.match(delimiter) is not None and delimiter not in _BRACKETS)
