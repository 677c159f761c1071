"""Find TeX in the text of a block: between delimiters, in environments, in forum tags, in escaped `<math>`.

Delimiters are those of every page (`$ $$ \\( \\[` and environments) and those that the page configures. A closing
delimiter counts only where braces are balanced. Prices stay what they are: see tex_plausibility.py.

Time is linear in the text: closing delimiters are looked up once, and a budget of characters bounds the work on
openings that never close.

Not in the paper: section 2.1 builds on OpenWebMath, whose extractor swaps `\\[ \\]` with `\\( \\)`, drops aligned
equations and takes prices for mathematics where a page loads MathJax.
"""

import functools
import re
from collections.abc import Callable

from .formula_asciimath import asciimath_to_latex
from .formula_list import BACKSLASH, DOLLAR, FoundFormulas
from .formula_mathml import find_math, math_element_latex
from .html_tree import parse_fragment
from .tex_delimiters import Delimiters
from .tex_plausibility import (
    TEX_SIGN,
    is_plausible_bracketed,
    is_plausible_display,
    is_plausible_inline,
    is_prose,
    is_short_expression,
)

TEX_SIGNS = ("$", "\\", "[", "<m")
"""A block whose text holds none of them has no TeX, unless the page configures delimiters (`has_custom_signs`)."""

_ENVIRONMENTS = frozenset(
    """
    equation align alignat aligned alignedat gather gathered multline multlined eqnarray flalign displaymath math
    split cases dcases rcases array subarray matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix
    IEEEeqnarray dmath empheq subequations CD darray drcases numcases
    """.split()  # noqa: SIM905 - one line a name would hide the list
)
_TAGS = "tex|latex|math|itex|imath|eqn|texx|katex|mathjax|mathjaxinline|dmath|displaymath"
_DISPLAY_TAGS = frozenset(("dmath", "displaymath", "mathjax"))
_STANDARD_OPENINGS = (
    r"(?P<run>\$\$\$+)",
    r"(?P<dollars>\$\$)",
    r"(?P<wordpress>\$latex(?=[\s\\{]))",
    r"(?P<dollar>\$)",
    r"(?P<bracket>\\{1,2}\[)",
    r"(?P<paren>\\{1,2}\()",
    r"\\begin\s?\{(?P<environment>[A-Za-z]+\*?)\}",
    rf"\[(?i:(?P<tag>{_TAGS}))(?:[ =][^\]\n]{{0,60}})?\]",
    r"(?P<reddit>\[;)",
    r"<(?P<markup>(?:\w{1,8}:)?math)(?=[\s>])[^<>]{0,400}>",
)
_TAG_OPENING = re.compile(rf"\[(?:;|(?i:{_TAGS})[\] =])")
_MARKUP_OPENING = re.compile(r"<(?:\w{1,8}:)?math[\s>]")
_MAX_CHARS = {"dollar": 1500, "backtick": 300}
_MAX_DISPLAY_CHARS = 6000
_MAX_CLOSINGS = 30
_BUDGET_CHARS = 200_000
_ESCAPED_BRACE = re.compile(r"\\.", re.S)


def has_custom_signs(found: FoundFormulas) -> bool:
    """Can a text without any of TEX_SIGNS hold TeX on this page? Ask only where some text holds one of them."""
    found.has_custom_signs = bool(found.delimiters.custom) or found.delimiters.has_asciimath
    return found.has_custom_signs


def text_formulas(text: str, found: FoundFormulas) -> str:
    """Replace TeX in the text of one block by placeholders; prices and lone dollars stay as they are."""
    if found.has_custom_signs or _may_hold_tex(text):
        return _Scanner(text, found).replaced()
    return text


def _may_hold_tex(text: str) -> bool:
    """Is there a backslash, a pair of dollars, a forum tag or escaped markup?"""
    if "\\" in text or text.count("$") > 1:
        return True
    if "[" in text and _TAG_OPENING.search(text):
        return True
    return "<m" in text and _MARKUP_OPENING.search(text) is not None


@functools.lru_cache(maxsize=256)
def _openings(delimiters: Delimiters) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The first characters of all openings, and the openings: the group that took part tells the kind.

    Two steps, because a search for one of a few characters is many times as fast as one for alternatives.
    """
    custom = [rf"(?P<custom{i}>{re.escape(opening)})" for i, (opening, *_) in enumerate(delimiters.custom)]
    backtick = [r"(?P<backtick>`)"] if delimiters.has_asciimath else []
    firsts = "$\\[<" + "`" * delimiters.has_asciimath + "".join(opening[0] for opening, *_ in delimiters.custom)
    return re.compile(f"[{re.escape(firsts)}]"), re.compile("|".join([*custom, *_STANDARD_OPENINGS, *backtick]))


class _Scanner:
    """One pass over the text of a block."""

    def __init__(self, text: str, found: FoundFormulas) -> None:
        self.text = text
        self.found = found
        self.delimiters = found.delimiters
        self._next: dict[str, tuple[int, int]] = {}
        self._budget = _BUDGET_CHARS + 20 * len(text)

    def replaced(self) -> str:
        text, out, at, kept = self.text, [], 0, 0
        firsts, openings = _openings(self.delimiters)
        while self._budget > 0 and (first := firsts.search(text, at)):
            match = openings.match(text, first.start())
            if match is None:
                at = first.end()
                continue
            answer = self._formula(match.lastgroup or "", match)
            if answer is None:
                at = match.end()
                continue
            placeholder, at = answer
            out += (text[kept : match.start()], placeholder)
            kept = at
        if not out:
            return text
        out.append(text[kept:])
        return "".join(out)

    def _formula(self, kind: str, match: re.Match[str]) -> tuple[str, int] | None:
        """The placeholder for the formula that opens here and the position behind it; None where there is none."""
        start, inside = match.span()
        if "$" in match[0][:1]:
            return self._in_dollars(kind, start, inside)
        if kind in ("bracket", "paren"):
            backslashes = self._backslashes_before(start) + inside - start - 1
            return self._bracketed(kind, inside, backslashes)
        if kind == "environment":
            return self._environment(match)
        if kind == "tag":
            return self._tag(match)
        if kind == "reddit":
            return self._between(inside, ";]", False, "text_tag", self._is_tex)
        if kind == "markup":
            return self._markup(match)
        if kind == "backtick":
            return self._backtick(inside)
        return self._configured(kind, inside)

    def _in_dollars(self, kind: str, start: int, inside: int) -> tuple[str, int] | None:
        if kind == "run":
            return None
        if kind.startswith("custom"):
            return self._configured(kind, inside)
        is_escaped = start and self.text[start - 1] == "\\" and self._backslashes_before(start) % 2
        if is_escaped and self.delimiters.has_escapes:
            return None
        if kind == "dollar":
            return self._dollar(inside, self.text[start - 1 : start] if start else "")
        if kind == "dollars":
            return self._between(inside, "$$", True, "text_dollars", self._is_display)
        return self._between(inside, "$", False, "text_wordpress", self._is_tex)

    def _configured(self, kind: str, inside: int) -> tuple[str, int] | None:
        _, closing, is_display = self.delimiters.custom[int(kind.removeprefix("custom"))]
        return self._between(inside, closing, is_display, "text_configured", self._is_bracketed)

    def _between(
        self, start: int, closing: str, is_display: bool, rule: str, is_plausible: Callable[[str], bool]
    ) -> tuple[str, int] | None:
        end = self._closing(start, closing, _MAX_DISPLAY_CHARS)
        if end is None:
            return None
        latex = self.text[start:end]
        if not latex.strip() or not is_plausible(latex):
            return None
        return self.found.add(self.found.with_sources(latex), is_display, rule), end + len(closing)

    def _is_tex(self, latex: str) -> bool:
        return TEX_SIGN.search(latex) is not None or not is_prose(latex)

    def _is_display(self, latex: str) -> bool:
        return is_plausible_display(latex, self.found.has_renderer)

    def _is_bracketed(self, latex: str) -> bool:
        return is_plausible_bracketed(latex, self.found.has_renderer)

    def _dollar(self, start: int, before: str) -> tuple[str, int] | None:
        end = self._closing(start, "$", _MAX_CHARS["dollar"])
        if end is None:
            return None
        latex, after = self.text[start:end], self.text[end + 1 : end + 2]
        if not is_plausible_inline(latex, before, after, self.found.trusts_dollars):
            return None
        return self.found.add(self.found.with_sources(latex), False, "text_dollar"), end + 1

    def _bracketed(self, kind: str, start: int, backslashes: int) -> tuple[str, int] | None:
        """`\\(...\\)`; with doubled backslashes only where both ends have them and the text is surely TeX."""
        closing = "\\]" if kind == "bracket" else "\\)"
        if backslashes == 2:
            return self._between(start, "\\" + closing, kind == "bracket", f"text_{kind}", self._is_doubled)
        if backslashes % 2 == 0:
            return None
        answer = self._between(start, closing, kind == "bracket", f"text_{kind}", self._is_bracketed)
        # Backslashes before the opening one are line breaks of something else: they stay in the text.
        return ("\\" + answer[0], answer[1]) if answer and backslashes > 1 else answer

    def _is_doubled(self, latex: str) -> bool:
        is_tex = TEX_SIGN.search(latex) is not None or is_short_expression(latex.strip())
        return "\n\n" not in latex and is_tex and self._is_bracketed(latex)

    def _backtick(self, start: int) -> tuple[str, int] | None:
        end = self._closing(start, "`", _MAX_CHARS["backtick"])
        if end is None or not self.text[start:end].strip() or is_prose(self.text[start:end]):
            return None
        return self.found.add(asciimath_to_latex(self.text[start:end]), False, "text_asciimath"), end + 1

    def _tag(self, match: re.Match[str]) -> tuple[str, int] | None:
        """`[tex]...[/tex]`, in any mixture of cases."""
        name = match["tag"]
        for closing in (f"[/{name}]", f"[/{name.lower()}]", f"[/{name.upper()}]"):
            answer = self._between(
                match.end(), closing, name.lower() in _DISPLAY_TAGS, "text_tag", lambda latex: not is_prose(latex)
            )
            if answer:
                return answer
        return None

    def _environment(self, match: re.Match[str]) -> tuple[str, int] | None:
        """`\\begin{name} ... \\end{name}`, kept with its environment; the same name may be nested."""
        name = match["environment"]
        if name.rstrip("*") not in _ENVIRONMENTS:
            return None
        opening, closing = f"\\begin{{{name}}}", f"\\end{{{name}}}"
        end = at = match.end()
        for _ in range(_MAX_CLOSINGS):
            found = self._find(closing, at)
            if found < 0 or found - match.start() > _MAX_DISPLAY_CHARS:
                return None
            end = found + len(closing)
            inside = self.text[match.end() : found]
            self._budget -= len(inside)
            if inside.count(opening) == inside.count(closing):
                break
            at = end
        latex = self.found.with_sources(self.text[match.start() : end])
        return self.found.add(latex, True, "text_environment"), end

    def _markup(self, match: re.Match[str]) -> tuple[str, int] | None:
        """`<math>` that was escaped and so stands in the text: MathML, or TeX as MediaWiki writes it."""
        closing = f"</{match['markup']}>"
        end = self._find(closing, match.end())
        if end < 0 or end - match.end() > 4 * _MAX_DISPLAY_CHARS:
            return None
        self._budget -= end - match.end()
        source = self.text[match.start() : end + len(closing)]
        if BACKSLASH in source or DOLLAR in source:
            return None
        if "<" not in self.text[match.end() : end]:
            latex = self.text[match.end() : end]
            if TEX_SIGN.search(latex) is None or is_prose(latex):
                return None
            is_display = "display" in match[0] and "block" in match[0]
            return self.found.add(latex, is_display, "text_math_tag"), end + len(closing)
        math = find_math(parse_fragment(source))
        if math is None:
            return None
        latex, is_display, _ = math_element_latex(math)
        return (self.found.add(latex, is_display, "text_mathml"), end + len(closing)) if latex else None

    def _closing(self, start: int, closing: str, max_chars: int) -> int | None:
        """Where the formula that begins at `start` ends: the first closing delimiter outside braces, not escaped.

        A blank line ends the search of inline formulas; code inside ends every search.
        """
        at = start
        for _ in range(_MAX_CLOSINGS):
            end = self._find(closing, at)
            if end < 0 or end - start > max_chars or self._budget <= 0:
                return None
            inside = self.text[start:end]
            self._budget -= len(inside)
            if BACKSLASH in inside or DOLLAR in inside:
                return None  # code: the marks were put there so that no TeX is looked for in it
            if closing in ("$", "\\)", "`") and "\n\n" in inside:
                return None
            if _is_whole(inside, closing):
                return end
            at = end + 1
        return None

    def _find(self, closing: str, at: int) -> int:
        """The first position of a closing delimiter from `at` on; -1 if there is none. Remembers the last answer."""
        searched_from, known = self._next.get(closing, (len(self.text) + 1, 0))
        if searched_from <= at and (at <= known or known < 0):
            return known
        position = self.text.find(closing, at)
        self._next[closing] = (at, position)
        return position

    def _backslashes_before(self, at: int) -> int:
        count = 0
        while count < at and count < 8 and self.text[at - 1 - count] == "\\":
            count += 1
        return count


def _is_whole(inside: str, closing: str) -> bool:
    """Are the braces balanced, and is the closing delimiter behind this text not escaped?"""
    if inside.endswith("\\") and (len(inside) - len(inside.rstrip("\\"))) % 2:
        return False
    if "\\" in inside and ("\\{" in inside or "\\}" in inside or "\\\\" in inside):
        inside = _ESCAPED_BRACE.sub("", inside)
    return inside.count("{") <= inside.count("}")
