"""Is a piece of text TeX? Tests that keep prices, shell variables and prose out of the formulas.

All of them look at one short piece of text and are linear in it. The thresholds are set by hand, on the principle that
a missed inline formula stays in the text as the author typed it, while a false one swallows words.

Not in the paper: section 2.1 does not name an extractor.
"""

import re

TEX_SIGN = re.compile(r"\\[A-Za-z]|[\^_{}]")
_STRONG_SIGN = re.compile(r"\\[A-Za-z]{2,}|\\[,;:!|{}]|[\^_]")
_COMMAND = re.compile(r"\\[A-Za-z]")
_SIGNS = re.compile(r"\\[A-Za-z]+|[\^_=<>+]")
_PROSE = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{3,}(?![^\W\d_(\[])")
"""A word; a name in front of a bracket is a function's."""
_NOT_PROSE = re.compile(
    r"\\(?:text\w*|math\w+|operatorname\*?|mbox|hbox|begin|end|label|tag|rm|color|htmlClass|class|href|unicode)"
    r"\s*\*?\s*\{[^{}]*\}|\\[A-Za-z]+"
)
_WORD = re.compile(
    r"(?<![\\A-Za-z])(?:and|or|to|for|is|in|the|a|an|of|per|on|at|by|with|from|each|if|as|et|und|y|e|ou|oder|bis|de)"
    r"(?![A-Za-z])",
    re.I,
)
_AMOUNT = re.compile(r"\s*\d[\d,.]*(?:\s+|\s*[kKmMbB][a-z]{0,6}\b[\s,]*)[^\W\d_]{2,}[^\\^_=<>]*$")
"""An amount followed by a word and no TeX sign: "5 each, ", "3M to "."""
_OPEN_AMOUNT = re.compile(r"\s*\d[\d,.]*\s*(?:[A-Za-z]{1,8})?\.?\s*[-–—(,;/:+&]*\s*$")
"""An amount and what may join it to the next one: "100-", "5, ", "20/", "3M – "."""
_SHORT = re.compile(
    r"[A-Za-z\u0370-\u03ff]'{0,3}|[-+(\[|]?[A-Za-z\u0370-\u03ff0-9.]{1,4}'?(?:\s*[-+*/=<>≤≥≠,()|!:\[\]]\s*[A-Za-z\u0370-\u03ff0-9.]{0,4}){1,8}"
)
"""A letter, or letters and numbers with operators between them."""
_HAS_LETTER = re.compile(r"[^\W\d_]")
_FULL_STOPS = re.compile("[。，、；：？！“”《》]")
_REGULAR_EXPRESSION = re.compile(r"\.[*+](?![\s,])|\[\^|\\[dwsDWSb](?![A-Za-z])|\)\?|\|\\|[*+]\?")


def is_prose(latex: str) -> bool:
    """At least two ordinary words, more than its TeX signs could explain."""
    words = _PROSE.findall(_NOT_PROSE.sub(" ", latex))
    return len(words) >= 2 and len(words) >= 2 + 2 * len(_SIGNS.findall(latex))


def is_short_expression(latex: str) -> bool:
    """A letter such as n, or a few letters and numbers with operators between them."""
    return len(latex) <= 60 and _SHORT.fullmatch(latex) is not None


def is_plausible_inline(latex: str, before: str, after: str, is_trusted: bool) -> bool:
    """Is the text between two single dollars TeX, and not what stands between two prices?

    `before` and `after` are the characters outside the dollars ("" at an end). A digit after them means a second
    price. Where single dollars are not known to be delimiters on the page, the text must show a TeX sign or be a
    short expression. Words outside `\\text{}` speak against it, in any script.
    """
    if not latex.strip() or (after.isdigit() and not _COMMAND.search(latex)):
        return False
    is_strong = _STRONG_SIGN.search(latex) is not None
    starts_apart, ends_apart = latex[0].isspace(), latex[-1].isspace()
    if not is_trusted and (starts_apart or ends_apart):
        return False
    if _is_ascii_alphanumeric(before) and not is_strong:
        return False
    if is_prose(latex) or _AMOUNT.match(latex):
        return False
    if _FULL_STOPS.search(latex) and not _has_text_braces(latex):
        return False
    if not is_strong:
        if ends_apart and not starts_apart and (_is_ascii_alphanumeric(after) or _WORD.search(latex)):
            return False
        if _OPEN_AMOUNT.match(latex) and (not is_trusted or latex[-1] in " -–—(,;/:+&"):
            return False
    if is_strong or is_trusted:
        return True
    return is_short_expression(latex)


def _is_ascii_alphanumeric(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _has_text_braces(latex: str) -> bool:
    return "\\text" in latex or "\\mbox" in latex or "\\begin" in latex or "\\mathrm" in latex or "\\hbox" in latex


def is_plausible_display(latex: str, is_trusted: bool) -> bool:
    """Is the text between double dollars TeX? "$$ - $$$" of a price class is not."""
    if is_trusted:
        has_content = _HAS_LETTER.search(latex) is not None or any(character.isdigit() for character in latex)
        return has_content and not (is_prose(latex) and TEX_SIGN.search(latex) is None)
    return not is_prose(latex) and (TEX_SIGN.search(latex) is not None or is_short_expression(latex.strip()))


def is_plausible_bracketed(latex: str, is_trusted: bool) -> bool:
    r"""Is the text between `\(` and `\)` or `\[` and `\]` TeX, and not part of a regular expression?"""
    if is_trusted:
        return not (is_prose(latex) and TEX_SIGN.search(latex) is None)
    if _REGULAR_EXPRESSION.search(latex) or is_prose(latex):
        return False
    return TEX_SIGN.search(latex) is not None or is_short_expression(latex.strip())


_EVIDENCE = re.compile(
    r"\\(?:frac|dfrac|tfrac|sqrt|sum|prod|int|lim|infty|partial|nabla|mathbb|mathcal|mathrm|mathbf|operatorname|"
    r"left[(\[|.\\]|right[)\]|.\\]|begin\{|cdot|times|leq?|geq?|neq?|alpha|beta|gamma|theta|lambda|sigma|omega|pi)(?![A-Za-z])"
    r"|\\begin\{[a-z]+\*?\}|\[/(?:tex|latex|math|itex|imath)\]"
    r"|_\{[^{}\n]{1,40}\}\^|\^\{[^{}\n]{1,40}\}_|[\^_]\{[^{}\n]{0,40}\\[A-Za-z]"
)
_PATH = re.compile(r"[A-Za-z]:\\\S*")


def has_latex_evidence(text: str) -> bool:
    """Does a finished text show LaTeX that no rule made a formula of: commands, delimiters, scripts in braces?

    A cheap test to count and sample pages on which extraction may have failed; a path such as C:\\beta is no evidence.
    """
    if "\\" not in text and "[/" not in text and "}^" not in text and "}_" not in text:
        return False
    if ":\\" in text:
        text = _PATH.sub(" ", text)
    if ("\\(" in text and "\\)" in text) or ("\\[" in text and "\\]" in text):
        return True
    return _EVIDENCE.search(text) is not None
