"""The formulas of one page: kept in a list while the page is read, written into its text at the end.

Whoever finds a formula calls `FoundFormulas.add` and puts the answer, a placeholder of two private-use characters
around a number, where the formula stood; no later step can damage it. `render` writes `$...$` or `$$...$$` and lists
the formulas that are still there, in order. Every rule counts how often it fired.

Not in the paper: section 2.1 does not name an extractor.
"""

import html
import re
from collections import Counter

from .tex_delimiters import Delimiters, has_other_renderer, page_delimiters

_OPEN, _CLOSE = "\ue000", "\ue001"
_NUMBER = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
PLACEHOLDER = re.compile(f"{_OPEN}\\d+{_CLOSE}")
DOLLAR, BACKSLASH = "\ue002", "\ue003"
"""Stand for "$" and "\\" in code, so that no TeX is looked for there."""

_PRIVATE_USE = re.compile("[\ue000-\uf8ff]+")
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2060\ufeff\xad]+")
_REFERENCE = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,7}|#x[0-9a-fA-F]{1,6});")
_LINE_BREAK = re.compile(r"<br\s*/?>", re.I)
_CDATA = re.compile(r"^(?:%\s*)?<!\[CDATA\[|(?:%\s*)?\]\]>$")
_COMMENT = re.compile(r"(?<!\\)%[ \t]*\n\s*")
_TRAILING_COMMENT = re.compile(r"(?<!\\)%.*")
_LINE_START = re.compile(r"[ \t]*\n\s*")
_DISPLAY_STYLE = re.compile(r"^\{\s*\\(?:displaystyle|textstyle)(?![A-Za-z])(.*)\}\s*$", re.S)
_DELIMITERS = (("$$", "$$", True), ("\\[", "\\]", True), ("\\(", "\\)", False), ("$", "$", False))
_DEFINITION = re.compile(
    r"\s*\\(?:(?:re|provide)?newcommand|providecommand|def|gdef|let|DeclareMathOperator|require|newtheorem)\*?(?![A-Za-z])"
    r"\s*(?:\{\s*\\?[A-Za-z@]+\s*\}|\\[A-Za-z@]+)?\s*(?:=?\s*\\[A-Za-z]+)?(?:\[[^\]]*\]|#\d)*\s*"
)


class FoundFormulas:
    """Formulas of one page in the order they were met, and what the page says of its TeX delimiters.

    `page` is the page's HTML; it is looked at only when a text holds a sign of TeX. `has_renderer` overrides what
    the page says.
    """

    def __init__(self, page: bytes | str = b"", has_renderer: bool | None = None) -> None:
        self.sources: list[tuple[str, bool]] = []
        """LaTeX without delimiters, and whether it is a display formula."""
        self.rules: list[str] = []
        """The rule that found each of them."""
        self.has_custom_signs = False
        """Can a text without the usual signs hold TeX? Set by tex_in_text.has_custom_signs."""
        self.has_marks = False
        """Has an element been met that only a page with typeset TeX has?"""
        self._page = page
        self._has_renderer = has_renderer
        self._delimiters: Delimiters | None = None

    @property
    def has_renderer(self) -> bool:
        """Does the page load something that typesets TeX in its text?"""
        if self._has_renderer is None:
            self._has_renderer = self.has_marks or self.delimiters.has_mathjax or has_other_renderer(self._page)
        return self._has_renderer

    @property
    def delimiters(self) -> Delimiters:
        """The TeX delimiters that the page configures."""
        if self._delimiters is None:
            self._delimiters = page_delimiters(self._page)
        return self._delimiters

    @property
    def trusts_dollars(self) -> bool:
        """Are single dollars delimiters here? As configured; where nothing is, as likely as a renderer is there."""
        dollars = self.delimiters.has_dollars
        return self.has_renderer if dollars is None else dollars

    def add(self, latex: str, is_display: bool, rule: str) -> str:
        """Keep a formula; returns its placeholder, or nothing when it is empty or holds only macro definitions."""
        latex, is_display = clean_latex(latex, is_display)
        if not latex or (latex[0] == "\\" and _is_only_definitions(latex)):
            return ""
        self.sources.append((latex, is_display))
        self.rules.append(rule)
        return f"{_OPEN}{len(self.sources) - 1}{_CLOSE}"

    def with_sources(self, text: str) -> str:
        """The text with each placeholder replaced by its LaTeX: an element's formula inside a larger formula."""
        return _NUMBER.sub(lambda number: self.sources[int(number[1])][0], text) if _OPEN in text else text


def clean_latex(latex: str, is_display: bool) -> tuple[str, bool]:
    """LaTeX without delimiters, `{\\displaystyle ...}` around it, HTML left-overs, comment line ends and odd spaces.

    Returns it with whether it is a display formula: as given, unless its own delimiters say so.
    """
    if not latex.isascii():
        latex = _INVISIBLE.sub("", _PRIVATE_USE.sub("", latex)).replace("\xa0", " ")
    if "&" in latex and _REFERENCE.search(latex):
        latex = html.unescape(latex).replace("\xa0", " ")
    latex = latex.strip()
    if "<" in latex or "]]>" in latex:
        latex = _CDATA.sub("", _LINE_BREAK.sub("\n", latex).strip()).strip()
    if latex[:1] in ("$", "\\"):
        for opening, closing, display in _DELIMITERS:
            if latex.startswith(opening) and latex.endswith(closing) and len(latex) > len(opening) + len(closing):
                inside = latex[len(opening) : -len(closing)]
                # "\[2pt]"-like ends and "$a$ and $b$" are no pair around the whole.
                if inside.endswith("\\") or (opening == "$" and "$" in inside and "\\text" not in inside):
                    break
                latex, is_display = inside.strip(), is_display or display
                break
    for _ in range(3):
        if not latex.startswith("{") or not (match := _DISPLAY_STYLE.match(latex)) or not _is_balanced(match[1]):
            break
        latex = match[1].strip()
    if "\n" in latex:
        latex = _LINE_START.sub("\n", _COMMENT.sub("", latex)).strip()
    return latex.replace("\r", ""), is_display


def _is_balanced(latex: str) -> bool:
    """Does no brace close one that was opened before this text?"""
    depth = at = 0
    while at < len(latex):
        character = latex[at]
        if character == "\\":
            at += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth < 0:
                return False
        at += 1
    return depth == 0


def _is_only_definitions(latex: str) -> bool:
    """Nothing but macro definitions such as `\\newcommand{\\R}{...}`, which pages hide in an empty formula."""
    at = 0
    while match := _DEFINITION.match(latex, at):
        at = match.end()
        while latex.startswith("{", at):
            at = _after_braces(latex, at)
        if comment := _TRAILING_COMMENT.match(latex, at):
            at = comment.end()
    return at > 0 and not _TRAILING_COMMENT.sub("", latex[at:]).strip()


def _after_braces(latex: str, at: int) -> int:
    """The position behind the brace group that starts at `at`."""
    depth = 0
    for i in range(at, len(latex)):
        if latex[i] == "{":
            depth += 1
        elif latex[i] == "}":
            depth -= 1
            if depth == 0:
                return i + 1
    return len(latex)


def render(
    text: str, found: FoundFormulas, max_chars: int | None = None
) -> tuple[str, tuple[str, ...], dict[str, int]]:
    """The text with `$...$` and `$$...$$`, the formulas in it in order of appearance, and the count of each rule.

    The text ends before `max_chars`; a formula that would cross this limit is left out whole.
    """
    formulas: list[str] = []
    rules: Counter[str] = Counter()
    out: list[str] = []
    room = len(text) * 2 + sum(len(latex) + 4 for latex, _ in found.sources) if max_chars is None else max_chars
    # Splitting at the placeholders gives text, number, text, number, ..., text.
    for i, part in enumerate(_NUMBER.split(text)):
        if i % 2:
            latex, is_display = found.sources[int(part)]
            mark = "$$" if is_display else "$"
            written = f"{mark}{latex}{mark}"
            if len(written) > room:
                break
            formulas.append(latex)
            rules[found.rules[int(part)]] += 1
        else:
            written = part[:room]
        out.append(written)
        room -= len(written)
        if not room:
            break
    body = "".join(out).replace(DOLLAR, "$").replace(BACKSLASH, "\\")
    return body, tuple(formulas), dict(sorted(rules.items()))
