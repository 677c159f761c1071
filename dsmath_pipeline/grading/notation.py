"""One way of writing: the many notations of one answer become one before anything reads it.

Full-width and superscript characters, Unicode signs, TeX decoration, text commands, emphasis marks and ASCII spellings
(`sqrt(2)`, `x**2`, `<=`) are rewritten; nothing is computed and no content is dropped. English and Chinese.
"""

import functools
import re
import unicodedata

MAX_ANSWER_CHARS = 2000
"""Longer answers are neither rewritten nor compared: no benchmark has one."""

_GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho x sigma tau upsilon"
_SIGNS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "﹣": "-", "×": "\\times ", "·": "\\cdot ", "⋅": "\\cdot ",
    "∙": "\\cdot ", "÷": "/", "π": "\\pi ", "∞": "\\infty ", "≤": "\\le ", "⩽": "\\le ", "≦": "\\le ", "≥": "\\ge ",
    "⩾": "\\ge ", "≧": "\\ge ", "≠": "\\ne ", "≈": "\\approx ", "∪": "\\cup ", "∩": "\\cap ", "∅": "\\emptyset ",
    "∈": "\\in ", "±": "\\pm ", "∓": "\\mp ", "°": "^\\circ ", "º": "^\\circ ", "℃": "^\\circ C", "℉": "^\\circ F",
    "′": "'", "’": "'", "∶": ":", "ℝ": "\\mathbb{R}", "√": "\\sqrt ", "∠": "\\angle ", "⁄": "/", "∕": "/", "＼": "\\",
    **{chr(0x3B1 + i): f"\\{name} " for i, name in enumerate(_GREEK.split()) if name not in ("x", "omicron")},
}  # fmt: skip
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_SUBSCRIPT = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_VULGAR = re.compile("(\\d?)\\s*([¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])")
_TEXT_COMMAND = re.compile(
    r"\\(?:text|textrm|textbf|textit|mathrm|mathbf|mathit|mathsf|mbox|hbox|operatorname|rm|bf|boldsymbol|boxed|fbox)"
    r"\s*\{([^{}]*)\}"
)
_DECORATION = re.compile(
    r"(?<!\\)\\(?:left|right|[bB]igg?[lr]?)(?![a-zA-Z])\.?|(?<!\\)\\[!,;:> ()\[\]]"
    r"|\\(?:displaystyle|quad|qquad|limits)\b|(?<!\\)\$|(?<!\\)~|\\(?:rm|bf|it)\b"
)
_RENAMED = [
    (re.compile(pattern), name)
    for pattern, name in [
        (r"\\[dtc]frac(?![a-z])", r"\\frac"), (r"\\[dt]binom(?![a-z])", r"\\binom"), (r"\\%", "%"),
        (r"\\(?:leqslant|leq|leqq|le)(?![a-z])|<=", r"\\le "), (r"\\(?:geqslant|geq|geqq|ge)(?![a-z])|>=", r"\\ge "),
        (r"\\(?:neq|ne)(?![a-z])|!=", r"\\ne "), (r"\\lt(?![a-z])", "<"), (r"\\gt(?![a-z])", ">"),
        (r"\\varnothing", r"\\emptyset"), (r"\\(?:mathbb|bf)\s*R\b|\\R(?![a-z])", r"\\mathbb{R}"),
        (r"\\(?:infin|infinity)(?![a-z])|(?<![a-zA-Z\\])(?:infinity|inf)(?![a-zA-Z])", r"\\infty "),
        (r"\^\s*(?:\{\s*\\circ\s*\}|\\circ)|\\degree(?![a-z])", r"^\\circ "), (r"\\(?:lbrace)(?![a-z])", r"\\{"),
        (r"\\(?:rbrace)(?![a-z])", r"\\}"), (r"\\(?:mid|vert|lvert|rvert)(?![a-z])", "|"), (r"\\div(?![a-z])", "/"),
        (r"\\(?:ast)(?![a-z])", "*"), (r"\\(?:cong|simeq)(?![a-z])", r"\\approx "), (r"\*\*", "^"),
        (r"\^\s*\\prime", "'"),
        (r"(?<![a-zA-Z\\])(?:pi|Pi)(?![a-zA-Z])", r"\\pi "), (r"(?<![a-zA-Z\\])sqrt(?=\s*[({])", r"\\sqrt"),
    ]
]  # fmt: skip
_TRAILING = ".。,，;；、 \t\n"


@functools.lru_cache(maxsize=16384)
def unify(text: str) -> str:
    """The text in the one notation that the other files of this folder read. Idempotent in effect, never longer than
    a few times the text; a text of more than MAX_ANSWER_CHARS characters is returned as it is.
    """
    if len(text) > MAX_ANSWER_CHARS:
        return text
    text = _SUPERSCRIPT.sub(lambda m: f"^{{{_nfkc(m.group()).replace('−', '-')}}}", text)
    text = _SUBSCRIPT.sub(lambda m: f"_{{{_nfkc(m.group())}}}", text)
    text = _VULGAR.sub(lambda m: f"{m.group(1)} {_nfkc(m.group(2)).replace('⁄', '/')}", text)
    text = _SIGN.sub(lambda m: _SIGNS[m.group()], text)
    text = _SIGN.sub(lambda m: _SIGNS[m.group()], _nfkc(text))
    text = re.sub(r"\{,\}|,\\!\s*", ",", text)  # thousands separators of TeX
    text = re.sub(r"(?<=\d)\s*~\s*(?=\d)", " to ", text)
    if len(re.findall(r"(?<!\\)\$", text)) == 1:  # a lone one opens no formula: it is the currency
        text = text.replace("$", "\\$")
    text = _without_emphasis(text)
    for _ in range(4):
        text, count = _TEXT_COMMAND.subn(r" \1 ", text)
        if not count:
            break
    text = _DECORATION.sub(" ", text)
    for pattern, name in _RENAMED:
        text = pattern.sub(name, text)
    text = _brace_arguments(text)
    return re.sub(r"\s+", " ", text).strip().rstrip(_TRAILING)


def canonical_text(text: str) -> str:
    """A text without TeX decoration, spaces, case and the final full stop; equal texts are equal answers.

    A text of one character keeps its case (x is not X), and a space between digits stays ("1 1" is not 11).
    """
    text = unify(text).replace("^\\circ", "")
    text = re.sub(r"\^\{(\w)\}", r"^\1", text)
    text = re.sub(r"_\{(\w)\}", r"_\1", text)
    text = re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", text).rstrip(_TRAILING)
    return text.casefold() if re.search(r"[^\W\d_]{2}", text) and "\\" not in text else text


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _without_emphasis(text: str) -> str:
    """Without the `**` of Markdown around the whole or a part; a power `x**2` keeps its sign."""
    text = re.sub(r"\*\*([^*]+)\*\*", r"\1", text)
    return text.strip().removeprefix("**").removesuffix("**").strip()


def _brace_arguments(text: str) -> str:
    """`\\frac12`, `\\frac{1}2`, `\\sqrt2`, `\\sqrt(2)` with braces around every argument."""
    text = re.sub(r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{", text)
    text = re.sub(r"(\\frac\s*\{[^{}]*\})\s*(\d|[a-z](?![a-z]))", r"\1{\2}", text)
    text = re.sub(r"\\sqrt\s*(\d+|[a-zA-Z](?![a-zA-Z]))", r"\\sqrt{\1}", text)
    pieces = re.split(r"\\sqrt\s*\(", text)
    if len(pieces) == 1:
        return text
    done = pieces[0]
    for piece in pieces[1:]:
        close = _closing_parenthesis(piece)
        done += f"\\sqrt({piece}" if close < 0 else f"\\sqrt{{{piece[:close]}}}{piece[close + 1 :]}"
    return done


def _closing_parenthesis(text: str) -> int:
    """Index of the parenthesis that closes one opened before `text`, -1 when it stays open."""
    depth = 1
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return at
    return -1
